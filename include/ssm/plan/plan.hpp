#pragma once

#include "ssm/layer/batch.hpp"
#include "ssm/layer/convolution.hpp"
#include "ssm/plan/cost.hpp"
#include "ssm/plan/runner.hpp"

namespace ssm {

namespace detail {

/// 0.0123, 1.23, 12.3, 123
inline std::string three_digits(double value) {
  std::ostringstream text;
  text.precision(3);
  text << value;
  return std::move(text).str();
}

}  // namespace detail

/// Shape of the work that a plan is made for.
struct Workload {
  Index length;                        ///< most steps of a sequence      >= 0
  Index batch = 1;                     ///< most sequences at once        >= 0
  Executor& executor = this_thread();  ///< the caller's threads; must outlive the plan
};

/// A layer prepared for one shape: kernel spectra, transforms and buffers are made once, and running it allocates
/// nothing (as far as the layer's own forward does not, where it is not one of this library). The layer must outlive
/// it; one call at a time.
///
/// Results are the same bits for every number of threads, and those of a sequence do not depend on its neighbours.
template <SSMLayer Layer>
class Plan {
 public:
  /// Scalar type of inputs and outputs.
  using Scalar = typename Layer::Scalar;
  /// State that the caller owns between calls.
  using State = typename Layer::State;

  /// Made by `plan`.
  Plan(const Layer& layer, const Workload& workload, std::unique_ptr<detail::Runner<Layer>> runner, std::string why)
      : features_(layer.features()), workload_(workload), runner_(std::move(runner)), why_(std::move(why)) {}

  /// Runs one sequence of at most the planned length.
  /// @param u        input                            (L, H)
  /// @param y        output                           (L, H)     may be u
  /// @param state    before step 0, becomes that after step L-1
  /// @param timing   of its steps
  /// @throws         ShapeError if the sizes disagree or are beyond the plan's; DomainError if the layer takes no
  ///                 intervals, or one is negative or not finite; nothing has changed then
  void operator()(ConstSequence<Scalar> u, Sequence<Scalar> y, State& state, const Timing<Scalar>& timing = {}) {
    run(ConstBatch<Scalar>(u), timing, Batch<Scalar>(y), {&state, 1});
  }
  /// Runs the same from rest. The last state is not asked for, which spares a convolution work.
  void operator()(ConstSequence<Scalar> u, Sequence<Scalar> y) { run(ConstBatch<Scalar>(u), {}, Batch<Scalar>(y), {}); }

  /// Several sequences, each with a length and a state of its own; y is 0 beyond the lengths of u.
  /// @param u        input                                                (batch, L, H)
  /// @param y        output                                               (batch, L, H)     may be u
  /// @param states   before step 0, become those after the last steps     (batch)
  /// @param timing   of the steps, padding included                       (batch, L)
  /// @throws         ShapeError if the sizes disagree or are beyond the plan's; DomainError if the layer takes no
  ///                 intervals, or one is negative or not finite; nothing has changed then
  void operator()(ConstBatch<Scalar> u, Batch<Scalar> y, std::span<State> states, const Timing<Scalar>& timing = {}) {
    detail::require_size("states (a sequence each)", u.size(), static_cast<Index>(states.size()));
    run(u, timing, y, states);
  }
  /// Runs them from rest.
  void operator()(ConstBatch<Scalar> u, Batch<Scalar> y) { run(u, {}, y, {}); }

  /// Returns this plan, with the reason why it was chosen.
  Plan because(std::string why) && {
    why_ = std::move(why);
    return std::move(*this);
  }

  /// Bytes held, the layer itself not counted.
  Index bytes() const { return runner_->bytes(); }
  /// Which mode was chosen, from what estimate, and what it holds.
  std::string explain() const {
    return runner_->name() + ": " + detail::three_digits(static_cast<double>(bytes()) / 1e6) + " MB held; " + why_;
  }

 private:
  void run(ConstBatch<Scalar> u, const Timing<Scalar>& timing, Batch<Scalar> y, std::span<State> states) {
    detail::require_same_batch<Scalar>(u, y, features_);
    if (u.size() > workload_.batch)
      throw ShapeError(detail::message("batch: expected at most the planned ", workload_.batch, ", got ", u.size()));
    for (Index b = 0; b < u.size(); ++b)
      if (u.length(b) > workload_.length)
        throw ShapeError(
            detail::message("length: expected at most the planned ", workload_.length, ", got ", u.length(b)));
    for (const State& state : states) runner_->check(state);
    runner_->check(u, timing.intervals);
    runner_->run(detail::observed_in(u, timing.observed, y), timing.intervals, y, states, workload_.executor);
    detail::clear_padding<Scalar>(u, y);
  }

