#include "ssm/layer/s4.hpp"
#include "layer/any_layer.hpp"
#include "layer/dense_oracle.hpp"
#include "ssm/layer/trainable.hpp"
#include "support/fftw.hpp"

using namespace ssm;

namespace {

template <class T>
void check_s4_against_dense(Index N, double dt, Index L) {
  Random random(7);
  const auto parameters =
      initial<S4<T>>(hippo::LegS{}, {.features = 2, .states = N, .dt_min = dt, .dt_max = dt}, random);
  const S4<T> layer(parameters);
  const auto u = laws::noise<T>(L, 2);
  const auto exact = support::dense_response(dense(parameters), Bilinear{}, 1, u);
  CAPTURE(N, dt, L);
  CHECK(laws::distance(laws::run_from_rest(layer, u).template cast<double>(), exact) <= tolerance::recurrence<T>);
  CHECK(laws::distance(laws::run_from_rest(layer, u, algorithm::convolution{}).template cast<double>(), exact) <=
        tolerance::convolution<T>);
  CHECK(laws::distance(
            laws::run_from_rest(layer, u, algorithm::convolution<fft::FftwBackend>{}).template cast<double>(), exact) <=
        tolerance::convolution<T>);
}

}  // namespace

TEMPLATE_TEST_CASE("S4 is the dense fp64 system, in every mode", "[layer]", float, double) {
  const Index N = GENERATE(1, 15, 64);
  const double dt = GENERATE(1e-3, 1e-2, 1e-1);
  check_s4_against_dense<TestType>(N, dt, 2000);
}

