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
  const Index M = system.modes(), R = system.rank();
  Vector<Complex<T>> D(M);
  for (Index n = 0; n < M; ++n) D(n) = T(1) / (T(1) - dt / 2 * system.Lambda(n));
  const auto sum = [&](Index r, const auto& x) {  // (P* D x)_r over all N modes, real
    T total = 0;
    for (Index n = 0; n < M; ++n)
      total += static_cast<T>(multiplicity(n, system.states)) * (std::conj(system.P(n, r)) * D(n) * x(n)).real();
    return total;
  };
  RankMatrix<T> inner = RankMatrix<T>::Identity(R, R);
  for (Index r = 0; r < R; ++r)
    for (Index s = 0; s < R; ++s) inner(r, s) += dt / 2 * sum(r, system.P.col(s));
  const RankMatrix<T> W = inner.inverse();

  DiscreteDplrSystem<T> discrete{
      system.states, Vector<Complex<T>>(M), Matrix<Complex<T>>(M, R), Matrix<Complex<T>>(M, R), Vector<Complex<T>>(M),
      system.C};
  for (Index n = 0; n < M; ++n) {
    discrete.Delta(n) = dt * system.Lambda(n) * D(n);
    discrete.B_bar(n) = dt * D(n) * system.B(n);
    for (Index r = 0; r < R; ++r) {
      Complex<T> PW = 0;
      for (Index s = 0; s < R; ++s) PW += system.P(n, s) * W(s, r);
      discrete.P_bar(n, r) = dt * D(n) * PW;
      discrete.Q_bar(n, r) = D(n) * std::conj(system.P(n, r));
      discrete.B_bar(n) -= discrete.P_bar(n, r) * (dt / 2 * sum(r, system.B));
    }
  }
  return discrete;
}

}  // namespace ssm
