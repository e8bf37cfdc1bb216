#pragma once

#include "ssm/core/error.hpp"

namespace ssm::fft {

/// The least multiple of four 2^a 3^b 5^c that is at least n: every backend transforms it in O(n log n), real input at
/// half the cost of complex.
/// @throws DomainError if n is negative
inline Index fast_length(Index n) {
  ssm::detail::require_at_least("transform length", 0, n);
  for (Index candidate = n < 4 ? 4 : (n + 3) / 4 * 4;; candidate += 4) {
    Index rest = candidate;
    for (const Index factor : {2, 3, 5})
      while (rest % factor == 0) rest /= factor;
    if (rest == 1) return candidate;
  }
}

}  // namespace ssm::fft
