#pragma once

#include "ssm/layer/algorithm.hpp"
#include "ssm/layer/batch.hpp"
#include "ssm/layer/concept.hpp"
#include "ssm/layer/convolution.hpp"

#include <memory>
#include <string>
#include <vector>

/// Runners of a plan: one class for each algorithm, all behind one small interface.
namespace ssm::detail {

/// A layer of H independent systems, one a feature: see Featurewise.
template <class L>
concept FeaturewiseLayer = TimeInvariantSSMLayer<L> &&
    requires(const L layer, Index h, ConstSequence<typename L::Scalar> u, Sequence<typename L::Scalar> y,
             typename L::State state) {
  // clang-format off
  { layer.engine().recur(h, u, y, state) } noexcept;
  // clang-format on
  layer.engine().kernel(h, h);
};

/// A layer that scans tiles of time: S5.
template <class L>
concept ScanLayer = SSMLayer<L> && requires(const L layer, Index n) {
  layer.engine().workspaces(n, n);
};

template <SSMLayer Layer>
class Runner {
 public:
  using T = typename Layer::Scalar;
  using State = typename Layer::State;

  explicit Runner(const Layer& layer) : layer_(layer) {}
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  virtual ~Runner() = default;

  /// Sizes have been checked, and that the layer takes intervals where there are some. Without states: from rest, and
  /// the final ones are not asked for.
  virtual void run(ConstBatch<T> u, Intervals<T> intervals, Batch<T> y, std::span<State> states,
                   Executor& executor) = 0;
  virtual Index bytes() const = 0;
  virtual std::string name() const = 0;

  /// @throws see check_intervals
  void check(ConstBatch<T> u, Intervals<T> intervals) const { check_intervals(layer_, u, intervals); }
  /// @throws ShapeError unless the state is the layer's, where the layer can tell
  void check(const State& state) const {
    if constexpr (requires { layer_.engine().check(state); }) layer_.engine().check(state);
  }

 protected:
  /// Features that one task takes: those of a cache line, so that no two threads write to one.
  static constexpr Index group = convolved_together;

  /// work(b, first, count, worker) for every sequence and group of features.
  template <class Work>
  void for_each_group(Index sequences, Executor& executor, Work work) const {
    for_each_group(sequences, executor, 1, work);
  }
  /// Calls the same for up to `together` groups of neighbouring features at once.
  template <class Work>
  void for_each_group(Index sequences, Executor& executor, Index together, Work work) const {
    const Index H = layer_.features(), some = together * group, parts = (H + some - 1) / some;
    executor.run(sequences * parts, [&](Index task, Index worker) {
      const Index first = task % parts * some;
      work(task / parts, first, std::min(some, H - first), worker);
    });
  }

  const Layer& layer_;
};

/// States for runs that bring none.
template <SSMLayer Layer>
class RestStates {
 public:
  RestStates(const Layer& layer, Index batch) : states_(static_cast<std::size_t>(batch) + 1, layer.initial_state()) {}

  /// At rest again. Allocates nothing, as far as the state's assignment does not.
  std::span<typename Layer::State> fresh(Index count) {
    const auto used = std::span(states_).first(static_cast<std::size_t>(count));
    for (auto& state : used) state = states_.back();
    return used;
  }
  Index bytes() const {
    if constexpr (requires { byte_size(states_[0]); })
      return byte_size(states_[0]) * static_cast<Index>(states_.size());
    return static_cast<Index>(states_.size() * sizeof(states_[0]));
  }

 private:
  std::vector<typename Layer::State> states_;  // the last one stays at rest
};

template <SSMLayer Layer>
class RecurrenceRunner final : public Runner<Layer> {
 public:
  using typename Runner<Layer>::State, typename Runner<Layer>::T;
  RecurrenceRunner(const Layer& layer, Index batch) : Runner<Layer>(layer), rest_(layer, batch) {}

