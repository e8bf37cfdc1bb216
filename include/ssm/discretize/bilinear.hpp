#pragma once

#include "ssm/discretize/mode.hpp"
#include "ssm/system/dplr.hpp"
#include "ssm/system/small_solve.hpp"

namespace ssm {

/// Discretizes one mode for a step z = dt Lambda: A_bar = (1 + z/2) / (1 - z/2), gain = 1 / (1 - z/2).
template <class T>
DiscreteMode<T> discretize_mode(Bilinear, Complex<T> z) {
  const Complex<T> half = z / T(2), backward = T(1) / (T(1) - half);
  return {(T(1) + half) * backward, z * backward, backward};
}

/// Its slopes: gain^2 and gain^2 / 2.
template <class T>
ModeSlope<T> mode_slope(Bilinear, Complex<T> z) {
  const Complex<T> gain = T(1) / (T(1) - z / T(2)), squared = gain * gain;
  return {squared, squared / T(2)};
}

/// Bilinear discretization of a diagonal plus low rank system, by Woodbury's identity: no N x N matrix is made.
///
///     (I - dt/2 A)^-1 = D - dt/2 D P W Q* D,   D = (I - dt/2 Lambda)^-1,   W = (I + dt/2 Q* D P)^-1   (R, R), real
///     Delta = dt Lambda D,   P_bar = dt D P W,   Q_bar = D conj(Q),   B_bar = (I - dt/2 A)^-1 dt B
///
/// from A_bar = 2 (I - dt/2 A)^-1 - I. S4, arXiv:2111.00396, appendix C.2.
///
/// @param system   Lambda (M), P and Q (M, R), B (M), C (M)
/// @param dt       time step                     s, > 0
/// @throws         ShapeError if the sizes disagree; DomainError if dt is not positive and finite
/// @note           O(N R^2)
template <class T>
DiscreteDplrSystem<T> discretize(Bilinear, const DplrSystem<T>& system, T dt) {
  system.check();
  detail::require_positive("dt", dt);
  const Index M = system.modes(), R = system.rank();
  const auto& Q = system.right();
  Vector<Complex<T>> D(M);
  for (Index n = 0; n < M; ++n) D(n) = T(1) / (T(1) - dt / 2 * system.Lambda(n));
  const auto sum = [&](Index r, const auto& x) {  // (Q* D x)_r over all N modes, real
    T total = 0;
    for (Index n = 0; n < M; ++n)
      total += static_cast<T>(multiplicity(n, system.states)) * (std::conj(Q(n, r)) * D(n) * x(n)).real();
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
      discrete.Q_bar(n, r) = D(n) * std::conj(Q(n, r));
      discrete.B_bar(n) -= discrete.P_bar(n, r) * (dt / 2 * sum(r, system.B));
    }
  }
  return discrete;
}

