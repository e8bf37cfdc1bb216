// Gradients where modes stand still, hardly decay, turn or decay very fast, and where a number is none.
#include "layer/gradient_laws.hpp"
#include "layer/hostile.hpp"

#include <cfenv>

using namespace ssm;
namespace hostile = support::hostile;

namespace {

/// f(parameters, make, states) for every hostile layer.
template <class T, class F>
void for_each_hostile(F f) {
  const auto by_default = [&](auto parameters, auto layer) {
    f(
        parameters, [](const auto& stored) { return typename decltype(layer)::type(stored); }, 4);
  };
  const auto bilinear = [&](auto parameters, auto layer) {
    f(
        parameters, [](const auto& stored) { return typename decltype(layer)::type(stored, Bilinear{}); }, 4);
  };
  for (const auto& Lambda : hostile::eigenvalues) {
    CAPTURE(Lambda);
    by_default(hostile::with_mode<T>(S4DParameters<T>(1, 4), Lambda), std::type_identity<S4D<T>>());
    bilinear(hostile::with_mode<T>(S4DParameters<T>(1, 4), Lambda), std::type_identity<S4D<T>>());
    by_default(hostile::low_rank<T>(Lambda), std::type_identity<S4<T>>());
    by_default(hostile::mimo<T>(Lambda), std::type_identity<S5<T>>());
    bilinear(hostile::mimo<T>(Lambda), std::type_identity<S5<T>>());
  }
  for (const double size : {0.0, 1e-300, 1e-12, 1e3}) {
    CAPTURE(size);
    by_default(hostile::dense_of_size<T>(size), std::type_identity<LSSL<T>>());
  }
}

}  // namespace

TEMPLATE_TEST_CASE("vjp is adjoint for hostile modes", "[layer][hostile][gradient]", float, double) {
  for_each_hostile<TestType>([](const auto& parameters, auto make, Index states) {
    for (const Index L : {1, 16, 301}) laws::check_adjoint(make(parameters), states, L);
  });
}

TEST_CASE("gradients are the limit of differences for hostile modes", "[layer][hostile][gradient]") {
  for_each_hostile<double>([](const auto& parameters, auto make, Index) {
    laws::check_differences(parameters, make, 1e-4);
  });  // 14 turns in a sequence
}

TEMPLATE_TEST_CASE("a number that is none reaches the gradients that hear it, and no others", "[layer][gradient]",
                   float, double) {
  using T = TestType;
  const T none = GENERATE(std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity());
  const Index L = 100, at = GENERATE(3, 60, 99);
  CAPTURE(none, at);
  const auto check = [&](const auto& layer) {
    CAPTURE(layer.features());
    const auto backwards = [&](const laws::Rows<T>& u, const laws::Rows<T>& dy, auto& gradient) {
      laws::Rows<T> du = laws::Rows<T>::Zero(L, layer.features());
      auto cotangent = layer.cotangent();
      layer.forward_vjp(u, dy, du, cotangent);
      layer.parameters_vjp(cotangent, gradient);
      return du;
    };
    auto [u, dy, nothing] = laws::sequences<T>(L, layer.features());
    auto gradient = zero(layer.parameters()), heard = gradient, answered = gradient;
    const auto du = backwards(u, dy, gradient);
    auto bad_u = u, bad_dy = dy;
    bad_u(at, 0) = none;
    bad_dy(at, 0) = none;
    CHECK(backwards(bad_u, dy, heard) == du);  // the layer is linear: what it hears is not in du
    CHECK(!std::isfinite(heard.D(0)));
    const auto earlier = backwards(u, bad_dy, answered);
    CHECK(!std::isfinite(answered.D(0)));
    CHECK(!std::isfinite(earlier(at, 0)));
    CHECK(earlier.bottomRows(L - at - 1) == du.bottomRows(L - at - 1));  // later inputs are not heard at `at`
  };
  Random random(3);
  check(S4D<T>(initial<S4D<T>>(diagonal::Linear{}, {.features = 3, .states = 7}, random)));
  check(S4<T>(initial<S4<T>>(hippo::LegS{}, {.features = 3, .states = 6}, random)));
  check(S5<T>(initial<S5<T>>(hippo::LegS{}, {.features = 3, .states = 6}, random)));
  check(LSSL<T>(initial<LSSL<T>>(hippo::LegS{}, {.features = 2, .states = 4}, random)));
}

namespace {

/// A loss at the last step alone: what goes back over a long sequence decays to next to nothing, and must not end in
/// subnormal numbers, with which processors are ten to twenty times as slow.
template <class Layer, class Measure>
void decays_to_nothing(Measure measure) {
  using T = typename Layer::Scalar;
  Random random(3);
  const Index L = 6000, H = 3;
  const Layer layer(initial<Layer>(measure, {.features = H, .states = 8, .dt_min = 0.1, .dt_max = 0.1}, random));
  const auto u = laws::noise<T>(L, H);
  laws::Rows<T> dy = laws::Rows<T>::Zero(L, H), du = dy;
  dy.row(L - 1).setOnes();
  auto cotangent = layer.cotangent();
  std::feclearexcept(FE_UNDERFLOW);
  layer.forward_vjp(u, dy, du, cotangent);
  CHECK(std::fetestexcept(FE_UNDERFLOW) == 0);
  CHECK(du.row(L - 1).cwiseAbs().minCoeff() > T(0));
  CHECK(du.row(0).cwiseAbs().maxCoeff() <= T(1e-24));
}

}  // namespace

TEST_CASE("what goes back and decays does not end in subnormal numbers", "[layer][gradient]") {
  decays_to_nothing<S4D<float>>(diagonal::Linear{});
  decays_to_nothing<S4D<double>>(diagonal::Linear{});
  decays_to_nothing<S5<float>>(hippo::LegS{});
  decays_to_nothing<S5<double>>(hippo::LegS{});
  decays_to_nothing<S4<float>>(hippo::LegS{});
  decays_to_nothing<S4<double>>(hippo::LegS{});
  decays_to_nothing<LSSL<double>>(hippo::LegS{});
}
