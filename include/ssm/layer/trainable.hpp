#pragma once

#include "ssm/layer/concept.hpp"
#include "ssm/layer/role.hpp"

#include <string>

namespace ssm {

/// A layer over whole sequences with derivatives by hand: vector-Jacobian products, which add to what is there. It need
/// not have a step, as two layers in opposite directions have none, and its outputs need not be as many as its inputs:
/// see `inputs_of`.
///
/// - It runs from rest: `forward(u, y)`, or `forward(u, y, state)` on an `initial_state()`.
/// - `cotangent()` is zero: derivatives by the layer's discrete numbers, which any number of sequences add to
///   (`forward_vjp`), and other cotangents (`+=`), before they are turned once into those of what is stored.
/// - `forward_vjp(u, dy, du, cotangent)`: of a sequence from rest whose final state is not used.
/// - `Workspace`, where the layer has one: scratch memory of a backward run. A caller may keep one, made by default,
///   and give its address as last argument of every `forward_vjp`, so that the next sequence allocates less.
/// - `parameters_vjp(cotangent, gradient)`: adds to the gradient of every stored number. A complex number's is
///   dL/dRe + i dL/dIm.
///
/// `Parameters::each` names the arrays; a gradient is `Parameters` of the same sizes, made zero by `zero`.
template <class L>
concept TrainableLayer = std::floating_point<typename L::Scalar> && std::copyable<typename L::Parameters> &&
    std::copyable<typename L::Cotangent> &&
    requires(const L layer, typename L::Cotangent cotangent, typename L::Parameters gradient,
             ConstSequence<typename L::Scalar> u, Sequence<typename L::Scalar> du) {
  { layer.cotangent() } -> std::same_as<typename L::Cotangent>;
  {cotangent += cotangent};
  {layer.forward_vjp(u, u, du, cotangent)};
  {layer.parameters_vjp(cotangent, gradient)};
  { layer.parameters() } -> std::convertible_to<typename L::Parameters>;
  { inputs_of(layer) } -> std::same_as<Index>;
  L::Parameters::each(gradient, [](const auto&, auto&, Role) {});
};

/// A layer with derivatives that steps and keeps a state.
///
/// - `forward_vjp(u, before, dy, dstate, du, cotangent)`: of a sequence from the state `before`; `dstate` is the
///   cotangent of the final state and becomes that of `before`.
template <class L>
concept TrainableSSMLayer = SSMLayer<L> && TrainableLayer<L> &&
    requires(const L layer, typename L::Cotangent cotangent, typename L::State state,
             ConstSequence<typename L::Scalar> u, Sequence<typename L::Scalar> du) {
  {layer.forward_vjp(u, state, u, state, du, cotangent)};
};

/// A trainable layer whose forward run can leave checkpoints: states that spare the backward run from making them
/// again: `forward(u, y, state, checkpoints)`, then `forward_vjp(u, checkpoints, dy, dstate, du, cotangent)`. The
/// results are the same, but for rounding.
template <class L>
concept LeavesCheckpoints = TrainableLayer<L> && std::default_initializable<typename L::Checkpoints> &&
    requires(const L layer, typename L::Checkpoints checkpoints, typename L::Cotangent cotangent,
             typename L::State state, ConstSequence<typename L::Scalar> u, Sequence<typename L::Scalar> y) {
  {layer.forward(u, y, state, checkpoints)};
  {layer.forward_vjp(u, checkpoints, u, state, y, cotangent)};
};

namespace detail {

/// Name of the kind of a layer in files: the layer's own, or that of its parameters.
template <class Layer>
std::string kind_of(const typename Layer::Parameters& parameters) {
  if constexpr (requires { parameters.kind(); })
    return parameters.kind();
  else if constexpr (requires { Layer::kind; })
    return Layer::kind;
  else if constexpr (requires { Layer::Parameters::kind; })
    return Layer::Parameters::kind;
  else
    return "a layer without a name";
}

/// A layer with derivatives also where every sample has a time of its own.
template <class L>
concept UnevenTrainable = TrainableLayer<L> &&
    requires(const L layer, typename L::Cotangent cotangent, typename L::State state,
             Intervals<typename L::Scalar> intervals, std::span<typename L::Scalar> dintervals,
             ConstSequence<typename L::Scalar> u, Sequence<typename L::Scalar> du) {
  {layer.forward(u, intervals, du, state)};
  {layer.forward_vjp(u, intervals, state, u, state, du, dintervals, cotangent)};
};
/// A layer of whole sequences alone that takes such times.
template <class L>
concept UnevenWhole = TrainableLayer<L> &&
    requires(const L layer, typename L::Cotangent cotangent, Intervals<typename L::Scalar> intervals,
             ConstSequence<typename L::Scalar> u, Sequence<typename L::Scalar> du) {
  {layer.forward(u, intervals, du)};
  {layer.forward_vjp(u, intervals, u, du, cotangent)};
};

template <class Layer>
struct CheckpointsOf {
  struct type {};
};
template <LeavesCheckpoints Layer>
struct CheckpointsOf<Layer> {
  using type = typename Layer::Checkpoints;
};
template <class Layer>
struct WorkspaceOf {
  struct type {};
};
template <class Layer>
requires requires { typename Layer::Workspace; }
struct WorkspaceOf<Layer> {
  using type = typename Layer::Workspace;
};
}  // namespace detail
/// A layer's checkpoints, or nothing where it leaves none.
template <TrainableLayer Layer>
using CheckpointsOf = typename detail::CheckpointsOf<Layer>::type;
/// A layer's scratch memory of a backward run, or nothing where it keeps none.
template <TrainableLayer Layer>
using WorkspaceOf = typename detail::WorkspaceOf<Layer>::type;

/// Runs a sequence from rest and leaves checkpoints for its backward run.
///
/// @param u       input                                   (L, inputs)
/// @param y       output                                  (L, outputs)
/// @param checkpoints   states for the backward run
/// @throws        ShapeError if the sizes disagree
template <TrainableLayer Layer>
void forward_from_rest(const Layer& layer, ConstSequence<typename Layer::Scalar> u, Sequence<typename Layer::Scalar> y,
                       [[maybe_unused]] CheckpointsOf<Layer>& checkpoints) {
  if constexpr (requires { layer.forward(u, y); }) {  // a layer may spare itself a state that is not used
    layer.forward(u, y);
  } else {
    auto state = layer.initial_state();
    if constexpr (LeavesCheckpoints<Layer>)
      layer.forward(u, y, state, checkpoints);
    else
      layer.forward(u, y, state);
  }
}

/// Computes the derivatives of such a sequence, whose final state is not used.
///
/// @param u           input                     (L, H)
/// @param checkpoints   those that the forward run left
/// @param dy          cotangent of the output   (L, H)
/// @param du          += cotangent of u         (L, H)
/// @param cotangent   += that of the layer's discrete numbers
/// @param work        scratch memory that is kept from sequence to sequence
/// @throws            ShapeError if the sizes disagree
template <TrainableLayer Layer>
void forward_from_rest_vjp(const Layer& layer, ConstSequence<typename Layer::Scalar> u,
                           [[maybe_unused]] const CheckpointsOf<Layer>& checkpoints,
                           ConstSequence<typename Layer::Scalar> dy, Sequence<typename Layer::Scalar> du,
                           typename Layer::Cotangent& cotangent, [[maybe_unused]] WorkspaceOf<Layer>& work) {
  const auto run = [&](auto... kept) {
    if constexpr (LeavesCheckpoints<Layer>) {
      auto unused = layer.initial_state();
      layer.forward_vjp(u, checkpoints, dy, unused, du, cotangent, kept...);
    } else {
      layer.forward_vjp(u, dy, du, cotangent, kept...);
    }
  };
  if constexpr (requires { typename Layer::Workspace; })
    run(&work);
  else
    run();
}

/// Runs a sequence of uneven samples from rest.
///
/// @param u           input                                               (L, inputs)
/// @param intervals   >= 0 and finite, in seconds or in steps of the layer     (L)
/// @param y           output                                              (L, outputs)
/// @throws            ShapeError if the sizes disagree; DomainError if the layer takes no intervals, or one is negative
///                    or not finite
template <TrainableLayer Layer>
void forward_from_rest(const Layer& layer, ConstSequence<typename Layer::Scalar> u,
                       Intervals<typename Layer::Scalar> intervals, Sequence<typename Layer::Scalar> y) {
  if constexpr (detail::UnevenWhole<Layer>) {
    layer.forward(u, intervals, y);
  } else if constexpr (detail::UnevenTrainable<Layer>) {
    auto state = layer.initial_state();
    layer.forward(u, intervals, y, state);
  } else {
    detail::refuse_intervals();
  }
}
/// Computes the derivatives of such a sequence, whose final state is not used.
///
/// @param u           input                     (L, inputs)
/// @param intervals   as `forward` was given    (L)
/// @param dy          cotangent of the output   (L, outputs)
/// @param du          += cotangent of u         (L, inputs)
/// @param cotangent   += that of the layer's discrete numbers
/// @param work        scratch memory that is kept from sequence to sequence
/// @throws            as forward
template <TrainableLayer Layer>
void forward_from_rest_vjp(const Layer& layer, ConstSequence<typename Layer::Scalar> u,
                           Intervals<typename Layer::Scalar> intervals, ConstSequence<typename Layer::Scalar> dy,
                           Sequence<typename Layer::Scalar> du, typename Layer::Cotangent& cotangent,
                           [[maybe_unused]] WorkspaceOf<Layer>& work) {
  const auto run = [&](auto... kept) {
    if constexpr (detail::UnevenWhole<Layer>) {
      layer.forward_vjp(u, intervals, dy, du, cotangent, kept...);
    } else if constexpr (detail::UnevenTrainable<Layer>) {
      auto rest = layer.initial_state(), unused = rest;
      layer.forward_vjp(u, intervals, rest, dy, unused, du, std::span<typename Layer::Scalar>{}, cotangent, kept...);
    } else {
      detail::refuse_intervals();
    }
  };
  if constexpr (requires { typename Layer::Workspace; })
    run(&work);
  else
    run();
}

/// Parameters of the same sizes, all numbers 0: where a gradient begins.
template <class Parameters>
Parameters zero(Parameters parameters) {
  Parameters::each(parameters, [](const auto&, auto& array, Role) {
    std::fill(array.begin(), array.end(), std::remove_cvref_t<decltype(*array.begin())>(0));
  });
  return parameters;
}

/// Computes one sequence's derivatives at once.
///
/// @param layer      any TrainableSSMLayer
/// @param u          input of `forward`                                            (L, H)
/// @param before     the state before step 0
/// @param dy         cotangent of the output                                       (L, H)
/// @param dstate     cotangent of the state after the last step; becomes that of `before`
/// @param du         += cotangent of u                                             (L, H)
/// @param gradient   += cotangents of the parameters
/// @throws           ShapeError if the sizes disagree
template <TrainableSSMLayer Layer>
void forward_vjp(const Layer& layer, ConstSequence<typename Layer::Scalar> u, const typename Layer::State& before,
                 ConstSequence<typename Layer::Scalar> dy, typename Layer::State& dstate,
                 Sequence<typename Layer::Scalar> du, typename Layer::Parameters& gradient) {
  auto cotangent = layer.cotangent();
  layer.forward_vjp(u, before, dy, dstate, du, cotangent);
  layer.parameters_vjp(cotangent, gradient);
}

}  // namespace ssm
