// Laws of a layer's derivatives: they are adjoint to its linear maps, and the limits of differences.
#pragma once

#include "layer/laws.hpp"
#include "layer/state_numbers.hpp"
#include "ssm/layer/trainable.hpp"
#include "ssm/recurrence/state.hpp"
#include "ssm/system/diagonal.hpp"
#include "support/limit.hpp"

namespace laws {

using namespace ssm;

template <class Layer>
void randomize(typename Layer::State& state, Random& random) {
  auto numbers = support::numbers(state);
  for (auto& number : numbers) number = {random.normal(), random.normal()};
  support::set_numbers(state, numbers);
}
/// The imaginary part of an odd mode is always 0.
template <class X>
void legal(ModalState<X>& state, Index states) {
  for (Index h = 0; h < state.features(); ++h)
    for (Index n = 0; n < state.modes(); ++n)
      if (multiplicity(n, states) == 1) state.set(h, n, state.x(h, n).real());
}
void legal(auto&, Index) {}

template <class State>
double inner(State& a, State& b) {
  double sum = 0;
  const auto left = support::numbers(a), right = support::numbers(b);
  for (std::size_t i = 0; i < left.size(); ++i) sum += (std::conj(left[i]) * right[i]).real();
  return sum;
}

template <class T>
struct Case {
  Rows<T> u, dy, du;
};
template <class T>
Case<T> sequences(Index length, Index features) {
  return {noise<T>(length, features), noise<T>(length, features).reverse(), Rows<T>::Zero(length, features)};
}

/// The map from input and state to output and state, over L steps.
template <class Layer>
void check_adjoint(const Layer& layer, Index states, Index L) {
  using T = typename Layer::Scalar;
  CAPTURE(L, states, layer.features());
  Random random(7);
  auto [u, dy, du] = sequences<T>(L, layer.features());
  auto state = layer.initial_state(), dstate = state;
  randomize<Layer>(state, random);
  randomize<Layer>(dstate, random);
  legal(state, states);
  legal(dstate, states);
  const auto before = state;
  auto dbefore = dstate;
  auto gradient = zero(layer.parameters());
  forward_vjp(layer, ConstSequence<T>(u), before, ConstSequence<T>(dy), dbefore, Sequence<T>(du), gradient);
  const auto y = run(layer, u, state);
  const double forwards =
      y.template cast<double>().cwiseProduct(dy.template cast<double>()).sum() + inner(state, dstate);
  auto first = before;
  const double backwards =
      u.template cast<double>().cwiseProduct(du.template cast<double>()).sum() + inner(first, dbefore);
  const double size = y.template cast<double>().norm() * dy.template cast<double>().norm() +
                      std::sqrt(inner(state, state) * inner(dstate, dstate));
  CHECK(std::abs(forwards - backwards) <= tolerance::gradient<T> * size);
}

/// Every stored parameter's gradient, of a layer made by `make`, from a state, the one after being used too.
/// @param share   of a number that it moves by at most
template <class Parameters, class Make>
void check_differences(const Parameters& stored, Make make, double share = 1e-3) {
  auto [u, dy, du] = sequences<double>(90, stored.features());
  const auto weights = dy;
  const auto layer = make(stored);
  using Layer = std::remove_cvref_t<decltype(layer)>;
  auto gradient = zero(stored);
  auto before = layer.initial_state(), state_weights = before;
  Random random(11);
  randomize<Layer>(before, random);
  randomize<Layer>(state_weights, random);
  legal(before, layer.states());
  legal(state_weights, layer.states());
  auto dstate = state_weights;
  forward_vjp(layer, ConstSequence<double>(u), before, ConstSequence<double>(dy), dstate, Sequence<double>(du),
              gradient);
  auto parameters = stored;
  double size = 0;  // of what the loss is a difference of
  const auto loss = [&, &input = u] {
    auto state = before;
    const auto y = run(make(parameters), input, state);
    size = y.norm() * weights.norm() + std::sqrt(inner(state, state) * inner(state_weights, state_weights));
    return y.cwiseProduct(weights).sum() + inner(state, state_weights);
  };
  loss();
  std::vector<std::vector<double>> found;
  Parameters::each(gradient, [&](const char*, auto& array, Role) {
    const auto* const first = reinterpret_cast<const double*>(array.data());
    found.emplace_back(first, first + array.size() * Index(sizeof(*array.data()) / sizeof(double)));
  });
  std::size_t which = 0;
  Parameters::each(parameters, [&](const std::string& name, auto& array, Role) {
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
      const double step = share * std::max(std::abs(kept), 0.1);
      const double rounding = 64 * std::numeric_limits<double>::epsilon() * size / step;
      worst = std::max(worst, std::abs(support::limit_of_differences(at, step) - expected[i]) - rounding);
    }
    INFO(name << ": " << worst << " of " << peak);
    CHECK(worst <= tolerance::gradient<double> * peak);
  });
}

}  // namespace laws
