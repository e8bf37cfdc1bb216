#pragma once

#include "ssm/core/index.hpp"

#include <span>

namespace ssm::detail {

/// Derivatives of one block of steps of one mode, each as the conjugate of a cotangent.
template <class T>
struct BlockDerivatives {
  Complex<T> x, a, B, C;  ///< by the state before the block, and by the coefficients
};

/// Computes the derivatives of a block of S steps of one mode, in plain numbers: the reference of ModalBlocks.
///
///     x_i = a x_{i-1} + B u_i,   y_i = Re(C x_i),   x_{-1} = X
///     L = sum dy_i y_i + Re(M x_{S-1}) = Re(C (a D X + B K(a)) + M (a^S X + B U))
///
/// include/ssm/README.md derives the equations.
///
/// @param X    state before the block
/// @param M    conjugate of the cotangent of the state after it
/// @param u    inputs                       (S)
/// @param dy   cotangents of the outputs    (S)
/// @param du   += cotangents of the inputs  (S)
/// @note       O(S^2)
template <class T>
BlockDerivatives<T> block_adjoint_reference(Complex<T> a, Complex<T> B, Complex<T> C, Complex<T> X, Complex<T> M,
                                            std::span<const T> u, std::span<const T> dy, std::span<T> du) {
  const std::size_t S = u.size();
  Complex<T> U = 0, dU = 0, aD = 0, d_aD = 0, K = 0, dK = 0;  // and their derivatives by a
  Complex<T> power = 1, below = 0;                            // a^i and its derivative i a^(i-1)
  for (std::size_t i = 0; i < S; ++i) {
    U += power * u[S - 1 - i];
    dU += below * u[S - 1 - i];
    aD += a * power * dy[i];
    d_aD += static_cast<T>(i + 1) * power * dy[i];
    T kappa = 0;
    for (std::size_t m = 0; m + i < S; ++m) {
      kappa += dy[m + i] * u[m];
      du[m] += (C * B * power).real() * dy[m + i];
    }
    K += kappa * power;
    dK += kappa * below;
    du[S - 1 - i] += (M * B * power).real();
    below = static_cast<T>(i + 1) * power;
    power *= a;
  }
  return {.x = C * aD + power * M,  // power is now a^S, and below S a^(S-1)
          .a = C * d_aD * X + M * (below * X + B * dU) + C * B * dK,
          .B = M * U + C * K,
          .C = aD * X + B * K};
}

}  // namespace ssm::detail
