#include "ssm/layer/s4d.hpp"
#include "layer/dense_oracle.hpp"
#include "support/fftw.hpp"

using namespace ssm;

namespace {

template <class T, class Method>
void check_s4d_against_dense(Index N, double dt, Index L, Method method) {
  Random random(7);
  const auto parameters =
      initial<S4D<T>>(diagonal::Linear{}, {.features = 2, .states = N, .dt_min = dt, .dt_max = dt}, random);
  const S4D<T> layer(parameters, method);
  const auto u = laws::noise<T>(L, 2);
  const auto exact = support::dense_response(dense(parameters), method, 1, u);
  const auto error = [&](auto mode) {
    return laws::distance(laws::run_from_rest(layer, u, mode).template cast<double>(), exact);
  };
  CAPTURE(N, dt, L);
  CHECK(error(algorithm::recurrence{}) <= tolerance::recurrence<T>);
  CHECK(error(algorithm::convolution<fft::EigenBackend>{}) <= tolerance::convolution<T>);
  CHECK(error(algorithm::convolution<fft::FftwBackend>{}) <= tolerance::convolution<T>);
}

}  // namespace

TEMPLATE_TEST_CASE("S4D is the dense fp64 system, in every mode", "[layer]", float, double) {
  const Index N = GENERATE(1, 15, 64);
  const double dt = GENERATE(1e-3, 1e-2, 1e-1);
  check_s4d_against_dense<TestType>(N, dt, 2000, ZeroOrderHold{});
  check_s4d_against_dense<TestType>(N, dt, 2000, Bilinear{});
}

