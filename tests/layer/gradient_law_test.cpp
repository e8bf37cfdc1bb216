// What holds of every layer's derivatives: they are adjoint to its linear maps, and the limits of differences.
#include "layer/laws.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/layer/trainable.hpp"
#include "support/golden.hpp"
#include "support/limit.hpp"

using namespace ssm;

namespace {

template <class Layer>
void randomize(typename Layer::State& state, Random& random) {
  for (auto part : parts(state))
    for (auto& value : part) value = static_cast<std::remove_reference_t<decltype(value)>>(random.normal());
}
/// As a feature's lanes beyond the last, and an odd mode's imaginary part, are never anything but 0.
template <class X>
void legal(ModalState<X>& state, Index states) {
  ModalState<X> kept(state.features(), state.modes());
  for (Index h = 0; h < state.features(); ++h)
    for (Index n = 0; n < state.modes(); ++n) {
      kept.re(h, n) = state.re(h, n);
      if (multiplicity(n, states) != 1) kept.im(h, n) = state.im(h, n);
    }
  state = kept;
}
void legal(auto&, Index) {}

template <class State>
double inner(State& a, State& b) {
  double sum = 0;
  auto left = parts(a), right = parts(b);
  for (std::size_t i = 0; i < left.size(); ++i)
    for (std::size_t j = 0; j < left[i].size(); ++j) sum += double(left[i][j]) * double(right[i][j]);
  return sum;
}

template <class T>
struct Case {
  laws::Rows<T> u, dy, du;
};
template <class T>
Case<T> sequences(Index length, Index features) {
  return {laws::noise<T>(length, features), laws::noise<T>(length, features).reverse(),
          laws::Rows<T>::Zero(length, features)};
}

/// f(layer) for layers of odd sizes.
template <class T, class F>
void for_each_layer(F f) {
  Random random(5);
  f(S4<T>(initial<S4<T>>(hippo::LegS{}, {.features = 17, .states = 8}, random)), 8);
  f(S4<T>(initial<S4<T>>(hippo::LegT{}, {.features = 3, .states = 6, .copies = 1}, random)), 6);
  f(S4<T>(initial<S4<T>>(diagonal::RandomLowRank<diagonal::Linear>{.rank = 3}, {.features = 2, .states = 5}, random)),
    5);
  f(S4D<T>(initial<S4D<T>>(diagonal::Linear{}, {.features = 17, .states = 10}, random)), 10);
  f(S4D<T>(initial<S4D<T>>(diagonal::Inverse{}, {.features = 4, .states = 7, .copies = 2}, random), Bilinear{}), 7);
  f(S4D<T>(initial<S4D<T>>(diagonal::LegS{}, {.features = 1, .states = 1}, random), Sampling{2.0}), 1);
  f(S5<T>(initial<S5<T>>(hippo::NormalLegS{}, {.features = 5, .states = 12}, random)), 12);
  f(S5<T>(initial<S5<T>>(hippo::NormalLegS{}, {.features = 3, .states = 7}, random), Bilinear{}), 7);
  f(LSSL<T>(initial<LSSL<T>>(hippo::LegS{}, {.features = 2, .states = 5}, random)), 5);
  f(LSSL<T>(initial<LSSL<T>>(hippo::LegT{}, {.features = 2, .states = 4}, random), ZeroOrderHold{}), 4);
}

}  // namespace

TEMPLATE_TEST_CASE("vjp is adjoint to the map from input and state to output and state", "[layer][gradient]", float,
                   double) {
  const Index L = GENERATE(0, 1, 2, 63, 257, 1000);
  for_each_layer<TestType>([&](const auto& layer, Index states) {
    using Layer = std::remove_cvref_t<decltype(layer)>;
    CAPTURE(L, states, layer.features());
    Random random(7);
    auto [u, dy, du] = sequences<TestType>(L, layer.features());
    auto state = layer.initial_state(), dstate = state;
    randomize<Layer>(state, random);
    randomize<Layer>(dstate, random);
    legal(state, states);
    legal(dstate, states);
    const auto before = state;
    auto dbefore = dstate;
    auto gradient = zero(layer.parameters());
    forward_vjp(layer, ConstSequence<TestType>(u), before, ConstSequence<TestType>(dy), dbefore, Sequence<TestType>(du),
                gradient);
    const auto y = laws::run(layer, u, state);
    const double forwards =
        y.template cast<double>().cwiseProduct(dy.template cast<double>()).sum() + inner(state, dstate);
    auto first = before;
    const double backwards =
        u.template cast<double>().cwiseProduct(du.template cast<double>()).sum() + inner(first, dbefore);
    const double size = y.template cast<double>().norm() * dy.template cast<double>().norm() +
                        std::sqrt(inner(state, state) * inner(dstate, dstate));
    CHECK(std::abs(forwards - backwards) <= tolerance::gradient<TestType> * size);
  });
}

