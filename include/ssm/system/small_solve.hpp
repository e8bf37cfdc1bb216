#pragma once

#include "ssm/core/matrix.hpp"

#include <cmath>
#include <utility>

namespace ssm::detail {

/// right becomes A^-1 right for an R x R matrix A, R <= max_rank; A is used up. Elimination with row exchanges: the
/// general decompositions cost a user seconds of compilation for these few numbers.
template <class Small, class Right>
void solve_small(Small& A, Right& right) {
  const Index R = A.rows();
  for (Index k = 0; k < R; ++k) {
    Index pivot = k;
    for (Index i = k + 1; i < R; ++i)
      if (std::abs(A(i, k)) > std::abs(A(pivot, k))) pivot = i;
    for (Index j = 0; j < R; ++j) std::swap(A(k, j), A(pivot, j));
    for (Index j = 0; j < right.cols(); ++j) std::swap(right(k, j), right(pivot, j));
    for (Index i = k + 1; i < R; ++i) {
      const auto factor = A(i, k) / A(k, k);
      for (Index j = k + 1; j < R; ++j) A(i, j) -= factor * A(k, j);
      for (Index j = 0; j < right.cols(); ++j) right(i, j) -= factor * right(k, j);
    }
  }
  for (Index j = 0; j < right.cols(); ++j)
    for (Index i = R - 1; i >= 0; --i) {
      auto value = right(i, j);
      for (Index k = i + 1; k < R; ++k) value -= A(i, k) * right(k, j);
      right(i, j) = value / A(i, i);
    }
}

}  // namespace ssm::detail
