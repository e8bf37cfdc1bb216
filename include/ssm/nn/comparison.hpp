#pragma once

#include "ssm/core/error.hpp"

#include <span>

namespace ssm::nn {

/// y = [a, b, a - b, a b]: what an answer about two sequences is made from, as in S4's and S5's retrieval.
/// @param a   pooled features of the first    (H)
/// @param b   of the second                   (H)
/// @param y   output                          (4 H)
/// @throws    ShapeError if the sizes disagree
template <Real T>
void compare(std::span<const T> a, std::span<const T> b, std::span<T> y) {
  const std::size_t H = a.size();
  ssm::detail::require_size("features of the second sequence", static_cast<Index>(H), static_cast<Index>(b.size()));
  ssm::detail::require_size("features of a comparison", static_cast<Index>(4 * H), static_cast<Index>(y.size()));
  for (std::size_t h = 0; h < H; ++h) {
    y[h] = a[h];
    y[H + h] = b[h];
    y[2 * H + h] = a[h] - b[h];
    y[3 * H + h] = a[h] * b[h];
  }
}
/// @param a    pooled features of the first    (H)
/// @param b    of the second                   (H)
/// @param dy   cotangent of the output         (4 H)
/// @param da   += cotangent of a               (H)
/// @param db   += cotangent of b               (H)
/// @throws     ShapeError if the sizes disagree
template <Real T>
void compare_vjp(std::span<const T> a, std::span<const T> b, std::span<const T> dy, std::span<T> da, std::span<T> db) {
  const std::size_t H = a.size();
  for (const std::size_t size : {b.size(), da.size(), db.size(), dy.size() / 4})
    ssm::detail::require_size("features of a comparison", static_cast<Index>(H), static_cast<Index>(size));
  for (std::size_t h = 0; h < H; ++h) {
    da[h] += dy[h] + dy[2 * H + h] + dy[3 * H + h] * b[h];
    db[h] += dy[H + h] - dy[2 * H + h] + dy[3 * H + h] * a[h];
  }
}

}  // namespace ssm::nn