TEMPLATE_TEST_CASE("S4 is the dense fp64 system over 16384 steps", "[layer]", float, double) {
  check_s4_against_dense<TestType>(64, GENERATE(1e-3, 1e-1), 16'384);
}

TEST_CASE("S4 satisfies the concept, and takes no method without a structured form", "[layer]") {
  STATIC_REQUIRE(SSMLayer<S4<float>>);
  STATIC_REQUIRE(SSMLayer<S4<double>>);
  STATIC_REQUIRE(std::constructible_from<S4<float>, const S4Parameters<float>&, Bilinear>);
  STATIC_REQUIRE(std::constructible_from<S4<float>, const S4Parameters<float>&, Sampling>);
  STATIC_REQUIRE_FALSE(std::constructible_from<S4<float>, const S4Parameters<float>&, ZeroOrderHold>);
}

TEST_CASE("rate multiplies every time step", "[layer]") {
  Random random(1);
  auto parameters = initial<S4<double>>(hippo::LegS{}, {.features = 2, .states = 8}, random);
  const auto u = laws::noise<double>(50, 2);
  const auto twice = laws::run_from_rest(S4<double>(parameters, {.rate = 2}), u);
  for (auto& log_dt : parameters.log_dt) log_dt += std::log(2.0);
  CHECK(laws::distance(laws::run_from_rest(S4<double>(parameters), u), twice) <= 1e-13);
}

TEST_CASE("at twice the rate a slow signal gives every second sample", "[layer]") {
  Random random(3);
  const auto parameters = initial<S4<double>>(hippo::LegS{}, {.features = 3, .states = 16, .dt_max = 1e-2}, random);
  laws::Rows<double> u(4000, 3), half(2000, 3);
  for (Index k = 0; k < 4000; ++k) u.row(k).setConstant(std::sin(0.01 * double(k)) + std::cos(0.017 * double(k)));
  for (Index k = 0; k < 2000; ++k) half.row(k) = u.row(2 * k + 1);
  const auto y = laws::run_from_rest(S4<double>(parameters), u);
  const auto y_half = laws::run_from_rest(S4<double>(parameters, {.rate = 2}), half);
  const auto y_wrong = laws::run_from_rest(S4<double>(parameters), half);
  laws::Rows<double> every_second(2000, 3);
  for (Index k = 0; k < 2000; ++k) every_second.row(k) = y.row(2 * k + 1);
  CHECK(laws::distance(y_half, every_second) < 0.05);
  CHECK(laws::distance(y_wrong, every_second) > 0.2);
}

TEST_CASE("S4 refuses parameters that are no layer", "[layer]") {
  Random random(1);
  const auto good = initial<S4<float>>(hippo::LegS{}, {.features = 2, .states = 5}, random);
  auto bad = good;
  bad.C = Array<Complex<float>>(2, 4);
  CHECK_THROWS_WITH(S4<float>(bad), "C: expected shape (2, 3, 1), got (2, 4, 1)");
  bad = good;
  bad.log_dt(1) = std::nanf("");
  CHECK_THROWS_AS(S4<float>(bad), DomainError);
  bad = good;
  bad.log_dt(1) = 1000;
  CHECK_THROWS_AS(S4<float>(bad), DomainError);
  bad = good;
  bad.A_im(0, 0) = 1;
  CHECK_THROWS_AS(S4<float>(bad), DomainError);
  CHECK_THROWS_AS(S4<float>(good, {.rate = 0}), DomainError);
  CHECK_THROWS_AS(S4<float>(S4Parameters<float>(1, 4, 9)), DomainError);
  CHECK_THROWS_AS(S4<float>(S4Parameters<float>()), DomainError);
  CHECK_THROWS_AS((initial<S4<float>>(hippo::LegS{}, {.features = 0}, random)), DomainError);
  CHECK_THROWS_AS((initial<S4<float>>(hippo::LegS{}, {.features = 1, .dt_min = 1, .dt_max = 0.1}, random)),
                  DomainError);
  const S4<float> layer(good);
  auto state = S4<float>(initial<S4<float>>(hippo::LegS{}, {.features = 2, .states = 8}, random)).initial_state();
  laws::Rows<float> u(4, 2);
  CHECK_THROWS_AS(layer.forward(u, u, state), ShapeError);
}

TEST_CASE("a mode that stands still, decays slowly or is very fast keeps the modes equal", "[layer]") {
  S4Parameters<double> parameters(1, 4, 1);
  const double A_re_log = GENERATE(-1000.0, -27.6, 0.0, 20.0), A_im = GENERATE(0.0, 1e-12, 3.0, 1e9);
  for (Index n = 0; n < 2; ++n) {
    parameters.A_re_log(0, n) = A_re_log;
    parameters.A_im(0, n) = A_im * double(n);
    parameters.B(0, n) = {1, 0.5};
    parameters.C(0, n) = {0.3, -1};
    parameters.P(0, n) = {n == 0 ? 0.1 : 0.0, 0.2 * double(n)};
  }
  parameters.log_dt(0) = std::log(0.05);
  CAPTURE(A_re_log, A_im);
  const S4<double> layer(parameters);
  const auto any = support::AnyLayer<double>::of(layer);
  laws::another_mode_is_the_default(any, support::AnyLayer<double>::of(layer, algorithm::convolution{}));
}

TEST_CASE("real parts of every measure have gradients that an optimiser can use", "[layer][gradient]") {
  const auto largest = [](auto measure) {
    Random random(3);
    const auto parameters = initial<S4<double>>(measure, {.features = 2, .states = 16}, random);
    const S4<double> layer(parameters);
    const laws::Rows<double> u = laws::noise<double>(500, 2), dy = laws::Rows<double>::Ones(500, 2);
    laws::Rows<double> du = laws::Rows<double>::Zero(500, 2);
    auto cotangent = layer.cotangent();
    layer.forward_vjp(u, dy, du, cotangent);
    auto gradient = zero(parameters);
    layer.parameters_vjp(cotangent, gradient);
    double found = 0;
    for (const double each : gradient.A_re_log) found = std::max(found, std::abs(each));
    return found;
  };
  CHECK(largest(hippo::LegS{}) > 1);
  // 1e-8, Adam's epsilon, where the real part was stored as 10^-9
  CHECK(largest(hippo::LegT{}) > 1e-3);
  CHECK(largest(hippo::LagT{}) > 1e-3);
  CHECK(largest(hippo::Fourier{}) > 1e-3);
}
