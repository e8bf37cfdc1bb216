#pragma once

#include "ssm/core/array.hpp"
#include "ssm/core/intervals.hpp"
#include "ssm/core/random.hpp"

#include <concepts>
#include <span>

namespace ssm {

/// Sampling rate of a layer's input against that of its training: `rate` multiplies every time step. A layer trained at
/// 8 kHz reads 4 kHz with rate 2.
struct Sampling {
  double rate = 1;  ///< dimensionless, positive and finite
};

/// A layer that runs, steps and keeps a state: parameters become an immutable layer, and a state that the caller owns
/// goes through it. Its coefficients may depend on its input.
///
/// - `Parameters` is what is initialised, trained and stored; a layer is made from it, discretized.
/// - `State` is a value: copy it to branch, keep it to roll back.
/// - `initial_state()` is the state before the first step: rest.
/// - `step(u_k, y_k, state)` takes one time step of `features()` numbers; it neither throws nor allocates. Spans of
///   another size are the caller's error (asserted in debug builds).
/// - `forward(u, y, state)` takes a whole sequence (L, H), any L, and leaves the state behind its last step, so chunks
///   follow one another; u and y may be the same memory.
///
/// A layer is const-callable from many threads, each with a state of its own.
template <class L>
concept SSMLayer = std::floating_point<typename L::Scalar> && std::copyable<typename L::State> &&
    std::copyable<typename L::Parameters> && std::constructible_from<L, const typename L::Parameters&> &&
    requires(const L layer, typename L::State state, std::span<const typename L::Scalar> u_k,
             std::span<typename L::Scalar> y_k, ConstSequence<typename L::Scalar> u, Sequence<typename L::Scalar> y) {
  { layer.features() } -> std::convertible_to<Index>;
  { layer.initial_state() } -> std::same_as<typename L::State>;
  // clang-format off
  { layer.step(u_k, y_k, state) } noexcept;
  // clang-format on
  {layer.forward(u, y, state)};
};

/// A layer whose coefficients do not depend on its input, so that it has an impulse response and can run as a
/// convolution.
///
/// - `impulse_response(length)` is (length, H): y for u = 1, 0, 0, .. from rest, the direct term included.
template <class L>
concept TimeInvariantSSMLayer = SSMLayer<L> && requires(const L layer, Index length) {
  { layer.impulse_response(length) } -> std::same_as<Array<typename L::Scalar>>;
};

/// A layer that takes a time of its own before every sample.
///
/// - `step(u_k, interval, y_k, state)` and `forward(u, intervals, y, state)`: see S5.
template <class L>
concept UnevenSSMLayer = SSMLayer<L> &&
    requires(const L layer, typename L::State state, std::span<const typename L::Scalar> u_k, LayerSteps interval,
             Intervals<typename L::Scalar> intervals, std::span<typename L::Scalar> y_k,
             ConstSequence<typename L::Scalar> u, Sequence<typename L::Scalar> y) {
  // clang-format off
  { layer.step(u_k, interval, y_k, state) } noexcept;
  // clang-format on
  {layer.forward(u, intervals, y, state)};
};

namespace detail {

/// @throws DomainError that says so
[[noreturn]] inline void refuse_intervals() {
  throw DomainError("intervals: expected none, this layer has one time step for all");
}

}  // namespace detail

/// Returns the numbers of an input of a layer, or of its parameters: its features where it has no inputs of its own.
template <class L>
Index inputs_of(const L& layer) {
  if constexpr (requires { layer.inputs(); })
    return layer.inputs();
  else
    return layer.features();
}
/// Returns the numbers of an output of a layer, or of its parameters.
template <class L>
Index outputs_of(const L& layer) {
  if constexpr (requires { layer.outputs(); })
    return layer.outputs();
  else
    return layer.features();
}

/// Returns whether the output of a layer may be its input's memory: of every layer with `features()`, unless it says
/// otherwise itself.
template <class L>
bool runs_in_place(const L& layer) {
  if constexpr (requires { layer.in_place(); })
    return layer.in_place();
  else
    return requires { layer.features(); };
}

/// Published initial parameters of a layer.
///
/// @param measure   where they come from: hippo::LegS, diagonal::Linear, RandomMatrix, ...
/// @param shape     sizes and the range of dt, Layer::Shape
/// @param random    the source of what is drawn
/// @param choice    what else the layer lets one choose: S5 how C is drawn, s5_output::TruncatedNormal, ...
template <class Layer, class Measure, class... Choice>
typename Layer::Parameters initial(Measure measure, const typename Layer::Shape& shape, Random& random,
                                   Choice... choice) {
  return Layer::Parameters::initial(measure, shape, random, choice...);
}

}  // namespace ssm