TEMPLATE_TEST_CASE("S4D is the dense fp64 system over 16384 steps", "[layer]", float, double) {
  check_s4d_against_dense<TestType>(64, GENERATE(1e-3, 1e-1), 16'384, ZeroOrderHold{});
}

TEMPLATE_TEST_CASE("S4D's kernels are cut off where they have decayed, not before, and a NaN is heard beyond",
                   "[layer]", float, double) {
  using T = TestType;
  Random random(3);
  auto parameters =
      initial<S4D<T>>(diagonal::Linear{}, {.features = 3, .states = 8, .dt_min = 0.1, .dt_max = 0.1}, random);
  const Index L = 6000;
  {
    const S4D<T> layer(parameters);
    const Index audible = layer.engine().audible_length(L);
    CHECK(audible > 200);
    CHECK(audible < L / 2);
    CHECK(layer.engine().audible_length(100) == 100);
    CHECK(layer.engine().audible_length(0) == 0);
    const auto K = layer.impulse_response(L);
    double rest = 0, peak = 0;
    for (Index k = 0; k < L; ++k) {
      peak = std::max(peak, std::abs(double(K(k, 0))));
      if (k >= audible) rest += std::abs(double(K(k, 0)));
    }
    CHECK(rest <= std::numeric_limits<T>::epsilon() * peak);
    auto u = laws::noise<T>(L, 3);
    const auto recurrence = laws::run_from_rest(layer, u, algorithm::recurrence{});
    CHECK(laws::distance(laws::run_from_rest(layer, u, algorithm::convolution{}), recurrence) <=
          tolerance::recurrence<T> + tolerance::convolution<T>);
    u(10, 1) = std::numeric_limits<T>::quiet_NaN();
    const auto heard = laws::run_from_rest(layer, u, algorithm::convolution{});
    for (Index k = 0; k < L; ++k) CHECK(std::isnan(heard(k, 1)) == (k >= 10));
  }
  parameters.A_re_log(2, 3) = -100;  // one mode of one feature stands
  CHECK(S4D<T>(parameters).engine().audible_length(L) == L);
}

template <class T>
concept HasS4D = requires {
  typename S4D<T>;
};

TEST_CASE("S4D satisfies the concept, with sizes known or not", "[layer]") {
  STATIC_REQUIRE(HasS4D<double>);
  STATIC_REQUIRE_FALSE(HasS4D<long double>);  // by the constraint, not by an error within
  STATIC_REQUIRE(SSMLayer<S4D<float>>);
  STATIC_REQUIRE(SSMLayer<S4D<double, 64>>);
  STATIC_REQUIRE(SSMLayer<S4D<float, dynamic, double>>);
  STATIC_REQUIRE(std::constructible_from<S4D<float>, const S4DParameters<float>&, Bilinear>);
  STATIC_REQUIRE(std::constructible_from<S4D<float>, const S4DParameters<float>&, ZeroOrderHold, Sampling>);
  STATIC_REQUIRE_FALSE(std::constructible_from<S4D<float>, const S4DParameters<float>&, ForwardEuler>);
}

TEST_CASE("a size known at compile time changes no bit", "[layer]") {
  Random random(1);
  const auto parameters = initial<S4D<float>>(diagonal::Inverse{}, {.features = 3, .states = 12}, random);
  const auto u = laws::noise<float>(100, 3);
  CHECK(laws::run_from_rest(S4D<float, 12>(parameters), u) == laws::run_from_rest(S4D<float>(parameters), u));
  CHECK_THROWS_WITH((S4D<float, 13>(parameters)), "states of the parameters: expected 13, got 12");
}

TEST_CASE("features that share A and B differ in C, D and dt alone", "[layer]") {
  Random random(2);
  const auto shared = initial<S4D<double>>(diagonal::Unstructured{}, {.features = 6, .states = 7, .copies = 3}, random);
  CHECK(shared.A_re_log.rows() == 3);
  S4DParameters<double> own(6, 7);
  for (Index h = 0; h < 6; ++h)
    for (Index n = 0; n < 4; ++n) {
      own.A_re_log(h, n) = shared.A_re_log(h % 3, n);
      own.A_im(h, n) = shared.A_im(h % 3, n);
      own.B(h, n) = shared.B(h % 3, n);
    }
  own.C = shared.C;
  own.D = shared.D;
  own.log_dt = shared.log_dt;
  const auto u = laws::noise<double>(80, 6);
  CHECK(laws::run_from_rest(S4D<double>(shared), u) == laws::run_from_rest(S4D<double>(own), u));
  CHECK_THROWS_AS((initial<S4D<double>>(diagonal::Unstructured{}, {.features = 6, .copies = 4}, random)), DomainError);
  CHECK_THROWS_AS((S4D<double>(S4DParameters<double>(6, 7, 4))), ShapeError);
}

TEST_CASE("splitting each interval in two with the input held gives the same state", "[layer]") {
  Random random(3);
  const auto parameters = initial<S4D<double>>(diagonal::Linear{}, {.features = 2, .states = 9}, random);
  const auto u = laws::noise<double>(50, 2);
  laws::Rows<double> held(100, 2);
  for (Index k = 0; k < 100; ++k) held.row(k) = u.row(k / 2);
  const S4D<double> whole(parameters), half(parameters, {.rate = 0.5});
  auto state = whole.initial_state(), halved = state;
  const auto y = laws::run(whole, u, state), z = laws::run(half, held, halved);
  for (Index k = 0; k < 50; ++k) CHECK((y.row(k) - z.row(2 * k + 1)).cwiseAbs().maxCoeff() <= 1e-12);
  CHECK(laws::distance(laws::free_response(whole, halved), laws::free_response(whole, state)) <= 1e-12);
}

TEST_CASE("S4D refuses parameters that are no layer", "[layer]") {
  Random random(1);
  const auto good = initial<S4D<float>>(diagonal::Linear{}, {.features = 2, .states = 5}, random);
  auto bad = good;
  bad.B = Array<Complex<float>>(2, 4);
  CHECK_THROWS_WITH(S4D<float>(bad), "B: expected shape (2, 3, 1), got (2, 4, 1)");
  bad = good;
  bad.C(1, 2) = {std::nanf(""), 0};
  CHECK_THROWS_AS(S4D<float>(bad), DomainError);
  bad = good;
  bad.C(1, 0) = {0, 1};
  CHECK_THROWS_AS(S4D<float>(bad), DomainError);
  CHECK_THROWS_AS(S4D<float>(good, {.rate = -1}), DomainError);
  CHECK_THROWS_AS(S4D<float>(S4DParameters<float>()), DomainError);
  CHECK_THROWS_AS((initial<S4D<float>>(diagonal::Linear{}, {.features = 1, .states = 0}, random)), DomainError);
}

TEST_CASE("a mode that stands still, hardly decays or is very fast keeps the modes equal", "[layer]") {
  S4DParameters<double> parameters(1, 4);
  const double A_re_log = GENERATE(-1000.0, -27.6, 0.0, 20.0), A_im = GENERATE(0.0, 1e-12, 3.0, 1e9);
  for (Index n = 0; n < 2; ++n) {
    parameters.A_re_log(0, n) = A_re_log;
    parameters.A_im(0, n) = A_im * double(n);
    parameters.B(0, n) = {1, 0.5};
    parameters.C(0, n) = {0.3, -1};
  }
  parameters.log_dt(0) = std::log(0.05);
  CAPTURE(A_re_log, A_im);
  for (const Index length : {1, 64, 500}) {
    const auto u = laws::noise<double>(length, 1);
    const S4D<double> layer(parameters);
    CHECK(laws::distance(laws::run_from_rest(layer, u, algorithm::convolution{}), laws::run_from_rest(layer, u)) <=
          2e-12);
  }
}
