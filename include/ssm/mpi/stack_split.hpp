#pragma once

#include "ssm/mpi/both_ways.hpp"
#include "ssm/nn/stack.hpp"

#include <memory>

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
  StackTimeSplit(const nn::Stack<Layer>& model, Communicator& ranks) : model_(&model), ranks_(&ranks) {
    if (model.shape().compare) throw DomainError("a stack over ranks: expected one sequence, got a model of two");
    for (const Layer& layer : model.layers()) splits_.push_back(std::make_unique<Split>(layer, ranks));
  }

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
    check(reading, L);
    if (shape.pool == nn::Pool::none && reading.counted)
      throw DomainError("counted steps: expected none where every step has an answer, got some");
    ssm::detail::require_size("rows of the answer", shape.pool == nn::Pool::none ? L : 1, answer.length());
    ssm::detail::require_size("numbers of an answer", shape.outputs, answer.features());
    std::vector<T> x = network.features(u, reading, [&](std::size_t layer, ConstSequence<T> in, Sequence<T> out) {
      run(*splits_[layer], model_->layers()[layer], in, reading.intervals, out, carry);
    });
    const Sequence<T> rows(x.data(), L, H);
    const typename nn::detail::Network<Layer>::LinearMap map;
    if (shape.pool == nn::Pool::none) return network.answer(rows, answer, map);
    const std::vector<T> pooled = pooled_of_all(rows.block(0, counted));
    network.answer({pooled.data(), 1, H}, answer, map);
  }

 private:
  template <class Of>
  struct SplitOf {
    using type = TimeSplit<Of>;
  };
  template <BothWays Of>
  struct SplitOf<Of> {
    using type = BothWaysTimeSplit<Of>;
  };
  using Split = typename SplitOf<Layer>::type;

  static void check(const nn::Reading<T>& reading, Index length) {
    if (!reading.intervals.empty()) reading.intervals.check(length);
    ssm::detail::check_observed(reading.observed, length);
    if (reading.counted && (*reading.counted < 0 || *reading.counted > length))
      throw DomainError(
          ssm::detail::message("counted steps of a stretch: expected within 0..", length, ", got ", *reading.counted));
  }
  /// Runs a layer from rest.
  template <class Carry>
  static void run(Split& split, const Layer& layer, ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y,
                  Carry carry) {
    if constexpr (BothWays<Layer>) {
      if (!intervals.empty())
        throw DomainError("intervals: expected none for two directions over ranks, which read even samples");
      split.forward(u, y, carry);
    } else {
      auto state = layer.initial_state();
      if (intervals.empty()) return void(split.forward(u, y, state, carry));
      if constexpr (UnevenSSMLayer<Layer>)
        split.forward(u, intervals, y, state, carry);
      else
        ssm::detail::refuse_intervals();
    }
  }
  /// Pools the rows of all ranks in order: the sums go on from rank to rank.
  /// @throws DomainError on every rank if there is no row
  std::vector<T> pooled_of_all(ConstSequence<T> x) {
    const nn::Pool how = model_->shape().pool;
    const Index H = x.features();
    std::vector<double> sums(static_cast<std::size_t>(H + 1));  // the last one: rows so far
    double& count = sums.back();
    ssm::detail::in_order(ranks_, {std::as_writable_bytes(std::span(sums))}, [&] {
      for (Index h = 0; h < H && x.length() > 0; ++h) {
        double& sum = sums[static_cast<std::size_t>(h)];
        if (how == nn::Pool::last)
          sum = static_cast<double>(x(x.length() - 1, h));
        else if (how == nn::Pool::first)
          sum = count > 0 ? sum : static_cast<double>(x(0, h));
        else
          for (Index k = 0; k < x.length(); ++k) sum += static_cast<double>(x(k, h));
      }
      count += static_cast<double>(x.length());
    });
    ssm::detail::require_at_least("length of a sequence to be pooled", 1, static_cast<Index>(count));
    std::vector<T> pooled;
    for (Index h = 0; h < H; ++h) {
      const double sum = sums[static_cast<std::size_t>(h)];
      const bool whole = how == nn::Pool::last || how == nn::Pool::first;
      const T mean = static_cast<T>(whole ? sum : sum / count);
      pooled.push_back(how == nn::Pool::sum ? mean * static_cast<T>(count) : mean);
    }
    return pooled;
  }

  const nn::Stack<Layer>* model_;
  Communicator* ranks_;
  std::vector<std::unique_ptr<Split>> splits_;  // of the model's layers
};

}  // namespace ssm::mpi
