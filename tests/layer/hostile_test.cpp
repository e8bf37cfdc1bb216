// Modes that stand still, hardly decay, turn or decay very fast, in every layer and mode: against the definition in
// fp64.
#include "layer/hostile.hpp"
#include "layer/dense_oracle.hpp"

#include <cfenv>

using namespace ssm;
namespace hostile = support::hostile;

namespace {

template <class Layer, class Oracle>
void check(const Layer& layer, Oracle oracle) {
  using T = typename Layer::Scalar;
  const double near = tolerance::recurrence<T> + tolerance::convolution<T>;
  for (const Index length : {1, 2, 64, 301}) {
    const auto u = laws::noise<T>(length, layer.features());
    const laws::Rows<double> exact = oracle(u);
    CAPTURE(length);
    CHECK(laws::distance(laws::run_from_rest(layer, u).template cast<double>(), exact) <= near);
    CHECK(laws::distance(laws::run_from_rest(layer, u, algorithm::recurrence{}).template cast<double>(), exact) <=
          near);
    if constexpr (requires { layer.engine().jump_entries(); })
      CHECK(laws::distance(laws::run_from_rest(layer, u, algorithm::convolution{}).template cast<double>(), exact) <=
            near);
  }
}

/// One feature's modes as a system of S5, in fp64.
template <class T>
S5Parameters<double> as_s5(const S4DParameters<T>& diagonal) {
  const auto system = diagonal.system(0);
  S5Parameters<double> parameters(1, diagonal.states, Spectrum::half, TimeSteps::shared);
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
  for (const auto& Lambda : hostile::eigenvalues) {
    CAPTURE(Lambda);
    const auto diagonal = hostile::with_mode<TestType>(S4DParameters<TestType>(1, 4), Lambda);
    const auto modes = as_s5(diagonal);  // mode by mode: a dense exponential of 10^9 has no digits left
    check(S4D<TestType>(diagonal), [&](const auto& u) { return support::s5_response(modes, ZeroOrderHold{}, 1, u); });
    check(S4D<TestType>(diagonal, Bilinear{}),
          [&](const auto& u) { return support::s5_response(modes, Bilinear{}, 1, u); });
    const auto low_rank = hostile::low_rank<TestType>(Lambda);
    check(S4<TestType>(low_rank),
          [&](const auto& u) { return support::dense_response(dense(low_rank), Bilinear{}, 1, u); });
  }
}

TEMPLATE_TEST_CASE("hostile modes are heard as they are defined, in S5", "[layer][hostile]", float, double) {
  for (const auto& Lambda : hostile::eigenvalues) {
    CAPTURE(Lambda);
    const auto parameters = hostile::mimo<TestType>(Lambda);
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
    const auto parameters = hostile::dense_of_size<TestType>(size);
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

TEST_CASE("numbers that overflow between what is stored and what is used are refused by name", "[layer][hostile]") {
  using support::ContainsSubstring;
  const auto with = [](auto parameters, auto change) {
    change(parameters);
    return parameters;
  };
  const S4DParameters<double> diagonal = hostile::with_mode<double>(S4DParameters<double>(1, 4), {-0.5, 1});
  const auto decay = [](auto& p) { p.A_re_log(0, 0) = 720; };
  CHECK_THROWS_WITH(S4D<double>(with(diagonal, decay)),
                    ContainsSubstring("A_re_log: expected numbers whose exponential"));
  CHECK_THROWS_WITH(S4D<double>(with(diagonal, decay), Bilinear{}), ContainsSubstring("A_re_log"));
  CHECK_THROWS_WITH(S4<double>(with(hostile::low_rank<double>({-0.5, 1}), decay)), ContainsSubstring("A_re_log"));
  const auto turning = [](auto& p) {
    p.A_im(0, 0) = 1e300;
    p.log_dt(0) = 30;
  };
  CHECK_THROWS_AS(S4D<double>(with(diagonal, turning)), DomainError);
  CHECK_THROWS_AS(S4<double>(with(hostile::low_rank<double>({-0.5, 1}), turning)), DomainError);
  const auto loud = [](auto& p) {
    p.B(0, 0) = 1e300;
    p.C(0, 0) = 1e300;
  };
  CHECK_THROWS_WITH(S4D<double>(with(diagonal, loud)), ContainsSubstring("feature 0, mode 0"));
  CHECK_THROWS_AS(S4D<double>(with(diagonal, [](auto& p) { p.log_dt(0) = 800; })), DomainError);
  const auto mimo = hostile::mimo<double>({-0.5, 1});
  CHECK_THROWS_AS(S5<double>(with(mimo,
                                  [](auto& p) {
                                    p.Lambda_im(0) = 1e308;
                                    p.log_dt(0) = 30;
                                  })),
                  DomainError);
  const S5<double> layer(with(mimo, [](auto& p) { p.log_dt(0) = 5; }));
  auto state = layer.initial_state();
  const auto rest = state;
  laws::Rows<double> u = laws::Rows<double>::Ones(2, layer.features()), y = u;
  const std::vector<double> huge{1, 1e308};
  CHECK_THROWS_WITH(layer.forward(u, InLayerSteps<double>{huge}, y, state), ContainsSubstring("interval of step 1"));
  CHECK(state == rest);
  auto dense = hostile::dense_of_size<double>(1.0);
  dense.A(0, 0, 0) = 1e308;
  dense.log_dt(0) = 5;
  CHECK_THROWS_AS(LSSL<double>(dense, ForwardEuler{}), DomainError);
}

namespace {

/// After a signal, silence: the state decays to next to nothing, and must not stay among subnormal numbers, with which
/// processors are ten to twenty times as slow.
template <class Layer, class Measure>
void falls_silent(Measure measure, Index H, double dt) {
  using T = typename Layer::Scalar;
  CAPTURE(H, dt);
  Random random(3);
  const Layer layer(initial<Layer>(measure, {.features = H, .states = 8, .dt_min = dt, .dt_max = dt}, random));
  auto state = layer.initial_state();
  laws::run(layer, laws::noise<T>(500, H), state);
  const laws::Rows<T> silence = laws::Rows<T>::Zero(20000, H);
  laws::run(layer, silence, state);
  std::feclearexcept(FE_UNDERFLOW);
  laws::run(layer, silence, state);
  CHECK(std::fetestexcept(FE_UNDERFLOW) == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("long silence meets no subnormal numbers on the way", "[layer][hostile]", float, double) {
  using T = TestType;
  for (const double dt : {1e-2, 1e-1})
    for (const Index H : {1, 2, 3, 20}) {
      falls_silent<S4D<T>>(diagonal::Linear{}, H, dt);
      falls_silent<S5<T>>(hippo::LegS{}, H, dt);
      falls_silent<S4<T>>(hippo::LegS{}, H, dt);
      falls_silent<S4<T>>(hippo::LegT{}, H, dt);
      if (H < 20) falls_silent<LSSL<T>>(hippo::LegS{}, H, dt);
    }
}
