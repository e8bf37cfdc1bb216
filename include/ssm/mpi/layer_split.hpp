#pragma once

#include "ssm/mpi/both_ways.hpp"
#include "ssm/nn/stack.hpp"

namespace ssm::mpi {

/// A layer of a deep model over sequences of which every rank holds a stretch of time, each from rest: as a TimeSplit,
/// or as a BothWaysTimeSplit. All ranks call each function.
template <TrainableLayer Layer>
class LayerSplit {
  using T = typename Layer::Scalar;

 public:
  /// Values that a forward run leaves for its backward run.
  struct Kept {
    std::optional<typename Layer::State> before;  ///< this rank's stretch
  };

  /// @throws DomainError on every rank if the layers differ
  LayerSplit(const Layer& layer, Communicator& ranks) : layer_(&layer), split_(layer, ranks) {}

  /// Runs a sequence.
  /// @param u           input of this rank's stretch                  (L, inputs)
  /// @param intervals   of this stretch, or none                      (L)
  /// @param y           output                                        (L, outputs)
  /// @param kept        becomes what its backward run asks for
  /// @param carry       Scanned, where the layer can be, or InOrder
  /// @throws            as the layer, and as TimeSplit
  template <class Carry>
  void forward(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, Kept& kept, Carry carry) {
    auto state = layer_->initial_state();
    if constexpr (UnevenSSMLayer<Layer>) {
      if (!intervals.empty()) return void(kept.before = split_.forward(u, intervals, y, state, carry));
    } else if (!intervals.empty()) {
      ssm::detail::refuse_intervals();
    }
    kept.before = split_.forward(u, y, state, carry);
  }
  /// Computes its derivatives: du += (L, inputs), and cotangent += this rank's share.
  /// @param u           as `forward` was given, like intervals and carry
  /// @param intervals   of this stretch, or none
  /// @param kept        as `forward` left it
  /// @param dy          cotangent of the output      (L, outputs)
  /// @param du          += cotangent of u            (L, inputs)
  /// @param cotangent   += that of the layer's discrete numbers
  /// @param carry       as above
  template <class Carry>
  void forward_vjp(ConstSequence<T> u, Intervals<T> intervals, const Kept& kept, ConstSequence<T> dy, Sequence<T> du,
                   typename Layer::Cotangent& cotangent, Carry carry) {
    auto dstate = layer_->initial_state();
    if constexpr (ssm::detail::UnevenTrainable<Layer>)
      if (!intervals.empty())
        return split_.forward_vjp(u, intervals, *kept.before, dy, dstate, du, std::span<T>(), cotangent, carry);
    split_.forward_vjp(u, *kept.before, dy, dstate, du, cotangent, carry);
  }

 private:
  const Layer* layer_;
  TimeSplit<Layer> split_;
};

/// A layer of two directions that is split in the same way.
template <TrainableLayer Layer>
requires BothWays<Layer>
class LayerSplit<Layer> {
  using T = typename Layer::Scalar;
  using Split = BothWaysTimeSplit<Layer>;

 public:
  /// Values that a forward run leaves for its backward run.
  struct Kept {
    std::optional<typename Split::Before> before;  ///< this rank's stretch
    bool uneven = false;                           ///< some rank's steps have intervals: an empty stretch has none
  };

  /// @throws DomainError on every rank if the layers differ
  LayerSplit(const Layer& layer, Communicator& ranks) : ranks_(&ranks), split_(layer, ranks) {}

  /// Runs a sequence.
  template <class Carry>
  void forward(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, Kept& kept, Carry carry) {
    if constexpr (Split::uneven) {
      double some = intervals.empty() ? 0 : 1;
      add_up(*ranks_, std::span(&some, 1));
      kept.uneven = some > 0;
      if (kept.uneven) return void(kept.before = split_.forward(u, intervals, y, carry));
    } else if (!intervals.empty()) {
      ssm::detail::refuse_intervals();
    }
    kept.before = split_.forward(u, y, carry);
  }
  /// Computes its derivatives: du += (L, inputs), and cotangent += this rank's share.
  template <class Carry>
  void forward_vjp(ConstSequence<T> u, Intervals<T> intervals, const Kept& kept, ConstSequence<T> dy, Sequence<T> du,
                   typename Layer::Cotangent& cotangent, Carry carry) {
    if constexpr (Split::uneven)
      if (kept.uneven) return split_.forward_vjp(u, intervals, *kept.before, dy, du, cotangent, carry);
    split_.forward_vjp(u, *kept.before, dy, du, cotangent, carry);
  }

 private:
  Communicator* ranks_;
  Split split_;
};

namespace detail {

/// The layers of a model over ranks.
/// @throws DomainError on every rank if layers differ, or the model compares two sequences
template <TrainableLayer Layer>
std::vector<LayerSplit<Layer>> split_layers(const nn::Stack<Layer>& model, Communicator& ranks) {
  if (model.shape().compare) throw DomainError("a stack over ranks: expected one sequence, got a model of two");
  std::vector<LayerSplit<Layer>> splits;
  for (const Layer& layer : model.layers()) splits.emplace_back(layer, ranks);
  return splits;
}

}  // namespace detail
}  // namespace ssm::mpi
