#pragma once

#include "ssm/core/error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace ssm::optim {

/// Factor of the learning rate in step k: a straight rise over the first `warmup` steps, then a cosine from 1 to
/// 0.
///
///     (k + 1)/warmup for k < warmup,    (1 + cos(pi (k - warmup)/(steps - warmup)))/2 from there
///
/// Loshchilov, Hutter 2017, arXiv:1608.03983.
inline double warmup_cosine(Index k, Index warmup, Index steps) {
  if (k < warmup) return static_cast<double>(k + 1) / static_cast<double>(warmup);
  if (k >= steps) return 0;
  return (1 + std::cos(std::numbers::pi * static_cast<double>(k - warmup) / static_cast<double>(steps - warmup))) / 2;
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

}  // namespace ssm::optim
