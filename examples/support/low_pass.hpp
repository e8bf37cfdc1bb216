#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace example {

/// A windowed sinc: what a recording holds below `cut`, at a place among its samples.
class LowPass {
 public:
  /// @param cut      in cycles a sample
  /// @param reach    samples to either side that are heard
  /// @param offset   of the places from the samples, 0 or 1/2
  LowPass(double cut, std::ptrdiff_t reach, double offset = 0)
      : first_(static_cast<std::ptrdiff_t>(std::ceil(offset)) - reach) {
    for (std::ptrdiff_t j = first_; j <= reach; ++j) {
      const double distance = static_cast<double>(j) - offset, x = 2 * std::numbers::pi * cut * distance;
      const double window = 0.5 + 0.5 * std::cos(std::numbers::pi * distance / static_cast<double>(reach + 1));
      taps_.push_back((x == 0 ? 1 : std::sin(x) / x) * window);
      sum_ += taps_.back();
    }
  }

  /// Returns the signal at sample k plus the offset. Beyond the ends there is silence.
  float operator()(const std::vector<float>& samples, std::ptrdiff_t k) const {
    const auto length = static_cast<std::ptrdiff_t>(samples.size()), count = static_cast<std::ptrdiff_t>(taps_.size());
    const std::ptrdiff_t begin = k + first_;
    double value = 0;
    for (auto i = std::max<std::ptrdiff_t>(0, -begin); i < std::min(count, length - begin); ++i)
      value += taps_[static_cast<std::size_t>(i)] * static_cast<double>(samples[static_cast<std::size_t>(begin + i)]);
    return static_cast<float>(value / sum_);
  }

 private:
  std::ptrdiff_t first_;
  std::vector<double> taps_;
  double sum_ = 0;
};

}  // namespace example
