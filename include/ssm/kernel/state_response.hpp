#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/system/dense.hpp"

#include <algorithm>
#include <cmath>

namespace ssm::kernel {

namespace detail {

/// A^exponent by repeated squaring.     O(N^3 log exponent)
template <class T>
Matrix<T> power(Matrix<T> A, Index exponent) {
  Matrix<T> result = Matrix<T>::Identity(A.rows(), A.cols()), product(A.rows(), A.cols());
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) {
      product.noalias() = result * A;
      result.swap(product);
    }
    product.noalias() = A * A;
    A.swap(product);
  }
  return result;
}

/// Steps to a block, so that two thin factors of about equal width replace an N x L table.
inline Index block_of(Index length) {
  return std::max<Index>(1, static_cast<Index>(std::sqrt(static_cast<double>(length))));
}

}  // namespace detail

/// What a system that is left alone gives out: y_k = C A_bar^(k+1) x, 0 <= k < length, x the state before step 0.
///
/// By two thin factors, y_(jT+i) = (C A_bar^(i+1)) (A_bar^(jT) x) with T about sqrt(L).
///
/// @param system   one output
/// @param x        state                (N)
/// @return         y (L)
/// @throws         ShapeError if the sizes disagree; DomainError if the length is negative
/// @note           O(N L + (N^2 + N^3/sqrt(L) log L) sqrt(L)) time, O(N sqrt(L) + N^2 + L) memory
template <class T>
Vector<T> free_response(const DiscreteDenseSystem<T>& system, const Vector<T>& x, Index length) {
  ssm::detail::require_size("outputs of the system", 1, system.C.rows());
  ssm::detail::require_size("size of the state", system.states(), x.size());
  ssm::detail::require_at_least("length of the response", 0, length);
  const Index block = detail::block_of(length), blocks = (length + block - 1) / block;
  Matrix<T> rows(system.states(), block), columns(system.states(), blocks), y(block, blocks);
  rows.col(0).noalias() = system.A_bar.transpose() * system.C.transpose();
  for (Index i = 1; i < block; ++i) rows.col(i).noalias() = system.A_bar.transpose() * rows.col(i - 1);
  const Matrix<T> jump = detail::power(system.A_bar, block);
  if (blocks > 0) columns.col(0) = x;
  for (Index j = 1; j < blocks; ++j) columns.col(j).noalias() = jump * columns.col(j - 1);
  y.noalias() = rows.transpose() * columns;  // column-major: column j is block j
  return Eigen::Map<const Vector<T>>(y.data(), length);
}

/// The state after a whole input: x = A_bar^L x + sum_k A_bar^(L-1-k) B_bar u_k, the state before step 0 being `x`.
///
/// By two thin factors: each block's contribution is one product with (A_bar^(T-1-i) B_bar)_i, and blocks follow by
/// A_bar^T.
///
/// @param system   one input
/// @param u        input                (L, 1)
/// @param x        state before step 0  (N)
/// @return         state after step L-1 (N)
/// @throws         ShapeError if the sizes disagree
/// @note           O(N L + N^2 sqrt(L) + N^3 log L) time, O(N sqrt(L) + N^2 + L) memory
template <class T>
Vector<T> driven_state(const DiscreteDenseSystem<T>& system, ConstSequence<T> u, Vector<T> x) {
  ssm::detail::require_size("inputs of the system", 1, system.B_bar.cols());
  ssm::detail::require_size("size of the state", system.states(), x.size());
  ssm::detail::require_size("channels of u", 1, u.features());
  const Index length = u.length(), block = detail::block_of(length), blocks = length / block;
  const Index head = length - blocks * block;
  Vector<T> next(x.size());
  const auto advance = [&](const Matrix<T>& A, const auto& driven) {
    next = driven;
    next.noalias() += A * x;
    x.swap(next);
  };
  for (Index k = 0; k < head; ++k) advance(system.A_bar, system.B_bar.col(0) * u(k, 0));
  Matrix<T> columns(system.states(), block), inputs(block, blocks), driven(system.states(), blocks);
  columns.col(block - 1) = system.B_bar.col(0);
  for (Index i = block - 1; i > 0; --i) columns.col(i - 1).noalias() = system.A_bar * columns.col(i);
  for (Index k = head; k < length; ++k) inputs((k - head) % block, (k - head) / block) = u(k, 0);
  driven.noalias() = columns * inputs;
  const Matrix<T> jump = detail::power(system.A_bar, block);
  for (Index j = 0; j < blocks; ++j) advance(jump, driven.col(j));
  return x;
}

}  // namespace ssm::kernel
