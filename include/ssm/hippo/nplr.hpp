#pragma once

#include "ssm/hippo/measure.hpp"

#include <Eigen/Eigenvalues>

#include <algorithm>
#include <limits>

namespace ssm::hippo {

/// A HiPPO system in the eigenbasis of its normal part: diagonal plus low rank.
///
///     A = V (Lambda - P P*) V*,   B = V B_eigen,   V unitary
///
/// Modes stand by increasing imaginary part and conjugates mirror one another exactly, so the last (N+1)/2 of them,
/// `half()`, say it all; for odd N the first of the half is real.
struct Nplr {
  Eigen::VectorXcd Lambda;  ///< spectrum of HiPPO-N = A + P P^T     (N)      1/s
  Eigen::MatrixXcd V;       ///< its eigenvectors, unitary           (N, N)
  Eigen::MatrixXcd P;       ///< low-rank factor, V* P               (N, R)
  Eigen::VectorXcd B;       ///< input vector, V* B                  (N)

  /// V (Lambda - P P*) V*: the measure's transition matrix again.    (N, N)   O(N^3)
  Eigen::MatrixXcd reassemble() const {
    return V * (Eigen::MatrixXcd(Lambda.asDiagonal()) - P * P.adjoint()) * V.adjoint();
  }
  /// The modes with nonnegative imaginary part, ((N+1)/2).
  Nplr half() const {
    const Index modes = (Lambda.size() + 1) / 2;
    return {Lambda.tail(modes), V.rightCols(modes), P.bottomRows(modes), B.tail(modes)};
  }
};

/// HiPPO-N: the normal part of a measure's transition matrix, A + P P^T.       (N, N)   O(N^2 R)
template <Measure M>
Eigen::MatrixXd normal_part(M measure, Index N) {
  const Eigen::MatrixXd P = low_rank(measure, N);
  return transition(measure, N) + P * P.transpose();
}

/// Eigenvalues (by increasing imaginary part) and unitary eigenvectors of a shifted skew matrix, -c I + S, S^T = -S.
///
/// Solved as the Hermitian problem of -i S, so V is unitary and Re Lambda = -c to rounding; conjugate columns mirror
/// one another to the bit. Where the null space of S has more than one dimension, a real basis of it is paired up. S is
/// taken as (normal - normal^T)/2, which has no diagonal.                                         O(N^3)
inline Nplr diagonalise_normal(const Eigen::MatrixXd& normal) {
  detail::require_size("columns of a square matrix", normal.rows(), normal.cols());
  const Index N = normal.rows();
  if (N == 0) return {};
  const double shift = normal.diagonal().mean();
  const Eigen::MatrixXd skew = (normal - normal.transpose()) / 2;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd> solver(Complex<double>(0, -1) * skew);
  Eigen::VectorXd frequency = solver.eigenvalues();  // increasing
  Eigen::MatrixXcd V = solver.eigenvectors();

  const Index null_first = (frequency.array() < -1e-13 * std::max(frequency.cwiseAbs().maxCoeff(), 1e-300)).count();
  const Index null_size = N - 2 * null_first;
  if (null_size > 0) {  // its projector is real: eigenvectors with eigenvalue 1 are a real basis
    const auto null = V.middleCols(null_first, null_size);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> real((null * null.adjoint()).real());
    const Eigen::MatrixXd basis = real.eigenvectors().rightCols(null_size);
    const Index middle = N / 2, odd = N % 2;
    if (odd == 1) V.col(middle) = basis.col(0).cast<Complex<double>>();
    for (Index pair = 0; pair < null_size / 2; ++pair)
      V.col(middle + odd + pair) =
          (basis.col(odd + 2 * pair) + Complex<double>(0, 1) * basis.col(odd + 2 * pair + 1)) / std::numbers::sqrt2;
    frequency.segment(null_first, null_size).setZero();
  }
  for (Index n = 0; n < N / 2; ++n) {  // mirror the upper half
    V.col(n) = V.col(N - 1 - n).conjugate();
    frequency(n) = -frequency(N - 1 - n);
  }
  Nplr result;
  result.Lambda = shift + Complex<double>(0, 1) * frequency.array();
  result.V = std::move(V);
  return result;
}

/// Normal plus low rank form of a measure's HiPPO matrix, in fp64.
///
/// S4 (arXiv:2111.00396), Theorem 1 and appendix C.
///
/// @param measure  LegS, LegT, LagT, Fourier
/// @param N        number of coefficients       >= 0
/// @return         Lambda (N) 1/s, V (N, N), P (N, R), B (N); Re Lambda = -1/2 for LegS
/// @throws         DomainError if N is negative
/// @note           O(N^3). Residual of the reassembled matrix, and V* V - I: at most 64 N eps of the largest entry.
template <Measure M>
Nplr nplr(M measure, Index N) {
  Nplr result = diagonalise_normal(normal_part(measure, N));
  result.P = result.V.adjoint() * low_rank(measure, N);
  result.B = result.V.adjoint() * input(measure, N);
  return result;
}

}  // namespace ssm::hippo
