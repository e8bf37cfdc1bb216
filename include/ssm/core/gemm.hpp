#pragma once

#include "ssm/core/index.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <memory>

namespace ssm {

namespace detail {

/// Packing buffers of Eigen's matrix product.
template <class T>
using GemmBuffers = Eigen::internal::gemm_blocking_space<Eigen::ColMajor, T, T, Eigen::Dynamic, Eigen::Dynamic,
                                                         Eigen::Dynamic, 1, false>;
/// Eigen's matrix product on given buffers. This is the one place that names what is internal to Eigen.
template <class T>
using GemmKernel = Eigen::internal::general_matrix_matrix_product<Index, T, Eigen::ColMajor, false, T, Eigen::ColMajor,
                                                                  false, Eigen::ColMajor, 1>;
/// Satisfied where the installed Eigen takes the buffers as Eigen 3.4 and 5.0 do.
template <class T>
concept EigenTakesBuffers = requires(const T* from, T* to, Index n, GemmBuffers<T>& buffers) {
  GemmKernel<T>::run(n, n, n, from, n, from, n, to, Index{1}, n, T(1), buffers);
};

}  // namespace detail

/// Products of matrices by Eigen's kernels in packing buffers that are allocated once, so that a product allocates
/// nothing. (Eigen's own operator makes its buffers anew each time.) One thread at a time.
///
///     result (rows, cols) += left (rows, depth) right (depth, cols),   all column-major
///
/// @tparam T               scalar
/// @tparam UsesBuffers     whether Eigen's internal function is called. Where the installed Eigen has another one, the
///                         product is Eigen's public operator, which allocates.
template <class T, bool UsesBuffers = detail::EigenTakesBuffers<T>>
class Gemm {
 public:
  /// The largest sizes that will be asked for.
  Gemm(Index rows, Index cols, Index depth)
      : buffers_(std::make_unique<detail::GemmBuffers<T>>(std::max<Index>(rows, 1), std::max<Index>(cols, 1),
                                                          std::max<Index>(depth, 1), Index{1}, true)) {
    if constexpr (UsesBuffers) buffers_->allocateAll();
  }

  /// A matrix as it lies: first element, and elements from a column to the next.
  template <class U>
  struct Columns {
    /// The first element.
    U* data;
    /// Elements from a column to the next.
    Index stride;
  };

  /// result += left right.     O(rows cols depth), allocates nothing
  void add_product(Index rows, Index cols, Index depth, Columns<const T> left, Columns<const T> right,
                   Columns<T> result) noexcept {
    if (rows == 0 || cols == 0 || depth == 0) return;
    if constexpr (UsesBuffers) {
      detail::GemmKernel<T>::run(rows, cols, depth, left.data, left.stride, right.data, right.stride, result.data,
                                 Index{1}, result.stride, T(1), *buffers_);
    } else {
      using Stride = Eigen::OuterStride<>;
      using Any = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
      const Eigen::Map<const Any, 0, Stride> a(left.data, rows, depth, Stride(left.stride)),
          b(right.data, depth, cols, Stride(right.stride));
      Eigen::Map<Any, 0, Stride>(result.data, rows, cols, Stride(result.stride)).noalias() += a * b;
    }
  }

  /// Bytes held by the packing buffers.
  Index bytes() const noexcept {
    return UsesBuffers ? (buffers_->mc() + buffers_->nc()) * buffers_->kc() * static_cast<Index>(sizeof(T)) : 0;
  }

 private:
  std::unique_ptr<detail::GemmBuffers<T>> buffers_;
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