  Index features_;
  Workload workload_;
  std::unique_ptr<detail::Runner<Layer>> runner_;
  std::string why_;
};

namespace detail {

/// Time of a backend's transform against that of Eigen's, if it says.
template <class Backend>
inline constexpr double relative_cost = 1;
template <class Backend>
requires requires { Backend::relative_cost; }
inline constexpr double relative_cost<Backend> = Backend::relative_cost;

inline void check(const Workload& workload) {
  require_at_least("planned length", 0, workload.length);
  require_at_least("planned batch", 0, workload.batch);
}

}  // namespace detail

/// The mode is the caller's.
/// @throws DomainError if a size is negative
template <SSMLayer Layer>
Plan<Layer> plan(const Layer& layer, const Workload& workload, algorithm::recurrence) {
  detail::check(workload);
  return {layer, workload, std::make_unique<detail::RecurrenceRunner<Layer>>(layer, workload.batch), "as told"};
}
template <detail::FeaturewiseLayer Layer, class Backend>
Plan<Layer> plan(const Layer& layer, const Workload& workload, algorithm::convolution<Backend>) {
  detail::check(workload);
  return {
      layer, workload,
      std::make_unique<detail::ConvolutionRunner<Layer, Backend>>(layer, workload.length, workload.executor.threads()),
      "as told"};
}
template <detail::ScanLayer Layer>
Plan<Layer> plan(const Layer& layer, const Workload& workload, algorithm::scan) {
  detail::check(workload);
  return {
      layer, workload,
      std::make_unique<detail::ScanRunner<Layer>>(layer, workload.length, workload.batch, workload.executor.threads()),
      "as told"};
}

/// The mode is that of the least estimated time for a run with states at both ends, what is prepared not counted: a
/// plain model whose constants are one table.
///
///     auto run = ssm::plan(layer, {.length = 16384, .batch = 8, .executor = two_threads});
///     std::cout << run.explain();
///     run(u, y, states);
///
/// @tparam Backend   transforms of a convolution
/// @param layer      must outlive the plan
/// @param workload   most steps, most sequences, and the caller's threads
/// @param table      what the machine's inner loops cost
/// @throws           DomainError if a size is negative
/// @note             a convolution: the layer's kernels once, as its mode's cost; else next to nothing
template <class Backend = fft::EigenBackend, SSMLayer Layer>
Plan<Layer> plan(const Layer& layer, const Workload& workload, const cost::Table& table = {}) {
  detail::check(workload);
  if constexpr (detail::FeaturewiseLayer<Layer>) {
    const auto L = static_cast<double>(workload.length), H = static_cast<double>(layer.features());
    const conv::Cut cut = conv::cut(workload.length, detail::audible_length(layer.engine(), workload.length));
    const double recurrence = L * cost::step(table, layer.engine().work_per_step());
    const double convolution =
        H * cost::convolution(table, workload.length, layer.states(), layer.engine().jump_entries(),
                              detail::relative_cost<Backend> * cut.work());
    const double runs = static_cast<double>(workload.batch) / 1e6;
    const auto told = [&](double best, const std::string& other, double its) {
      return detail::message("estimated ", detail::three_digits(runs * best), " ms a run on one thread; ", other,
                             " would take ", detail::three_digits(best > 0 ? its / best : 1.0), " times as long");
    };
    if (recurrence <= convolution) {
      const std::string other = detail::message("a convolution (FFT of ", cut.points, " points)");
      return plan(layer, workload, algorithm::recurrence{}).because(told(recurrence, other, convolution));
    }
    return plan(layer, workload, algorithm::convolution<Backend>{})
        .because(told(convolution, "the recurrence", recurrence));
  } else if constexpr (detail::ScanLayer<Layer>) {
    return plan(layer, workload, algorithm::scan{})
        .because(detail::message("estimated ",
                                 detail::three_digits(static_cast<double>(workload.length * workload.batch) *
                                                      cost::step(table, layer.engine().work_per_step()) / 1e6),
                                 " ms a run on one thread; there is no other mode for whole sequences"));
  } else {
    return plan(layer, workload, algorithm::recurrence{})
        .because("the layer's own forward; there is nothing to choose");
  }
}
template <class Backend = fft::EigenBackend, SSMLayer Layer, class... Rest>
void plan(const Layer&& layer, const Workload& workload, Rest...) = delete;  // the layer would be gone

}  // namespace ssm
