#pragma once

#include "ssm/core/matrix.hpp"
#include "ssm/io/dtype.hpp"

#include <Eigen/LU>

namespace ssm::io::detail {

/// Gives back the C of a system whose stored one has the end of a kernel of `length` steps taken off, as S4 trains.
///
///     C = C~ (I - A_bar^length)^-1,   A_bar = (I - dt/2 A)^-1 (I + dt/2 A),   A = diag(Lambda) - P P*
///
/// Gu, Goel, Re 2022, arXiv:2111.00396, appendix C.3.
///
/// @param Lambda   of all modes      (K)
/// @param P        (K, R)
/// @param C_tilde  (K)
/// @param dt       time step
/// @param length   steps of the kernel
/// @throws         FormatError if I - A_bar^length cannot be inverted in fp64
/// @note           O(K^3 log length), fp64
template <class S>
RowVector<Complex<S>> truncation_undone(const Vector<Complex<S>>& Lambda, const Matrix<Complex<S>>& P,
                                        const RowVector<Complex<S>>& C_tilde, S dt, double length) {
  using Square = Matrix<Complex<S>>;
  const Index K = Lambda.size();
  Square A = -P * P.adjoint();
  A.diagonal() += Lambda;
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
  return kept.solve(C_tilde.transpose()).transpose();
}
/// The same of one mode of each conjugate pair: Lambda, P and C~ are of half of the modes.
template <class S>
RowVector<Complex<S>> truncation_of_pairs_undone(const Vector<Complex<S>>& Lambda, const Matrix<Complex<S>>& P,
                                                 const RowVector<Complex<S>>& C_tilde, S dt, double length) {
  const Index M = Lambda.size();
  Vector<Complex<S>> all(2 * M);
  Matrix<Complex<S>> factor(2 * M, P.cols());
  RowVector<Complex<S>> C(2 * M);
  all << Lambda, Lambda.conjugate();
  factor << P, P.conjugate();
  C << C_tilde, C_tilde.conjugate();
  return truncation_undone(all, factor, C, dt, length).head(M);
}

}  // namespace ssm::io::detail
