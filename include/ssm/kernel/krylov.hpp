#pragma once

#include "ssm/kernel/thin_factors.hpp"
#include "ssm/system/dense.hpp"

namespace ssm::kernel {

/// Impulse response of a dense discrete system, sample by sample: the slow, obvious version that the others are held
/// to.
///
///     K_k = C A_bar^k B_bar,   0 <= k < length
///
/// S4, arXiv:2111.00396, equation 5.
///
/// @param system   A_bar (N, N), B_bar (N, 1), C (1, N)
/// @param length   L                                        >= 0
/// @return         K (L)
/// @throws         ShapeError if there is not one input and one output; DomainError if the length is negative
/// @note           O(N^2 L)
template <class T>
Vector<T> krylov(const DiscreteDenseSystem<T>& system, Index length) {
  ssm::detail::require_size("inputs of the system", 1, system.B_bar.cols());
  ssm::detail::require_size("outputs of the system", 1, system.C.rows());
  ssm::detail::require_at_least("length of the kernel", 0, length);
  Vector<T> K(length), x = system.B_bar;
  for (Index k = 0; k < length; ++k) {
    K(k) = (system.C * x)(0);
    x = system.A_bar * x;
  }
  return K;
}

/// The states of a system after one impulse, in columns: the table from which LSSL makes its kernel, C times it. It
/// doubles its width with each square of A_bar.
///
///     X = [B, A B, .., A^(L-1) B];     [X, A^m X] follows X of m columns
///
/// LSSL, arXiv:2110.13985, section 4 and appendix. fp64.
///
/// @param system   A_bar (N, N), B_bar (N, 1)
/// @param length   L                                        >= 0
/// @return         X (N, L)
/// @throws         ShapeError if there is not one input; DomainError if the length is negative
/// @note           O(N^2 L + N^3 log L) time, O(N L) memory: the table is what S4 does away with
template <Fp64 S>
Matrix<S> krylov_table(const DiscreteDenseSystem<S>& system, Index length) {
  ssm::detail::require_size("inputs of the system", 1, system.B_bar.cols());
  ssm::detail::require_at_least("length of the kernel", 0, length);
  const Index N = system.states();
  Matrix<S> X = Matrix<S>::Zero(N, length), power = system.A_bar, square(N, N);
  if (length > 0) X.col(0) = system.B_bar;
  for (Index known = 1; known < length; known *= 2) {
    const Index more = std::min(known, length - known);
    const auto states = simd::column_major(X.data(), N, length);
    simd::add_product(states.middle_columns(known, more), simd::column_major(power.data(), N, N),
                      states.middle_columns(0, more));
    if (2 * known >= length) break;
    square.setZero();
    add_product(power, power, square);
    power.swap(square);
  }
  return X;
}

/// Computes the kernel from that table.
///
/// @param system   A_bar (N, N), B_bar (N, 1), C (1, N)
/// @param length   L                                        >= 0
/// @return         K (L), equal to krylov to 1e-12 of its peak
/// @throws         ShapeError if there is not one input and one output; DomainError if the length is negative
/// @note           as krylov_table
template <Fp64 S>
Vector<S> krylov_by_squaring(const DiscreteDenseSystem<S>& system, Index length) {
  ssm::detail::require_size("outputs of the system", 1, system.C.rows());
  return krylov_table(system, length).transpose().lazyProduct(system.C.transpose());
}

/// Computes the same by two thin factors, with T about sqrt(L): no table, no transform.
///
///     K_(jT+i) = (C A_bar^i) (A_bar^(jT) B_bar)
///
/// Safe where A_bar is a contraction, as the bilinear rule makes it of a dissipative A, S4's and HiPPO's: no power
/// grows. fp64.
///
/// @param system   A_bar (N, N), B_bar (N, 1), C (1, N)
/// @param length   L                                        >= 0
/// @return         K (L), equal to krylov to 1e-12 of its peak
/// @throws         ShapeError if there is not one input and one output; DomainError if the length is negative
/// @note           O(N L + N^2 sqrt(L) + N^3 log L) time, O(N sqrt(L) + N^2 + L) memory
template <Fp64 S>
Vector<S> krylov_by_blocks(const DiscreteDenseSystem<S>& system, Index length) {
  ssm::detail::require_size("inputs of the system", 1, system.B_bar.cols());
  ssm::detail::require_size("outputs of the system", 1, system.C.rows());
  ssm::detail::require_at_least("length of the kernel", 0, length);
  const Index N = system.states(), block = block_of(length), blocks = (length + block - 1) / block;
  Matrix<S> fine(block, N), coarse(N, blocks), K = Matrix<S>::Zero(block, blocks);
  const Matrix<S> jump = power(system.A_bar, block);
  Vector<S> row(N), column(N), next(N);
  for (Index n = 0; n < N; ++n) {
    row(n) = system.C(0, n);
    column(n) = system.B_bar(n, 0);
  }
  const Matrix<S> transposed = system.A_bar.transpose();
  for (Index i = 0; i < block; ++i) {
    for (Index n = 0; n < N; ++n) fine(i, n) = row(n);
    advance(transposed, row, next);
  }
  for (Index j = 0; j < blocks; ++j) {
    for (Index n = 0; n < N; ++n) coarse(n, j) = column(n);
    advance(jump, column, next);
  }
  add_product(fine, coarse, K);
  return Eigen::Map<const Vector<S>>(K.data(), length);
}

}  // namespace ssm::kernel