/// The cotangents of a system and its step from those of its discrete form, added to what is there.
///
/// The lines of `discretize` above in reverse, with s_r = (Q* D B)_r and G = Q* D P; where Q is P, what comes to it is
/// P's:
///
///     dW = Re P* dPW,   dG = -dt/2 W^T dW W^T,   dPW = conj(dt D) dP_bar,   ds = -dt/2 Re P_bar* dB_bar
///
/// @param system     Lambda (M), P and Q (M, R), B (M), C (M)
/// @param dt         time step                                  s
/// @param discrete   cotangents of Delta, P_bar, Q_bar, B_bar and C
/// @param dsystem    += cotangents of Lambda, P, Q where the system has one, B and C
/// @param ddt        += cotangent of dt
/// @throws           ShapeError if the sizes disagree
/// @note             O(N R^2)
template <class T>
void discretize_vjp(Bilinear, const DplrSystem<T>& system, T dt, const DiscreteDplrSystem<T>& discrete,
                    DplrSystem<T>& dsystem, T& ddt) {
  system.check();
  dsystem.check();
  const Index M = system.modes(), R = system.rank();
  detail::require_size("cotangents of Delta", M, discrete.modes());
  detail::require_size("rank of the cotangents", R, discrete.rank());
  detail::require_size("rows of the cotangent of Q", system.Q.rows(), dsystem.Q.rows());
  const auto &P = system.P, &Q = system.right();
  auto& dQ = dsystem.right();
  const auto& B = system.B;
  const auto count = [&](Index n) { return static_cast<T>(multiplicity(n, system.states)); };
  const auto inner = [](Complex<T> a, Complex<T> b) { return a.real() * b.real() + a.imag() * b.imag(); };
  Vector<Complex<T>> D(M), dD = Vector<Complex<T>>::Zero(M);
  for (Index n = 0; n < M; ++n) D(n) = T(1) / (T(1) - dt / 2 * system.Lambda(n));
  RankMatrix<T> G = RankMatrix<T>::Zero(R, R), W = RankMatrix<T>::Identity(R, R), dW = G;
  RankVector<T> s = RankVector<T>::Zero(R), ds = s;
  for (Index r = 0; r < R; ++r)
    for (Index n = 0; n < M; ++n) {
      s(r) += count(n) * inner(Q(n, r), D(n) * B(n));
      for (Index q = 0; q < R; ++q) G(r, q) += count(n) * inner(Q(n, r), D(n) * P(n, q));
    }
  RankMatrix<T> solved = RankMatrix<T>::Identity(R, R) + dt / 2 * G;
  detail::solve_small(solved, W);

  for (Index n = 0; n < M; ++n) {
    const Complex<T> dB_bar = discrete.B_bar(n);
    dD(n) += std::conj(dt * B(n)) * dB_bar;
    dsystem.B(n) += std::conj(dt * D(n)) * dB_bar;
    ddt += inner(D(n) * B(n), dB_bar);
    for (Index r = 0; r < R; ++r) {
      Complex<T> PW = 0;
      for (Index q = 0; q < R; ++q) PW += P(n, q) * W(q, r);
      ds(r) -= dt / 2 * inner(dt * D(n) * PW, dB_bar);
      ddt -= s(r) / 2 * inner(dt * D(n) * PW, dB_bar);
      const Complex<T> dP_bar = discrete.P_bar(n, r) - dt / 2 * s(r) * dB_bar, dQ_bar = discrete.Q_bar(n, r);
      dD(n) += Q(n, r) * dQ_bar + std::conj(dt * PW) * dP_bar;
      dQ(n, r) += D(n) * std::conj(dQ_bar);
      ddt += inner(D(n) * PW, dP_bar);
      const Complex<T> dPW = std::conj(dt * D(n)) * dP_bar;
      for (Index q = 0; q < R; ++q) {
        dsystem.P(n, q) += W(q, r) * dPW;
        dW(q, r) += inner(P(n, q), dPW);
      }
    }
  }
  const RankMatrix<T> dsolved = -(W.transpose() * dW * W.transpose());
  ddt += dsolved.cwiseProduct(G).sum() / 2;
  const RankMatrix<T> dG = dt / 2 * dsolved;
  for (Index n = 0; n < M; ++n) {
    for (Index r = 0; r < R; ++r) {
      dQ(n, r) += count(n) * ds(r) * D(n) * B(n);
      dsystem.B(n) += count(n) * ds(r) * std::conj(D(n)) * Q(n, r);
      dD(n) += count(n) * ds(r) * std::conj(B(n)) * Q(n, r);
      for (Index q = 0; q < R; ++q) {
        dQ(n, r) += count(n) * dG(r, q) * D(n) * P(n, q);
        dsystem.P(n, q) += count(n) * dG(r, q) * std::conj(D(n)) * Q(n, r);
        dD(n) += count(n) * dG(r, q) * std::conj(P(n, q)) * Q(n, r);
      }
    }
    const Complex<T> dDelta = discrete.Delta(n), Lambda = system.Lambda(n), squared = D(n) * D(n);
    ddt += inner(Lambda * D(n), dDelta);
    dD(n) += std::conj(dt * Lambda) * dDelta;
    dsystem.Lambda(n) += std::conj(dt * D(n)) * dDelta + std::conj(dt / 2 * squared) * dD(n);
    ddt += inner(Lambda / T(2) * squared, dD(n));
  }
  dsystem.C += discrete.C;
}

}  // namespace ssm
