#pragma once

#include "ssm/discretize/mode.hpp"
#include "ssm/system/dplr.hpp"
#include "ssm/system/small_solve.hpp"

namespace ssm {

/// One mode, for a step z = dt Lambda: A_bar = (1 + z/2) / (1 - z/2), gain = 1 / (1 - z/2).
template <class T>
DiscreteMode<T> discretize_mode(Bilinear, Complex<T> z) {
  const Complex<T> half = z / T(2), backward = T(1) / (T(1) - half);
  return {(T(1) + half) * backward, z * backward, backward};
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
  RankMatrix<T> inner = RankMatrix<T>::Identity(R, R), W = inner;
  for (Index r = 0; r < R; ++r)
    for (Index s = 0; s < R; ++s) inner(r, s) += dt / 2 * sum(r, system.P.col(s));
  detail::solve_small(inner, W);

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