  void run(ConstBatch<T> u, [[maybe_unused]] Intervals<T> intervals, Batch<T> y, std::span<State> states,
           Executor& executor) override {
    if (states.empty()) states = rest_.fresh(u.size());
    const auto state = [&](Index b) -> State& { return states[static_cast<std::size_t>(b)]; };
    if constexpr (UnevenSSMLayer<Layer>)
      if (!intervals.empty())
        return executor.run(u.size(), [&](Index b, Index) {
          this->layer_.forward(u[b], intervals.part(b * u.length(), u.length(b)), y.first_steps(b, u.length(b)),
                               state(b));
        });
    if constexpr (FeaturewiseLayer<Layer>) {
      // Neighbouring features run together, block of time by block of time, since their numbers lie in rows: as many as
      // leave every thread some tasks.
      const Index groups = (this->layer_.features() + this->group - 1) / this->group;
      const Index tasks = executor.threads() == 1 ? 1 : 4 * executor.threads();
      const Index together = std::clamp<Index>(groups * u.size() / tasks, 1, groups);
      this->for_each_group(u.size(), executor, together, [&](Index b, Index first, Index count, Index) {
        this->layer_.engine().recur(first, u[b].columns(first, count),
                                    y.first_steps(b, u.length(b)).columns(first, count), state(b));
      });
    } else if constexpr (requires { this->layer_.forward(u[0], y[0], states[0], algorithm::recurrence{}); }) {
      executor.run(u.size(), [&](Index b, Index) {
        this->layer_.forward(u[b], y.first_steps(b, u.length(b)), state(b), algorithm::recurrence{});
      });
    } else {
      executor.run(u.size(),
                   [&](Index b, Index) { this->layer_.forward(u[b], y.first_steps(b, u.length(b)), state(b)); });
    }
  }
  Index bytes() const override { return rest_.bytes(); }
  std::string name() const override { return "recurrence"; }

 private:
  RestStates<Layer> rest_;
};

template <FeaturewiseLayer Layer, class Backend>
class ConvolutionRunner final : public Runner<Layer> {
 public:
  using typename Runner<Layer>::State, typename Runner<Layer>::T;
  ConvolutionRunner(const Layer& layer, Index length, Index threads) : Runner<Layer>(layer) {
    const Index audible = audible_length(layer.engine(), length);
    for (Index i = 0; i < threads; ++i) work_.emplace_back(length, audible, layer.states());
    for (Index h = 0; h < layer.features(); ++h) features_.emplace_back(layer.engine(), h, work_.front());
  }

  void run(ConstBatch<T> u, Intervals<T>, Batch<T> y, std::span<State> states, Executor& executor) override {
    this->for_each_group(u.size(), executor, [&](Index b, Index first, Index count, Index worker) {
      State* const state = states.empty() ? nullptr : &states[static_cast<std::size_t>(b)];
      convolve(
          this->layer_.engine(), first, count, u[b], y.first_steps(b, u.length(b)), state,
          work_[static_cast<std::size_t>(worker)], [this](Index h) -> const auto& {
            return features_[static_cast<std::size_t>(h)];
          });
    });
  }
  Index bytes() const override {
    Index all = 0;
    for (const auto& feature : features_) all += feature.bytes();
    for (const auto& work : work_) all += work.bytes();
    return all;
  }
  std::string name() const override {
    return message("convolution (FFT of ", work_.front().causal.points(), " points)");
  }

 private:
  std::vector<ConvolutionWorkspace<T, Backend>> work_;
  std::vector<FeatureConvolution<T>> features_;
};

template <ScanLayer Layer>
class ScanRunner final : public Runner<Layer> {
  using Workspace = typename std::remove_cvref_t<decltype(std::declval<const Layer&>().engine())>::Workspace;

 public:
  using typename Runner<Layer>::State, typename Runner<Layer>::T;
  ScanRunner(const Layer& layer, Index length, Index batch, Index threads)
      : Runner<Layer>(layer), rest_(layer, batch), work_(layer.engine().workspaces(threads, length)) {}

  /// Threads share the sequences where there are enough of them, and else the tiles of each.
  void run(ConstBatch<T> u, Intervals<T> intervals, Batch<T> y, std::span<State> states, Executor& executor) override {
    if (states.empty()) states = rest_.fresh(u.size());
    const auto scan = [&](Index b, Executor& threads, std::span<Workspace> work) {
      this->layer_.engine()(u[b], intervals.part(b * u.length(), u.length(b)), y.first_steps(b, u.length(b)),
                            states[static_cast<std::size_t>(b)], threads, work);
    };
    if (u.size() >= executor.threads()) {
      executor.run(u.size(), [&](Index b, Index worker) {
        scan(b, this_thread(), std::span(work_).subspan(static_cast<std::size_t>(worker), 1));
      });
    } else {
      for (Index b = 0; b < u.size(); ++b) scan(b, executor, work_);
    }
  }
  Index bytes() const override {
    Index all = rest_.bytes();
    for (const auto& work : work_) all += work.bytes();
    return all;
  }
  std::string name() const override { return "scan"; }

 private:
  RestStates<Layer> rest_;
  std::vector<Workspace> work_;
};

}  // namespace ssm::detail
