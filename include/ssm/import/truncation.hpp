#pragma once

#include "ssm/core/matrix.hpp"
#include "ssm/io/dtype.hpp"

#include <Eigen/LU>

namespace ssm::io::detail {

/// A system of another project whose modes all stand for themselves: A = diag(Lambda) - P Q*.
template <class S>
struct AllModes {
  Vector<Complex<S>> Lambda;  ///< (K)
  Matrix<Complex<S>> P, Q;    ///< (K, R)

  /// The system of both modes of each conjugate pair, one of each being given.
  static AllModes of_pairs(const Vector<Complex<S>>& half, const Matrix<Complex<S>>& left,
                           const Matrix<Complex<S>>& right) {
    const Index M = half.size();
    AllModes all{Vector<Complex<S>>(2 * M), Matrix<Complex<S>>(2 * M, left.cols()),
                 Matrix<Complex<S>>(2 * M, left.cols())};
    all.Lambda << half, half.conjugate();
    all.P << left, left.conjugate();
    all.Q << right, right.conjugate();
    return all;
  }
};

/// An output, and how well its equation can be solved.
template <class S>
struct RestoredOutput {
  RowVector<Complex<S>> C;  ///< (K)
  double condition;         ///< reciprocal condition of I - A_bar^length; 1 is best
};

/// Gives back the C of a system whose stored one has the end of a kernel of `length` steps taken off, as S4 trains.
///
///     C = C~ (I - A_bar^length)^-1,   A_bar = (I - dt/2 A)^-1 (I + dt/2 A),   A = diag(Lambda) - P Q*
///
/// Gu, Goel, Re 2022, arXiv:2111.00396, appendix C.3.
///
/// @param system    all modes
/// @param C_tilde   (K)
/// @param dt        time step
/// @param length    steps of the kernel
/// @throws          FormatError if I - A_bar^length cannot be inverted in fp64
/// @note            O(K^3 log length), fp64
template <class S>
RestoredOutput<S> truncation_undone(const AllModes<S>& system, const RowVector<Complex<S>>& C_tilde, S dt,
                                    double length) {
  using Square = Matrix<Complex<S>>;
  const Index K = system.Lambda.size();
  Square A = -system.P * system.Q.adjoint();
  A.diagonal() += system.Lambda;
  const Square I = Square::Identity(K, K);
  Square power = Eigen::PartialPivLU<Square>(I - dt / 2 * A).solve(I + dt / 2 * A), end = I;
  for (auto left = static_cast<std::uint64_t>(length); left > 0; left /= 2) {
    if (left % 2 == 1) end = end * power;
    power = power * power;
  }
  const Eigen::PartialPivLU<Square> kept((I - end).transpose());
  if (!(kept.rcond() > 1e-14))
    throw FormatError(ssm::detail::message("C of a kernel of ", length,
                                           " steps: expected a system that forgets, whose end can be undone; the "
                                           "reciprocal condition is ",
                                           kept.rcond()));
  return {kept.solve(C_tilde.transpose()).transpose(), kept.rcond()};
}
/// The same of one mode of each conjugate pair: C~ is of half of the modes.
template <class S>
RestoredOutput<S> truncation_of_pairs_undone(const AllModes<S>& system, const RowVector<Complex<S>>& C_tilde, S dt,
                                             double length) {
  RowVector<Complex<S>> C(2 * C_tilde.size());
  C << C_tilde, C_tilde.conjugate();
  RestoredOutput<S> all = truncation_undone(system, C, dt, length);
  all.C = RowVector<Complex<S>>(all.C.head(C_tilde.size()));
  return all;
}

}  // namespace ssm::io::detail
