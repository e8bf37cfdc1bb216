// The recurrence backwards in lanes is what it is one feature at a time.
#include "ssm/recurrence/modal_adjoint.hpp"
#include "layer/laws.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/trainable.hpp"

using namespace ssm;

namespace {

template <class T>
std::vector<T> backwards(const auto& layer, Index L, bool from_rest) {
  const auto u = laws::noise<T>(L, layer.features());
  const laws::Rows<T> dy = u.reverse();
  laws::Rows<T> du = laws::Rows<T>::Zero(L, layer.features());
  auto gradient = zero(layer.parameters());
  auto cotangent = layer.cotangent();
  auto state = layer.initial_state(), dstate = state;
  if (from_rest) {
    layer.forward_vjp(u, dy, du, cotangent);
  } else {
    for (Index h = 0; h < layer.features(); ++h)
      for (Index n = 0; n < state.modes(); ++n) {
        state.set(h, n, T(0.3) + static_cast<T>(h));
        dstate.set(h, n, T(1) - static_cast<T>(n));
      }
    layer.forward_vjp(u, state, dy, dstate, du, cotangent);
  }
  layer.parameters_vjp(cotangent, gradient);
  std::vector<T> all(du.data(), du.data() + du.size());
  std::remove_cvref_t<decltype(gradient)>::each(gradient, [&](const char*, auto& array, Role) {
    const auto* const first = reinterpret_cast<const T*>(array.data());
    const Index count = array.size() * static_cast<Index>(sizeof(*array.data()) / sizeof(T));
    T peak = 0;  // each array counts alike
    for (Index i = 0; i < count; ++i) peak = std::max(peak, std::abs(first[i]));
    for (Index i = 0; i < count; ++i) all.push_back(peak > 0 ? first[i] / peak : T(0));
  });
  const auto before = dstate.numbers();
  all.insert(all.end(), before.begin(), before.end());
  return all;
}

template <class T, class Wide, class One, class Parameters>
void check(const Parameters& parameters) {
  for (const Index L : {1, 70, 600})
    for (const bool from_rest : {true, false}) {
      CAPTURE(L, from_rest, parameters.features());
      const auto got = backwards<T>(Wide(parameters), L, from_rest),
                 expected = backwards<T>(One(parameters), L, from_rest);
      using Numbers = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>;
      const Numbers a(got.data(), Index(got.size())), b(expected.data(), Index(expected.size()));
      CHECK((a - b).cwiseAbs().maxCoeff() <= tolerance::gradient<T> * b.cwiseAbs().maxCoeff());
    }
}

}  // namespace

TEMPLATE_TEST_CASE("vjp in lanes is vjp one feature at a time", "[layer][gradient]", float, double) {
  using T = TestType;
  Random random(3);
  for (const Index features : {1, 5, 19}) {
    check<T, S4D<T>, S4D<T, dynamic, T, simd::scalar>>(
        initial<S4D<T>>(diagonal::Linear{}, {.features = features, .states = 7}, random));
    check<T, S4<T>, S4<T, dynamic, T, simd::scalar>>(
        initial<S4<T>>(hippo::LegT{}, {.features = features, .states = 6}, random));
  }
}
