#pragma once

#include "ssm/discretize/method.hpp"
#include "ssm/system/dplr.hpp"

#include <Eigen/LU>

namespace ssm {

/// Bilinear discretization of a dense system.
///
///     A_bar = (I - dt/2 A)^-1 (I + dt/2 A)          B_bar = (I - dt/2 A)^-1 dt B
///
/// S4, arXiv:2111.00396, equation 3.
///
/// @param system   A (N, N), B (N, inputs), C (outputs, N)
/// @param dt       time step                     s, > 0
/// @throws         ShapeError if the sizes disagree; DomainError if dt is not positive and finite
/// @note           O(N^3)
template <class T>
DiscreteDenseSystem<T> discretize(Bilinear, const DenseSystem<T>& system, T dt) {
  system.check();
  detail::require_positive("dt", dt);
  const Matrix<T> I = Matrix<T>::Identity(system.states(), system.states());
  const Eigen::PartialPivLU<Matrix<T>> backward(I - dt / 2 * system.A);
  return {backward.solve(I + dt / 2 * system.A), backward.solve(dt * system.B), system.C};
}

/// Bilinear discretization of a diagonal system, with a step for each mode.
///
///     Lambda_bar = (1 + dt/2 Lambda) / (1 - dt/2 Lambda)          B_bar = dt B / (1 - dt/2 Lambda)
///
/// S5, arXiv:2208.04933, appendix.
///
/// @param system   Lambda (M), B (M, inputs), C (outputs, M)
/// @param dt       step of each mode      (M)    s, > 0
/// @throws         ShapeError if the sizes disagree; DomainError if a dt is not positive and finite
/// @note           O(M inputs)
template <class T>
DiscreteDiagonalSystem<T> discretize(Bilinear, const DiagonalSystem<T>& system, const Vector<T>& dt) {
  system.check();
  detail::require_size("steps dt", system.modes(), dt.size());
  DiscreteDiagonalSystem<T> discrete{system.states, system.Lambda, system.B, system.C};
  for (Index n = 0; n < system.modes(); ++n) {
    detail::require_positive("dt", dt(n));
    const Complex<T> half = dt(n) / 2 * system.Lambda(n), backward = T(1) / (T(1) - half);
    discrete.Lambda_bar(n) = (T(1) + half) * backward;
    discrete.B_bar.row(n) *= dt(n) * backward;
  }
  return discrete;
}

/// The same step for all modes.
template <class T>
DiscreteDiagonalSystem<T> discretize(Bilinear method, const DiagonalSystem<T>& system, T dt) {
  return discretize(method, system, Vector<T>(Vector<T>::Constant(system.modes(), dt)));
}

/// Bilinear discretization of a diagonal plus low rank system, by Woodbury's identity: no N x N matrix is made.
///
///     (I - dt/2 A)^-1 = D - dt/2 D P W P* D,   D = (I - dt/2 Lambda)^-1,   W = (I + dt/2 P* D P)^-1   (R, R), real
///     Delta = dt Lambda D,   P_bar = dt D P W,   Q_bar = D P^*,   B_bar = (I - dt/2 A)^-1 dt B
///
/// from A_bar = 2 (I - dt/2 A)^-1 - I. S4, arXiv:2111.00396, appendix C.2.
///
/// @param system   Lambda (M), P (M, R), B (M), C (M)
/// @param dt       time step                     s, > 0
/// @throws         ShapeError if the sizes disagree; DomainError if dt is not positive and finite
/// @note           O(N R^2)
template <class T>
DiscreteDplrSystem<T> discretize(Bilinear, const DplrSystem<T>& system, T dt) {
  system.check();
  detail::require_positive("dt", dt);
  const detail::RealForm<T> form{system.states};
  const Vector<Complex<T>> D = (T(1) - (dt / 2 * system.Lambda).array()).inverse();
  const Matrix<Complex<T>> DP = D.asDiagonal() * system.P;
  const Matrix<T> sums = form.rows(system.P.adjoint());  // P* as a real operator on (Re x, Im x)
  const Matrix<T> W =
      (Matrix<T>::Identity(system.rank(), system.rank()) + dt / 2 * (sums * form.columns(DP))).inverse();

  DiscreteDplrSystem<T> discrete{system.states, {}, {}, {}, {}, system.C};
  discrete.Delta = dt * system.Lambda.cwiseProduct(D);
  discrete.P_bar = dt * (DP * W.template cast<Complex<T>>());
  discrete.Q_bar = D.asDiagonal() * system.P.conjugate();
  const Vector<Complex<T>> DB = dt * D.cwiseProduct(system.B);
  const Vector<T> s = sums * form.columns(DB);
  discrete.B_bar = DB - discrete.P_bar * (s / 2).template cast<Complex<T>>();
  return discrete;
}

}  // namespace ssm
