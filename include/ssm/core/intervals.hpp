#pragma once

#include "ssm/core/sequence.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace ssm {

/// A time in steps of a layer: 1 is the time between two samples that its dt was made for.
struct LayerSteps {
  double count;  ///< dimensionless
};
/// A time in seconds.
struct Seconds {
  double count;  ///< s
};

/// Says how a layer that reads a sequence from its end takes the times of its samples.
enum class ReadBackwards {
  gaps,  ///< times are gaps: between two samples the same in both directions (S5's pendulum)
  same   ///< times belong to the samples: each has the same one in both directions (s5-pytorch's step_scale)
};

/// Times between samples, in steps of the layer.
template <Real T>
struct InLayerSteps {
  std::span<const T> values;                      ///< dimensionless, >= 0 and finite      (L)
  ReadBackwards backwards = ReadBackwards::gaps;  ///< how they are read from the end
};
/// Times between samples, in seconds.
template <Real T>
struct InSeconds {
  std::span<const T> values;                      ///< s, >= 0 and finite      (L)
  Seconds layer_step;                             ///< what a step of the layer stands for, > 0
  ReadBackwards backwards = ReadBackwards::gaps;  ///< how they are read from the end
};

/// A time before every sample of a sequence: sample k comes intervals[k] after the one before it. It is made from
/// numbers that say their unit, InLayerSteps or InSeconds. Does not own, allocate or copy.
template <Real T>
class Intervals {
 public:
  /// None are given: all samples are one step of the layer apart.
  Intervals() noexcept = default;
  /// In steps of the layer.
  Intervals(InLayerSteps<T> steps) noexcept : values_(steps.values), backwards_(steps.backwards) {}
  /// In seconds.
  /// @throws DomainError if the layer's step is not positive and finite
  Intervals(InSeconds<T> seconds)
      : values_(seconds.values), unit_(1 / seconds.layer_step.count), backwards_(seconds.backwards) {
    detail::require_positive("seconds of a layer's step", seconds.layer_step.count);
  }

  /// Whether none are given.
  bool empty() const noexcept { return values_.empty(); }
  /// L
  Index size() const noexcept { return static_cast<Index>(values_.size()); }
  /// Returns the time before sample k in steps of the layer.
  double operator[](Index k) const noexcept {
    return unit_ * static_cast<double>(values_[static_cast<std::size_t>(k)]);
  }
  /// Steps of the layer in the unit that they are given in: what a derivative by a given number is multiplied by.
  double unit() const noexcept { return unit_; }
  /// Those of some steps; none of none.
  Intervals part(Index first, Index count) const noexcept {
    Intervals some = *this;
    if (!empty()) some.values_ = values_.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    return some;
  }

  /// The numbers as they were given.
  std::span<const T> values() const noexcept { return values_; }

  /// Those of the sequence that is read from its end: see ReadBackwards. Of gaps the first one, before which there is
  /// no sample, comes first in both directions.
  /// @param memory   becomes their numbers
  Intervals backwards(std::vector<T>& memory) const { return backwards(memory, empty() ? T(0) : values_.front()); }
  /// Those of a stretch of a longer sequence that is read from its end.
  /// @param memory   becomes their numbers
  /// @param next     the gap behind the last sample of the stretch
  Intervals backwards(std::vector<T>& memory, T next) const {
    memory.assign(values_.rbegin(), values_.rend());
    if (!memory.empty() && backwards_ == ReadBackwards::gaps) {
      memory.pop_back();
      memory.insert(memory.begin(), next);
    }
    Intervals turned = *this;
    turned.values_ = memory;
    return turned;
  }

  /// Checks them.
  /// @param length   steps that they are for
  /// @param reach    the largest number that they are multiplied with
  /// @throws         ShapeError unless there is one for each step; DomainError if one is negative, or not finite times
  ///                 that number
  void check(Index length, double reach = 1) const {
    detail::require_size("intervals (a step each)", length, size());
    for (Index k = 0; k < length; ++k)
      if (const double steps = (*this)[k]; !(steps >= 0) || !std::isfinite(steps * std::max(reach, 1.0)))
        throw DomainError(detail::message("interval of step ", k,
                                          ": expected a finite number, at least 0, whose product with dt Lambda is ",
                                          "finite, got ", values_[static_cast<std::size_t>(k)]));
  }

 private:
  std::span<const T> values_;
  double unit_ = 1;
  ReadBackwards backwards_ = ReadBackwards::gaps;
};

/// Which steps have an input: 0 where a step has none, another number where it has. Empty: all have.      (L)
using Observed = std::span<const std::uint8_t>;

/// Times of a sequence's steps, and which of them have an input. Does not own.
template <Real T>
struct Timing {
  Intervals<T> intervals = {};  ///< the time before each step; none: a step of the layer                    (L)
  Observed observed = {};       ///< a step without an input moves the state and has an answer all the same   (L)
};

namespace detail {

/// @throws ShapeError unless there is one for each step, or none at all
inline void check_observed(Observed observed, Index length) {
  if (!observed.empty()) require_size("observed (one a step)", length, static_cast<Index>(observed.size()));
}
/// Sets the rows to 0 that have no observation.
template <class T>
void clear_unobserved(Observed observed, Sequence<T> rows) {
  if (observed.empty()) return;
  for (Index k = 0; k < rows.length(); ++k)
    if (observed[static_cast<std::size_t>(k)] == 0) std::fill_n(rows.row(k).data(), rows.features(), T(0));
}

}  // namespace detail
}  // namespace ssm
