// Modes that stand still, hardly decay, turn or decay very fast, in every layer and mode: against the definition in
// fp64.
#include "layer/dense_oracle.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"

using namespace ssm;

namespace {

const std::vector<Complex<double>> eigenvalues{{0, 0},       {-1e-300, 0}, {-1e-12, 1e-12}, {-1e-12, 62.8318530717958},
                                               {-1e-3, 0.7}, {-1e9, 1e9},  {-1e9, 0}};
constexpr double dt = 0.05;

template <class Layer, class Oracle>
void check(const Layer& layer, Oracle oracle) {
  using T = typename Layer::Scalar;
  const double near = tolerance::recurrence<T> + tolerance::convolution<T>;
  for (const Index length : {1, 2, 64, 301}) {
    const auto u = laws::noise<T>(length, layer.features());
    const laws::Rows<double> exact = oracle(u);
    CAPTURE(length);
    CHECK(laws::distance(laws::run_from_rest(layer, u).template cast<double>(), exact) <= near);
    CHECK(laws::distance(laws::run_from_rest(layer, u, mode::recurrence{}).template cast<double>(), exact) <= near);
    if constexpr (requires { layer.jump_entries(); })
      CHECK(laws::distance(laws::run_from_rest(layer, u, mode::convolution{}).template cast<double>(), exact) <= near);
  }
}

template <class T, class Parameters>
Parameters with_mode(Parameters parameters, Complex<double> Lambda) {
  parameters.A_re_log(0, 0) = static_cast<T>(std::max(std::log(-Lambda.real()), -80.0));
  parameters.A_im(0, 0) = static_cast<T>(Lambda.imag());
  parameters.A_re_log(0, 1) = 0;
  parameters.A_im(0, 1) = 3;
  for (Index n = 0; n < 2; ++n) {
    parameters.B(0, n) = {T(1), T(0.5)};
    parameters.C(0, n) = {T(0.3), T(-1)};
  }
  parameters.log_dt(0) = static_cast<T>(std::log(dt));
  return parameters;
}

/// One feature's modes as a system of S5, in fp64.
template <class T>
S5Parameters<double> as_s5(const S4DParameters<T>& diagonal) {
  const auto system = diagonal.system(0);
  S5Parameters<double> parameters(1, diagonal.states, Spectrum::half, Steps::one_for_all);
  for (Index n = 0; n < system.modes(); ++n) {
    parameters.Lambda_re(n) = system.Lambda(n).real();
    parameters.Lambda_im(n) = system.Lambda(n).imag();
    parameters.B(n, 0) = system.B(n, 0);
    parameters.C(0, n) = system.C(0, n);
  }
  parameters.D(0) = double(diagonal.D(0));
  parameters.log_dt(0) = double(diagonal.log_dt(0));
  return parameters;
}

}  // namespace

TEMPLATE_TEST_CASE("hostile modes are heard as they are defined, in S4D and S4", "[layer][hostile]", float, double) {
  for (const auto& Lambda : eigenvalues) {
    CAPTURE(Lambda);
    const auto diagonal = with_mode<TestType>(S4DParameters<TestType>(1, 4), Lambda);
    const auto modes = as_s5(diagonal);  // mode by mode: a dense exponential of 10^9 has no digits left
    check(S4D<TestType>(diagonal), [&](const auto& u) { return support::s5_response(modes, ZeroOrderHold{}, 1, u); });
    check(S4D<TestType>(diagonal, Bilinear{}),
          [&](const auto& u) { return support::s5_response(modes, Bilinear{}, 1, u); });
    auto low_rank = with_mode<TestType>(S4Parameters<TestType>(1, 4, 1), Lambda);
    low_rank.P(0, 0, 0) = {TestType(0.1), 0};
    low_rank.P(0, 1, 0) = {0, TestType(0.2)};
    check(S4<TestType>(low_rank),
          [&](const auto& u) { return support::dense_response(dense(low_rank), Bilinear{}, 1, u); });
  }
}

TEMPLATE_TEST_CASE("hostile modes are heard as they are defined, in S5", "[layer][hostile]", float, double) {
  for (const auto& Lambda : eigenvalues) {
    CAPTURE(Lambda);
    S5Parameters<TestType> parameters(2, 4);
    parameters.Lambda_re(0) = static_cast<TestType>(Lambda.real());
    parameters.Lambda_im(0) = static_cast<TestType>(Lambda.imag());
    parameters.Lambda_re(1) = -1;
    parameters.Lambda_im(1) = 3;
    for (Index s = 0; s < 2; ++s) {
      parameters.log_dt(s) = static_cast<TestType>(std::log(dt));
      for (Index h = 0; h < 2; ++h) {
        parameters.B(s, h) = {TestType(1), TestType(0.5)};
        parameters.C(h, s) = {TestType(0.3), TestType(h)};
      }
    }
    const auto with = [&](auto method) {
      check(S5<TestType>(parameters, method),
            [&](const auto& u) { return support::s5_response(parameters, method, 1, u); });
    };
    with(ZeroOrderHold{});
    with(Bilinear{});
  }
}

TEMPLATE_TEST_CASE("hostile matrices are heard as they are defined, in LSSL", "[layer][hostile]", float, double) {
  for (const double size : {0.0, 1e-300, 1e-12, 1.0, 1e3}) {
    CAPTURE(size);
    Random random(1);
    auto parameters = initial<LSSL<TestType>>(hippo::LegS{}, {.features = 1, .states = 5}, random);
    for (auto& entry : parameters.A) entry = static_cast<TestType>(double(entry) * size);
    LSSLParameters<double> wide(1, 5);
    wide.set(0, parameters.system(0));
    wide.D(0) = double(parameters.D(0));
    wide.log_dt(0) = double(parameters.log_dt(0));
    const auto with = [&](auto method) {
      check(LSSL<TestType>(parameters, method),
            [&](const auto& u) { return support::dense_response(wide, method, 1, u); });
    };
    with(Bilinear{});
    with(ZeroOrderHold{});
    with(BackwardEuler{});
  }
}
