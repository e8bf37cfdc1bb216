#pragma once

#include "ssm/core/index.hpp"

namespace ssm::scan {

/// One step, or any run of steps, of a diagonal recurrence, as a value: x -> x + Delta x + b, that is a = 1 + Delta.
///
///     identity: (0, 0)          later * earlier: apply `earlier`, then `later`
///     (Delta_2, b_2) (Delta_1, b_1) = (Delta_1 + Delta_2 + Delta_2 Delta_1, b_1 + b_2 + Delta_2 b_1)
///
/// The product is associative, which is what a parallel scan needs: Blelloch 1990, "Prefix Sums and Their
/// Applications"; S5, arXiv:2208.04933, appendix H. a is kept as Delta = a - 1: a slow mode's a is 1 - small, and the
/// small number keeps its digits only by itself.
template <class Number>
struct Affine {
  /// a - 1
  Number Delta{};
  /// Number that is added.
  Number b{};

  /// x + (Delta x + b)
  constexpr Number operator()(Number x) const { return x + (Delta * x + b); }

  /// `earlier`, then `later`.
  friend constexpr Affine operator*(const Affine& later, const Affine& earlier) {
    return {earlier.Delta + later.Delta + later.Delta * earlier.Delta, earlier.b + later.b + later.Delta * earlier.b};
  }
  /// Compares by value.
  friend constexpr bool operator==(const Affine&, const Affine&) = default;
};

/// Returns the same step repeated `count` times, by repeated squaring.          O(log count)
template <class Number>
constexpr Affine<Number> power(Affine<Number> step, Index count) {
  Affine<Number> result;
  for (; count > 0; count >>= 1) {
    if (count & 1) result = step * result;
    step = step * step;
  }
  return result;
}

}  // namespace ssm::scan
