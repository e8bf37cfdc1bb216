#pragma once

namespace ssm {

/// The trapezoid rule (Tustin): maps a stable system onto a stable one, is O(N R) for diagonal plus low rank.
struct Bilinear {};

/// The exact solution for an input that is held during each step.
struct ZeroOrderHold {};

/// x_k = x_{k-1} + dt (A x_{k-1} + B u_k). Unstable unless dt is small against the fastest mode.
struct ForwardEuler {};

/// x_k = x_{k-1} + dt (A x_k + B u_k).
struct BackwardEuler {};

/// x_k = x_{k-1} + dt (A ((1 - alpha) x_{k-1} + alpha x_k) + B u_k): forward Euler at 0, bilinear at 1/2, backward
/// Euler at 1. Stable for every step from 1/2 on. LSSL, arXiv:2110.13985, equation 3.
struct GeneralizedBilinear {
  double alpha;  ///< 0 .. 1
};

}  // namespace ssm
