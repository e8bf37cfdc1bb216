#pragma once

#include "ssm/layer/trainable.hpp"
#include "ssm/nn/pooling.hpp"
#include "ssm/nn/reading.hpp"

namespace ssm::nn {

/// Sequences that are whole in this process: all that a Backpropagation asks of how its sequences are held. Its twin in
/// mpi/stack_gradient.hpp is for ranks of an MPI run that hold a stretch of every sequence each.
template <TrainableLayer Layer>
struct WholeSequences {
  /// Scalar type of inputs and outputs.
  using T = typename Layer::Scalar;
  /// Values that a layer's forward run leaves for its backward run.
  using Kept = CheckpointsOf<Layer>;
  /// Values that the pool of a sequence leaves for its derivative.
  struct Pooled {};
  /// Whether every member of a team has a stretch of every sequence; if not, it has some of the sequences.
  static constexpr bool stretches = false;

  /// Checks how a sequence is read.
  /// @throws as Reading::check
  void check(const Reading<T>& reading, Index length) const { reading.check(length); }
  /// Runs a layer from rest; kept becomes what its backward run asks for.
  void forward(std::size_t /*number of the layer*/, const Layer& layer, ConstSequence<T> u, Intervals<T> intervals,
               Sequence<T> y, Kept& kept) const {
    if (intervals.empty())
      forward_from_rest(layer, u, y, kept);
    else
      forward_from_rest(layer, u, intervals, y);
  }
  /// Computes its derivatives: du and cotangent +=.
  void forward_vjp(std::size_t /*number of the layer*/, const Layer& layer, ConstSequence<T> u, Intervals<T> intervals,
                   const Kept& kept, ConstSequence<T> dy, Sequence<T> du, typename Layer::Cotangent& cotangent,
                   WorkspaceOf<Layer>& work) const {
    if (intervals.empty())
      forward_from_rest_vjp(layer, u, kept, dy, du, cotangent, work);
    else
      forward_from_rest_vjp(layer, u, intervals, dy, du, cotangent, work);
  }
  /// y = what an answer is made from.
  Pooled pool(Pool how, ConstSequence<T> x, std::span<T> y) const {
    nn::pool<T>(how, x, y);
    return {};
  }
  /// dx += its derivative.
  void pool_vjp(Pool how, Pooled, std::span<const T> dy, Sequence<T> dx) const { nn::pool_vjp<T>(how, dy, dx); }
};

}  // namespace ssm::nn
