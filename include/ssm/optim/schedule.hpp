#pragma once

#include "ssm/core/error.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <span>
#include <string>

namespace ssm::optim {

/// Factor of the learning rate in step k: a straight rise over the first `warmup` steps, then a cosine from 1 to a
/// floor.
///
///     (k + 1)/warmup for k < warmup,    floor + (1 - floor) (1 + cos(pi (k - warmup)/(steps - warmup)))/2 from there
///
/// Loshchilov, Hutter 2017, arXiv:1608.03983.
inline double warmup_cosine(Index k, Index warmup, Index steps, double floor = 0) {
  if (k < warmup) return static_cast<double>(k + 1) / static_cast<double>(warmup);
  if (k >= steps) return floor;
  const double cosine =
      (1 + std::cos(std::numbers::pi * static_cast<double>(k - warmup) / static_cast<double>(steps - warmup))) / 2;
  return floor + (1 - floor) * cosine;
}
/// Factor of the learning rate in step k: a cosine from `start` up to 1 over a share of all steps, then one down to
/// `end`.
///
/// Smith, Topin 2018, arXiv:1708.07120; as PyTorch's OneCycleLR, whose peak is in step `rise steps - 1`.
inline double one_cycle_at(Index k, Index steps, double rise = 0.3, double start = 1.0 / 25, double end = 4e-6) {
  const double peak = rise * static_cast<double>(steps) - 1, last = static_cast<double>(steps) - 1;
  const auto between = [](double from, double to, double share) {
    return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * share));
  };
  const auto at = static_cast<double>(k);
  if (at <= peak) return between(start, 1, peak > 0 ? at / peak : 1);
  return between(1, end, last > peak ? std::min(1.0, (at - peak) / (last - peak)) : 1);
}

/// Factor of the learning rate: less each time that a figure, which should fall, has not for a while.
class Plateau {
 public:
  /// @param factor      what it is multiplied by
  /// @param patience    how many figures in a row may be no better
  /// @param threshold   relative to the best, what counts as better
  explicit Plateau(double factor = 0.1, Index patience = 10, double threshold = 1e-4)
      : factor_(factor), patience_(patience), threshold_(threshold) {}

  /// Takes one more figure and returns the factor.
  double operator()(double figure) {
    if (figure < best_ * (1 - threshold_)) {
      best_ = figure;
      bad_ = 0;
    } else if (++bad_ > patience_) {
      schedule_ *= factor_;
      bad_ = 0;
    }
    return schedule_;
  }

 private:
  double factor_;
  Index patience_;
  double threshold_, best_ = std::numeric_limits<double>::infinity(), schedule_ = 1;
  Index bad_ = 0;
};

/// Where a training is, for its schedule.
struct Moment {
  Index step;                          ///< from 0
  Index steps;                         ///< of the whole training
  Index per_epoch;                     ///< steps of an epoch
  std::span<const double> validation;  ///< losses on what is held out, after each epoch so far

  /// Epochs that are done.
  Index epoch() const noexcept { return step / per_epoch; }
};

/// A factor of all learning rates that changes in the course of a training. It depends on the moment alone, so that a
/// training that was stopped goes on in the same bits; its name says what it is, for a checkpoint to compare.
struct Schedule {
  std::string name;                             ///< "warm-up 1, cosine to 0"
  std::function<double(const Moment&)> factor;  ///< of the learning rates, for the next step
};

/// Schedules by name: pass one of these as Options::schedule, or a Schedule of your own. @{

/// warmup_cosine.
/// @param warmup   epochs of rising rate    >= 0
/// @param floor    of the cosine            0 .. 1
/// @throws         DomainError if one is out of its range
inline Schedule cosine(double warmup = 1, double floor = 0) {
  if (!(warmup >= 0) || !std::isfinite(warmup))
    throw DomainError(ssm::detail::message("warmup: expected a finite number of epochs, at least 0, got ", warmup));
  if (!(floor >= 0 && floor <= 1))
    throw DomainError(ssm::detail::message("floor of a cosine: expected within 0 .. 1, got ", floor));
  return {ssm::detail::message("warm-up ", warmup, ", cosine to ", floor), [warmup, floor](const Moment& at) {
            const auto rise = static_cast<Index>(warmup * static_cast<double>(at.per_epoch));
            return warmup_cosine(at.step, rise, at.steps, floor);
          }};
}
/// one_cycle_at.
/// @param rise    share of the steps up to the peak       0 .. 1
/// @param start   factor of the first step                0 .. 1
/// @param end     factor of the last step                 0 .. 1
/// @throws        DomainError if one is out of its range
inline Schedule one_cycle(double rise = 0.3, double start = 1.0 / 25, double end = 4e-6) {
  for (const double each : {rise, start, end})
    if (!(each >= 0 && each <= 1))
      throw DomainError(ssm::detail::message("one cycle: expected shares within 0 .. 1, got ", each));
  return {ssm::detail::message("one cycle, rise ", rise, ", from ", start, " to ", end),
          [=](const Moment& at) { return one_cycle_at(at.step, at.steps, rise, start, end); }};
}
/// The rate is multiplied by a factor every so many epochs.
/// @param epochs   >= 1
/// @param factor   > 0
/// @throws         DomainError if one is out of its range
inline Schedule step_decay(Index epochs, double factor = 0.1) {
  ssm::detail::require_at_least("epochs of a step of the schedule", 1, epochs);
  ssm::detail::require_positive("factor of a step of the schedule", factor);
  return {ssm::detail::message("times ", factor, " every ", epochs, " epochs"),
          [=](const Moment& at) { return std::pow(factor, static_cast<double>(at.epoch() / epochs)); }};
}
/// Plateau, of the loss on what is held out.
/// @throws DomainError if the factor is not positive, or the patience is below 0
inline Schedule plateau(double factor = 0.1, Index patience = 10, double threshold = 1e-4) {
  ssm::detail::require_positive("factor of a plateau", factor);
  ssm::detail::require_at_least("patience of a plateau", 0, patience);
  return {ssm::detail::message("plateau, times ", factor, " after ", patience, " epochs without ", threshold),
          [=](const Moment& at) {
            Plateau all(factor, patience, threshold);
            double now = 1;
            for (const double each : at.validation) now = all(each);
            return now;
          }};
}
/// @}

}  // namespace ssm::optim
