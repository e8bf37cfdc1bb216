#pragma once

namespace ssm::detail {

/// Number that is added and subtracted to round a state.
template <class T>
inline constexpr T settling_grid = sizeof(T) == 4 ? T(1e-20) : T(1e-200);

/// A state that has decayed far below any signal, rounded to a coarse grid that ends in 0, by adding and taking away a
/// number that is large against it: so silence does not end in subnormal numbers, which are slow.
template <class T>
constexpr T settle(T x) noexcept {
  return (x + settling_grid<T>)-settling_grid<T>;
}

/// Returns x + more, settled; `low` becomes the digits of it that did not fit. Given back with the next `more`, they
/// are not lost, so that a sum of many small numbers does not stall.
///
/// Exact where |x| >= |more|; elsewhere off by an ulp of `more`, which is small then (Dekker 1971's fast two-sum).
template <class T>
constexpr T add_keeping_rest(T x, T more, T& low) noexcept {
  const T sum = x + more;
  low = settle(more - (sum - x));
  return settle(sum);
}

}  // namespace ssm::detail
