#pragma once

#include "ssm/nn/backpropagation.hpp"
#include "ssm/optim/adamw.hpp"
#include "ssm/optim/schedule.hpp"

#include <filesystem>
#include <functional>

/// The loop around a model: shuffling, batches, schedule, averages, checkpoints.
namespace ssm::train {

/// Options of a training.
struct Options {
  Index epochs = 20;                                  ///< passes over all examples
  Index batch = 32;                                   ///< sequences at once
  Index accumulate = 1;                               ///< batches of a step: their gradients are added up
  double learning_rate = 4e-3;                        ///< see optim::AdamWOptions
  double weight_decay = 0.05;                         ///< the same
  std::optional<double> dynamics_learning_rate = {};  ///< the same
  std::vector<optim::Group> groups = {};              ///< the same: also what stays frozen
  optim::Schedule schedule = optim::cosine(1);        ///< of all learning rates
  double clip = 1;                                    ///< largest norm of a step's gradient
  double ema_decay = 0;          ///< decay of the exponential moving average of the weights; 0: none
  double validation = 0;         ///< share of the examples that is held out, to be measured after every epoch
  Index patience = 0;            ///< ends after so many epochs without a better loss on them; 0: never
  std::uint64_t seed = 1;        ///< seed of shuffling, augmentation, dropout and what is held out
  bool draw_by_example = false;  ///< draws for each example by itself: then of a team each member makes its own
                                 ///< examples alone. false: for the examples of a step one after the other
  std::filesystem::path checkpoint = {};  ///< written after every epoch and when stopped; empty: none

  /// @throws DomainError that names what is out of its range
  void check() const {
    ssm::detail::require_at_least("epochs", 0, epochs);
    ssm::detail::require_at_least("batch", 1, batch);
    ssm::detail::require_at_least("accumulate", 1, accumulate);
    ssm::detail::require_at_least("patience", 0, patience);
    if (!(ema_decay >= 0 && ema_decay < 1))
      throw DomainError(ssm::detail::message("ema_decay: expected a decay in [0, 1), got ", ema_decay));
    if (!(validation >= 0 && validation < 1))
      throw DomainError(ssm::detail::message("validation: expected a share in [0, 1), got ", validation));
    if (patience > 0 && validation == 0)
      throw DomainError(
          ssm::detail::message("patience: expected 0 where nothing is held out for validation, got ", patience));
    if (!schedule.factor) throw DomainError("schedule: expected a function, got none");
    optimizer().check();
  }
  /// Returns the options of the optimiser.
  optim::AdamWOptions optimizer() const {
    optim::AdamWOptions all;
    all.learning_rate = learning_rate;
    all.weight_decay = weight_decay;
    all.dynamics_learning_rate = dynamics_learning_rate;
    all.clip = clip;
    all.groups = groups;
    return all;
  }
  /// Returns what a training that goes on must have in common with its checkpoint: names and values. The number of
  /// epochs is not among it: it may grow.
  std::vector<std::pair<std::string, std::string>> recipe() const {
    const auto text = [](const auto&... parts) { return ssm::detail::message(parts...); };
    std::string all;
    for (const optim::Group& each : groups) {
      all += (all.empty() ? "" : "; ") + each.pattern;
      if (each.learning_rate) all += text(" rate ", *each.learning_rate);
      if (each.weight_decay) all += text(" decay ", *each.weight_decay);
      if (each.frozen) all += " frozen";
    }
    return {{"batch", text(batch)},
            {"accumulate", text(accumulate)},
            {"learning_rate", text(learning_rate)},
            {"weight_decay", text(weight_decay)},
            {"dynamics_learning_rate", dynamics_learning_rate ? text(*dynamics_learning_rate) : "not set"},
            {"groups", all},
            {"schedule", schedule.name},
            {"clip", text(clip)},
            {"ema_decay", text(ema_decay)},
            {"validation", text(validation)},
            {"patience", text(patience)},
            {"seed", text(seed, draw_by_example ? " by example" : "")}};
  }
};

/// One epoch of a curve.
struct Epoch {
  double epoch;                ///< from 1
  double loss;                 ///< mean over its examples, while the weights changed
  double accuracy;             ///< share of right answers, likewise
  double seconds;              ///< since training began, stops not counted
  double test;                 ///< result of `evaluate` after it; NaN without one
  double validation;           ///< loss of what is held out, after it, of the averaged model; NaN without any
  double validation_accuracy;  ///< likewise
};

/// Progress of a training.
struct Progress {
  Index epoch;                ///< from 0
  Index step;                 ///< number within the epoch, from 1
  Index steps;                ///< steps in an epoch
  double loss;                ///< mean over the epoch so far
  double accuracy;            ///< likewise
  double samples_per_second;  ///< since this run began
  double seconds_left;        ///< at that speed
};

/// A sequence to learn from, made for one step: what `nn::Example` points to.
template <Real T>
struct Sample {
  std::vector<T> u;                               ///< (L, inputs)
  std::vector<T> intervals = {};                  ///< before each step, in steps of the layers      (L), or empty
  std::vector<std::uint8_t> observed = {};        ///< 0 where a step has no input                   (L), or empty
  std::optional<Index> counted = {};              ///< see nn::Reading
  std::vector<T> other = {};                      ///< what u is compared with                       (M, inputs)
  std::vector<T> other_intervals = {};            ///< the times of that                             (M), or empty
  std::vector<std::uint8_t> other_observed = {};  ///< the mask of that                              (M), or empty
  std::optional<Index> other_counted = {};        ///< the steps of that which count

  /// Returns the views that a gradient reads.
  nn::Example<T> view(Index inputs) const {
    return {ConstSequence<T>(std::span<const T>(u), inputs),
            {InLayerSteps<T>{intervals}, observed, counted},
            ConstSequence<T>(std::span<const T>(other), inputs),
            {InLayerSteps<T>{other_intervals}, other_observed, other_counted}};
  }
};

/// Makes example i as it is to be learnt this time, augmented by what is drawn; a function of these two alone.
///
///     [&](Index i, Random& random) { return std::vector<float>{..}; }       // (L, inputs), or a Sample<float>
template <Real T>
class MakeSample {
 public:
  /// @param make   make(i, random): the input's numbers, or a Sample
  template <class F>
  requires std::invocable<F&, Index, Random&> MakeSample(F make)
      : make_([make = std::move(make)](Index i, Random& random) mutable -> Sample<T> {
          if constexpr (std::convertible_to<std::invoke_result_t<F&, Index, Random&>, Sample<T>>)
            return make(i, random);
          else
            return {.u = make(i, random)};
        }) {}
  /// Makes it.
  Sample<T> operator()(Index i, Random& random) const { return make_(i, random); }

 private:
  std::function<Sample<T>(Index, Random&)> make_;
};

/// Loss of one answer, and its accuracy.
struct LossResult {
  double loss;          ///< to be made small
  double accuracy = 0;  ///< share of the answer that is right, 0 .. 1
};

}  // namespace ssm::train
