#pragma once

#include "ssm/mpi/layer_split.hpp"
#include "ssm/mpi/pooled.hpp"
#include "ssm/nn/backpropagation.hpp"

namespace ssm::mpi {

namespace detail {

/// Sequences of which every rank holds a stretch of time: what a Backpropagation asks, as of nn::WholeSequences.
template <TrainableLayer Layer, class Carry>
class Stretches {
  using T = typename Layer::Scalar;

 public:
  using Kept = typename LayerSplit<Layer>::Kept;
  using Pooled = PooledRows;
  static constexpr bool stretches = true;

  /// Splits the layers of a model as they now are.
  void begin(const nn::Stack<Layer>& model, Communicator& ranks) {
    ranks_ = &ranks;
    splits_ = split_layers(model, ranks);
  }
  void check(const nn::Reading<T>& reading, Index length) const { reading.check(length, 0); }
  void forward(std::size_t number, const Layer&, ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y,
               Kept& kept) {
    splits_[number].forward(u, intervals, y, kept, Carry{});
  }
  void forward_vjp(std::size_t number, const Layer&, ConstSequence<T> u, Intervals<T> intervals, const Kept& kept,
                   ConstSequence<T> dy, Sequence<T> du, typename Layer::Cotangent& cotangent, WorkspaceOf<Layer>&) {
    splits_[number].forward_vjp(u, intervals, kept, dy, du, cotangent, Carry{});
  }
  Pooled pool(nn::Pool how, ConstSequence<T> x, std::span<T> y) { return mpi::pool<T>(*ranks_, how, x, y); }
  void pool_vjp(nn::Pool how, Pooled rows, std::span<const T> dy, Sequence<T> dx) const {
    mpi::pool_vjp<T>(how, rows, dy, dx);
  }

 private:
  Communicator* ranks_ = nullptr;
  std::vector<LayerSplit<Layer>> splits_;  // of the model's layers
};

}  // namespace detail

/// Gradients of a deep model over sequences of which every rank holds a stretch of time: no rank ever has a whole one.
/// All ranks call it with as many examples, each its stretches of them, empty ones included.
///
///     ssm::mpi::StackTimeGradient<Layer> backpropagate(world);
///     auto gradient = ssm::zero(model.weights());
///     const double loss = backpropagate(model, stretches, random, loss_of, gradient);    // the same on every rank
///
/// Equal to nn::Backpropagation over the whole sequences within the bounds of its layers, with either carry; every rank
/// gets the same bits. Memory is that of nn::Backpropagation for this rank's stretches. Messages and work are those of
/// a TimeSplit for every layer and sequence, forwards and backwards; two of a row where the answer is pooled; two of a
/// row's sums for every batch norm, forwards and backwards; two of the gradient and of every layer's cotangents.
///
/// @tparam Layer   of the model
/// @tparam Carry   Scanned, where all layers can be; or InOrder
template <TrainableLayer Layer, class Carry = Scanned>
class StackTimeGradient {
  using T = typename Layer::Scalar;

 public:
  /// @param ranks   who hold the stretches; must outlive this
  explicit StackTimeGradient(Communicator& ranks) : ranks_(ranks), backpropagate_(this_thread(), &ranks) {}

  /// Forwards and backwards; batch norm's running statistics are updated on the way.
  /// @param model      the same on every rank, its layers fresh
  /// @param examples   this rank's stretches, as many on every rank; counted: of their steps, 0 included
  /// @param random     what dropout is drawn from: the same on every rank
  /// @param loss       loss(i, answer, danswer) of example i: returns it, and adds its cotangent. Where the model pools,
  ///                   it is called with the same answer on every rank, and counts once; else with the answers to the
  ///                   steps of this rank, and the ranks' losses are added up
  /// @param gradient   += cotangents of the weights
  /// @return           the sum of the losses, in order
  /// @throws           DomainError on every rank if layers or numbers of examples differ, the model compares two
  ///                   sequences, or dropout draws every step; nn::ExampleError as nn::Backpropagation, on the rank
  ///                   whose stretch has the error; CommunicationError if another rank does not answer
  template <class Loss>
  double operator()(nn::Stack<Layer>& model, std::span<const nn::Example<T>> examples, Random& random, Loss loss,
                    nn::StackParameters<Layer>& gradient) {
    backpropagate_.sequences().begin(model, ranks_);
    if (model.shape().dropout > 0 && !model.shape().dropout_shared)
      throw DomainError("dropout of a stack over ranks: expected one draw for all steps, got one for each");
    require_agreement(ranks_, "number of examples", examples.size());
    return backpropagate_(model, examples, random, std::move(loss), gradient);
  }

 private:
  Communicator& ranks_;
  nn::Backpropagation<Layer, detail::Stretches<Layer, Carry>> backpropagate_;
};

}  // namespace ssm::mpi
