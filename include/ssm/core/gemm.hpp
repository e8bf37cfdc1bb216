#pragma once

#include "ssm/core/index.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <memory>

namespace ssm {

/// Products of matrices by Eigen's kernels in packing buffers that are allocated once, so that a product allocates
/// nothing. (Eigen's own operator makes its buffers anew each time.) One thread at a time.
///
///     result (rows, cols) += left (rows, depth) right (depth, cols),   all column-major
template <class T>
class Gemm {
 public:
  /// The largest sizes that will be asked for.
  Gemm(Index rows, Index cols, Index depth)
      : blocking_(std::make_unique<Blocking>(std::max<Index>(rows, 1), std::max<Index>(cols, 1),
                                             std::max<Index>(depth, 1), Index{1}, true)) {
    blocking_->allocateAll();
  }

  /// A matrix as it lies: first element, and elements from a column to the next.
  template <class U>
  struct Columns {
    /// The first element.
    U* data;
    /// Elements from a step to the next.
    Index stride;
  };

  /// result += left right.     O(rows cols depth), allocates nothing
  void add_product(Index rows, Index cols, Index depth, Columns<const T> left, Columns<const T> right,
                   Columns<T> result) noexcept {
    if (rows == 0 || cols == 0 || depth == 0) return;
    Eigen::internal::general_matrix_matrix_product<Index, T, Eigen::ColMajor, false, T, Eigen::ColMajor, false,
                                                   Eigen::ColMajor, 1>::run(rows, cols, depth, left.data, left.stride,
                                                                            right.data, right.stride, result.data, 1,
                                                                            result.stride, T(1), *blocking_);
  }

  /// Bytes held by the packing buffers.
  Index bytes() const noexcept {
    return (blocking_->mc() + blocking_->nc()) * blocking_->kc() * static_cast<Index>(sizeof(T));
  }

 private:
  using Blocking = Eigen::internal::gemm_blocking_space<Eigen::ColMajor, T, T, Eigen::Dynamic, Eigen::Dynamic,
                                                        Eigen::Dynamic, 1, false>;
  std::unique_ptr<Blocking> blocking_;
};

namespace detail {

/// to += a b for expressions of Eigen's, of any sizes; allocates.
///
/// The order of summation depends on the sizes alone, never on where the matrices lie. (Eigen multiplies small ones
/// number by number, and begins at the first that is aligned.)
template <class To, class A, class B>
void add_product(To&& to, const A& a, const B& b) {
  constexpr Index small = 24;  // Eigen's own limit is 20
  if (b.rows() + to.rows() + to.cols() >= small) {
    to.noalias() += a * b;
    return;
  }
  for (Index i = 0; i < to.rows(); ++i)
    for (Index j = 0; j < to.cols(); ++j) {
      auto sum = to(i, j);
      for (Index k = 0; k < b.rows(); ++k) sum += a(i, k) * b(k, j);
      to(i, j) = sum;
    }
}

}  // namespace detail
}  // namespace ssm
