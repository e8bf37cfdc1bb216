#pragma once

#include "ssm/mpi/layer_split.hpp"
#include "ssm/mpi/pooled.hpp"

namespace ssm::mpi {

/// A deep model over a sequence of which every rank holds a stretch of time: its layers run as a TimeSplit or a
/// BothWaysTimeSplit each, all else row by row where the rows are. Nothing but states, and one row of sums where the
/// answer is pooled, goes from rank to rank. All ranks call each function.
///
///     ssm::mpi::StackTimeSplit split(model, world);      // the same model on every rank: checked
///     split.forward(u, answer);                          // u of this rank
template <TrainableLayer Layer>
class StackTimeSplit {
  using T = typename Layer::Scalar;

 public:
  /// @param model   the same on every rank; must outlive this, with its weights as they are
  /// @param ranks   who hold the stretches; must outlive this
  /// @throws        DomainError on every rank if layers differ, or the model compares two sequences
  StackTimeSplit(const nn::Stack<Layer>& model, Communicator& ranks)
      : model_(&model), ranks_(&ranks), splits_(detail::split_layers(model, ranks)) {}

  /// The answer to a whole sequence from rest.
  ///
  /// Equal to the model's own within the bounds of its layers, where Scanned; to the bit, where InOrder.
  ///
  /// @param u         input of this rank's stretch     (L, inputs)
  /// @param answer    logits: of every step of the stretch where the model does not pool, else of the whole, on every
  ///                  rank                             (L or 1, outputs)
  /// @param reading   of this stretch: times of its steps, which of them have an input; counted: of its steps, all or
  ///                  those before the padding
  /// @param carry     Scanned, where all layers can be, or InOrder
  /// @throws          ShapeError if the sizes disagree; DomainError if there is no step at all, an interval is negative
  ///                  or not finite, or a layer takes none; CommunicationError if another rank does not answer
  template <class Carry = Scanned>
  void forward(ConstSequence<T> u, Sequence<T> answer, const nn::Reading<T>& reading = {}, Carry carry = {}) {
    const auto& network = model_->network();
    const nn::StackShape& shape = model_->shape();
    const Index L = u.length(), H = shape.features, counted = reading.counted.value_or(L);
    reading.check(L, 0);
    if (shape.pool == nn::Pool::none && reading.counted)
      throw DomainError("counted steps: expected none where every step has an answer, got some");
    ssm::detail::require_size("rows of the answer", shape.pool == nn::Pool::none ? L : 1, answer.length());
    ssm::detail::require_size("numbers of an answer", shape.outputs, answer.features());
    std::vector<T> x = network.features(u, reading, [&](std::size_t layer, ConstSequence<T> in, Sequence<T> out) {
      typename LayerSplit<Layer>::Kept unused;
      splits_[layer].forward(in, reading.intervals, out, unused, carry);
    });
    const Sequence<T> rows(x.data(), L, H);
    const typename nn::detail::Network<Layer>::LinearMap map;
    if (shape.pool == nn::Pool::none) return network.answer(rows, answer, map);
    std::vector<T> pooled(static_cast<std::size_t>(H));
    pool<T>(*ranks_, shape.pool, rows.block(0, counted), pooled);
    network.answer({pooled.data(), 1, H}, answer, map);
  }

 private:
  const nn::Stack<Layer>* model_;
  Communicator* ranks_;
  std::vector<LayerSplit<Layer>> splits_;  // of the model's layers
};

}  // namespace ssm::mpi
