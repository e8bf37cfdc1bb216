#pragma once

#include "ssm/core/array.hpp"
#include "ssm/core/sequence.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>

namespace ssm {

namespace detail {

/// Packing buffers of Eigen's matrix product.
template <class T>
using GemmBuffers = Eigen::internal::gemm_blocking_space<Eigen::ColMajor, T, T, Eigen::Dynamic, Eigen::Dynamic,
                                                         Eigen::Dynamic, 1, false>;
/// Eigen's matrix product on given buffers, of a left and a right matrix in these orders into a column-major one. This
/// is the one place that names what is internal to Eigen.
template <class T, int left = Eigen::ColMajor, int right = Eigen::ColMajor>
using GemmKernel =
    Eigen::internal::general_matrix_matrix_product<Index, T, left, false, T, right, false, Eigen::ColMajor, 1>;
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
      : sizes_{std::max<Index>(rows, 1), std::max<Index>(cols, 1), std::max<Index>(depth, 1)},
        buffers_(std::make_unique<detail::GemmBuffers<T>>(sizes_[0], sizes_[1], sizes_[2], Index{1}, true)) {
    if constexpr (UsesBuffers) buffers_->allocateAll();
  }
  /// Makes buffers of its own.
  Gemm(const Gemm& other) : Gemm(other.sizes_[0], other.sizes_[1], other.sizes_[2]) {}
  /// Takes the other's buffers.
  Gemm(Gemm&&) noexcept = default;
  /// Makes buffers of its own.
  Gemm& operator=(const Gemm& other) { return *this = Gemm(other); }
  /// Takes the other's buffers.
  Gemm& operator=(Gemm&&) noexcept = default;
  ~Gemm() = default;

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
    run<Eigen::ColMajor>(rows, cols, depth, left, right, result);
  }
  /// result += left^T right, left being (depth, rows).     O(rows cols depth), allocates nothing
  void add_transposed_product(Index rows, Index cols, Index depth, Columns<const T> left, Columns<const T> right,
                              Columns<T> result) noexcept {
    run<Eigen::RowMajor>(rows, cols, depth, left, right, result);
  }

  /// Bytes held by the packing buffers.
  Index bytes() const noexcept {
    return UsesBuffers ? (buffers_->mc() + buffers_->nc()) * buffers_->kc() * static_cast<Index>(sizeof(T)) : 0;
  }

 private:
  template <int order>
  void run(Index rows, Index cols, Index depth, Columns<const T> left, Columns<const T> right,
           Columns<T> result) noexcept {
    if (rows == 0 || cols == 0 || depth == 0) return;
    if constexpr (UsesBuffers) {
      detail::GemmKernel<T, order>::run(rows, cols, depth, left.data, left.stride, right.data, right.stride,
                                        result.data, Index{1}, result.stride, T(1), *buffers_);
    } else {
      using Stride = Eigen::OuterStride<>;
      using Any = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
      using Left = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, order>;
      const Eigen::Map<const Left, 0, Stride> a(left.data, rows, depth, Stride(left.stride));
      const Eigen::Map<const Any, 0, Stride> b(right.data, depth, cols, Stride(right.stride));
      Eigen::Map<Any, 0, Stride>(result.data, rows, cols, Stride(result.stride)).noalias() += a * b;
    }
  }

  std::array<Index, 3> sizes_;
  std::unique_ptr<detail::GemmBuffers<T>> buffers_;
};

namespace detail {

/// A row-major matrix as it lies.
template <class T>
struct RowMajor {
  T* data;
  Index rows, columns;
  Index stride;  ///< elements from a row to the next

  T& operator()(Index i, Index j) const noexcept { return data[i * stride + j]; }
};
/// A sequence as a matrix, step by step.
template <class T>
RowMajor<T> row_major(SequenceView<T> x) {
  return {x.data(), x.length(), x.features(), x.stride()};
}
/// An array of two sizes as a matrix.
template <class T>
RowMajor<const T> row_major(const Array<T>& x) {
  return {x.data(), x.rows(), x.columns(), x.columns()};
}
template <class T>
RowMajor<T> row_major(Array<T>& x) {
  return {x.data(), x.rows(), x.columns(), x.columns()};
}
/// Which factor of a product is transposed.
enum class Transposed { none, left, right };

/// Adds a product of row-major matrices of any sizes. Allocates packing buffers.
///
///     to += a b,   a^T b (left) or a b^T (right)
///
/// The order of summation depends on the sizes alone, never on where the matrices lie. Eigen's kernel is called by its
/// name where the installed Eigen allows it: its operator is instantiated anew for every type of expression, with its
/// products of vectors, which took a third of the time to compile a training.
///
/// @tparam UsesBuffers   as of Gemm
template <Transposed transposed, class T, bool UsesBuffers = EigenTakesBuffers<T>>
void add_product(RowMajor<T> to, RowMajor<const T> a, RowMajor<const T> b) {
  constexpr bool left = transposed == Transposed::left, right = transposed == Transposed::right;
  const Index rows = to.rows, columns = to.columns, depth = left ? a.rows : a.columns;
  assert((left ? a.columns : a.rows) == rows && (right ? b.rows : b.columns) == columns &&
         (right ? b.columns : b.rows) == depth);
  if (rows == 0 || columns == 0 || depth == 0) return;
  constexpr Index small = 24;  // Eigen's own limit is 20
  if (depth + rows + columns < small) {
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < columns; ++j) {
        T sum = to(i, j);
        for (Index k = 0; k < depth; ++k) sum += (left ? a(k, i) : a(i, k)) * (right ? b(j, k) : b(k, j));
        to(i, j) = sum;
      }
  } else if constexpr (UsesBuffers) {  // to^T = b^T a^T: a row-major matrix is its transpose in columns
    GemmBuffers<T> buffers(columns, rows, depth, 1, true);
    GemmKernel<T, right ? Eigen::RowMajor : Eigen::ColMajor, left ? Eigen::RowMajor : Eigen::ColMajor>::run(
        columns, rows, depth, b.data, b.stride, a.data, a.stride, to.data, Index{1}, to.stride, T(1), buffers);
  } else {
    using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto map = [](RowMajor<const T> x) {
      return Eigen::Map<const Rows, 0, Eigen::OuterStride<>>(x.data, x.rows, x.columns, Eigen::OuterStride<>(x.stride));
    };
    Eigen::Map<Rows, 0, Eigen::OuterStride<>> result(to.data, rows, columns, Eigen::OuterStride<>(to.stride));
    if constexpr (left)
      result.noalias() += map(a).transpose() * map(b);
    else if constexpr (right)
      result.noalias() += map(a) * map(b).transpose();
    else
      result.noalias() += map(a) * map(b);
  }
}

}  // namespace detail
}  // namespace ssm
