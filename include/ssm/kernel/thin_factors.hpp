#pragma once

#include "ssm/core/matrix.hpp"
#include "ssm/simd/product.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace ssm::kernel {

/// Steps to a block where a length is split as k = j T + i, so that two thin factors of about equal width replace an
/// N x L table: T = sqrt(length), at least 1.
inline Index block_of(Index length) {
  return std::max<Index>(1, static_cast<Index>(std::sqrt(static_cast<double>(length))));
}

/// sum += left right.     O(rows depth columns), allocates nothing
template <Fp64 S>
void add_product(const std::type_identity_t<Matrix<S>>& left, const std::type_identity_t<Matrix<S>>& right,
                 Matrix<S>& sum) {
  const auto view = [](auto& matrix) { return simd::column_major(matrix.data(), matrix.rows(), matrix.cols()); };
  simd::add_product(view(sum), view(left), view(right));
}

/// A^exponent by repeated squaring.     O(N^3 log exponent)
template <Fp64 S>
Matrix<S> power(Matrix<S> A, Index exponent) {
  const Index N = A.rows();
  Matrix<S> result = Matrix<S>::Identity(N, N), product(N, N);
  const auto multiply = [&](const Matrix<S>& left, Matrix<S>& right) {  // right = left right
    product.setZero();
    add_product(left, right, product);
    right.swap(product);
  };
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) multiply(A, result);
    if (exponent > 1) multiply(Matrix<S>(A), A);
  }
  return result;
}

/// x becomes A x; `next` is a buffer of its size.                        O(N^2), allocates nothing
inline void advance(const Matrix<double>& A, Vector<double>& x, Vector<double>& next) {
  next.setZero();
  double* const __restrict moved = next.data();
  for (Index m = 0; m < A.cols(); ++m) {
    const double value = x(m);
    const double* const __restrict column = A.data() + m * A.rows();
    for (Index n = 0; n < A.rows(); ++n) moved[n] += column[n] * value;
  }
  x.swap(next);
}

}  // namespace ssm::kernel
