#pragma once

namespace ssm::detail {

/// A state that has decayed far below any signal, rounded to a coarse grid that ends in 0, by adding and taking away a
/// number that is large against it: so silence does not end in subnormal numbers, which are slow.
template <class T>
constexpr T settle(T x) noexcept {
  constexpr T grid = sizeof(T) == 4 ? T(1e-20) : T(1e-200);
  return (x + grid) - grid;
}

}  // namespace ssm::detail
