#pragma once

#include "ssm/core/intervals.hpp"

namespace ssm {

/// Returns which steps have an input: 0 where all numbers of a step are NaN, as files say that they are missing.
/// @param u   input     (L, inputs)
template <Real T>
std::vector<std::uint8_t> observed_steps(ConstSequence<T> u) {
  std::vector<std::uint8_t> observed;
  for (Index k = 0; k < u.length(); ++k) {
    const auto row = u.row(k);
    observed.push_back(std::all_of(row.begin(), row.end(), [](T x) { return std::isnan(x); }) ? 0 : 1);
  }
  return observed;
}

/// Writes 0 in place of missing numbers, NaN, and, where there is room for it, beside them which ones were there: for
/// rows that are missing in part.
/// @param u        input                                                                    (L, inputs)
/// @param filled   input without NaN; and then 1 where a number was there, 0 where it was not    (L, inputs) or
///                 (L, 2 inputs)
/// @throws         ShapeError if the sizes disagree
template <Real T>
void fill_missing(ConstSequence<T> u, Sequence<T> filled) {
  detail::require_size("length of the filled (that of u is expected)", u.length(), filled.length());
  const bool says = filled.features() != u.features();
  if (says)
    detail::require_size("features of the filled (once or twice the inputs)", 2 * u.features(), filled.features());
  for (Index k = 0; k < u.length(); ++k)
    for (Index i = 0; i < u.features(); ++i) {
      const bool there = !std::isnan(u(k, i));
      if (says) filled(k, u.features() + i) = there ? T(1) : T(0);
      filled(k, i) = there ? u(k, i) : T(0);
    }
}

}  // namespace ssm