TEMPLATE_TEST_CASE("vjp from rest is vjp from a state at rest", "[layer][gradient]", float, double) {
  const Index L = GENERATE(0, 1, 256, 600);
  for_each_layer<TestType>([&](const auto& layer, Index states) {
    CAPTURE(L, states, layer.features());
    auto [u, dy, du] = sequences<TestType>(L, layer.features());
    auto other = du;
    auto gradient = zero(layer.parameters()), expected = gradient;
    auto cotangent = layer.cotangent();
    layer.forward_vjp(u, dy, du, cotangent);
    layer.parameters_vjp(cotangent, gradient);
    auto nobody = layer.initial_state();
    forward_vjp(layer, ConstSequence<TestType>(u), layer.initial_state(), ConstSequence<TestType>(dy), nobody,
                Sequence<TestType>(other), expected);
    CHECK(laws::distance(du, other) <= tolerance::gradient<TestType>);
    std::vector<std::vector<Complex<double>>> found;
    using Parameters = std::remove_cvref_t<decltype(gradient)>;
    Parameters::each(gradient, [&](const char*, auto& array, Role) { found.emplace_back(array.begin(), array.end()); });
    std::size_t i = 0;
    Parameters::each(expected, [&](const std::string& name, auto& array, Role) {
      INFO(name);
      const std::vector<Complex<double>> values(array.begin(), array.end());
      CHECK(support::relative_error(found[i++], values) <= tolerance::gradient<TestType>);
    });
  });
}

TEST_CASE("gradients of stored parameters are the limit of differences", "[layer][gradient]") {
  for_each_layer<double>([&](const auto& layer, Index states) {
    using Layer = std::remove_cvref_t<decltype(layer)>;
    CAPTURE(states, layer.features());
    const double rate = layer.rate();
    if (rate != 1) return;  // remade below at rate 1
    auto [u, dy, du] = sequences<double>(90, layer.features());
    const auto weights = dy;
    const Layer remade(layer.parameters());  // by its default method
    auto gradient = zero(layer.parameters());
    auto nobody = layer.initial_state();
    forward_vjp(remade, ConstSequence<double>(u), layer.initial_state(), ConstSequence<double>(dy), nobody,
                Sequence<double>(du), gradient);
    auto parameters = layer.parameters();
    const auto loss = [&, &input = u] {
      return laws::run_from_rest(Layer(parameters), input).cwiseProduct(weights).sum();
    };
    const double size = laws::run_from_rest(remade, u).norm() * weights.norm();
    std::vector<std::vector<double>> found;
    Layer::Parameters::each(gradient, [&](const char*, auto& array, Role) {
      const auto* const first = reinterpret_cast<const double*>(array.data());
      found.emplace_back(first, first + array.size() * Index(sizeof(*array.data()) / sizeof(double)));
    });
    std::size_t which = 0;
    Layer::Parameters::each(parameters, [&](const std::string& name, auto& array, Role) {
      auto* const values = reinterpret_cast<double*>(array.data());
      const auto& expected = found[which++];
      double peak = 0, worst = 0;  // what of an error is above the rounding of the differences
      for (const double each : expected) peak = std::max(peak, std::abs(each));
      for (std::size_t i = 0; i < expected.size(); i += 1 + expected.size() / 7) {
        const double kept = values[i];
        if (kept == 0) continue;  // the imaginary parts of a real mode
        const auto at = [&](double moved) {
          values[i] = kept + moved;
          const double found_loss = loss();
          values[i] = kept;
          return found_loss;
        };
        const double step = 1e-3 * std::max(std::abs(kept), 0.1);
        const double rounding = 64 * std::numeric_limits<double>::epsilon() * size / step;
        worst = std::max(worst, std::abs(support::limit_of_differences(at, step) - expected[i]) - rounding);
      }
      INFO(name << ": " << worst << " of " << peak);
      CHECK(worst <= tolerance::gradient<double> * peak);
    });
  });
}
