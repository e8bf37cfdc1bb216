#pragma once

#include "ssm/discretize/matrix_exponential.hpp"
#include "ssm/discretize/method.hpp"
#include "ssm/system/dense.hpp"

#include <Eigen/LU>

namespace ssm {

namespace detail {

constexpr GeneralizedBilinear generalized(ForwardEuler) noexcept { return {0}; }
constexpr GeneralizedBilinear generalized(Bilinear) noexcept { return {0.5}; }
constexpr GeneralizedBilinear generalized(BackwardEuler) noexcept { return {1}; }
/// @throws DomainError unless alpha is within 0..1
inline void require_alpha(GeneralizedBilinear method) {
  if (!(method.alpha >= 0 && method.alpha <= 1))
    throw DomainError(message("alpha: expected within 0..1, got ", method.alpha));
}
/// I + factor A
template <class T>
Matrix<T> one_plus(T factor, const Matrix<T>& A) {
  Matrix<T> sum(A.rows(), A.cols());
  for (Index m = 0; m < A.cols(); ++m)
    for (Index n = 0; n < A.rows(); ++n) sum(n, m) = (n == m ? T(1) : T(0)) + factor * A(n, m);
  return sum;
}
/// A method that is a case of the generalized bilinear one.
template <class M>
concept GeneralizedCase = requires(M method) {
  generalized(method);
};

}  // namespace detail

/// Generalized bilinear discretization of a dense system.
///
///     A_bar = (I - alpha dt A)^-1 (I + (1 - alpha) dt A)          B_bar = (I - alpha dt A)^-1 dt B
///
/// LSSL, arXiv:2110.13985, equation 3. The two Euler rules and the bilinear one (S4, arXiv:2111.00396, equation 3) are
/// its cases alpha = 0, 1, 1/2.
///
/// @param system   A (N, N), B (N, inputs), C (outputs, N)
/// @param dt       time step                     s, > 0
/// @throws         ShapeError if the sizes disagree; DomainError if dt is not positive and finite or alpha outside 0..1
/// @note           O(N^3); O(N^2) for alpha = 0. Unstable below 1/2 where |1 + dt lambda| > 1 for an eigenvalue of A.
template <class T>
DiscreteDenseSystem<T> discretize(GeneralizedBilinear method, const DenseSystem<T>& system, T dt) {
  system.check();
  detail::require_positive("dt", dt);
  detail::require_alpha(method);
  const T implicit_part = static_cast<T>(method.alpha) * dt, explicit_part = dt - implicit_part;
  DiscreteDenseSystem<T> discrete{detail::one_plus(explicit_part, system.A), dt * system.B, system.C};
  if (implicit_part == 0) return discrete;
  const Eigen::PartialPivLU<Matrix<T>> backward(detail::one_plus(-implicit_part, system.A));
  discrete.A_bar = backward.solve(discrete.A_bar).eval();
  discrete.B_bar = backward.solve(discrete.B_bar).eval();
  return discrete;
}
template <detail::GeneralizedCase Method, class T>
DiscreteDenseSystem<T> discretize(Method method, const DenseSystem<T>& system, T dt) {
  return discretize(detail::generalized(method), system, dt);
}

/// Zero-order-hold discretization of a dense system, by one exponential of the system joined with its input.
///
///     A_bar = e^(dt A)      B_bar = integral from 0 to dt of e^(s A) ds B      e^[dt A, dt B; 0, 0] = [A_bar, B_bar;
///     0, I]
///
/// Van Loan 1978, "Computing integrals involving the matrix exponential".
///
/// @param system   A (N, N), B (N, inputs), C (outputs, N)
/// @param dt       time step                     s, > 0
/// @throws         ShapeError if the sizes disagree; DomainError if dt is not positive and finite
/// @note           O((N + inputs)^3)
template <class T>
DiscreteDenseSystem<T> discretize(ZeroOrderHold, const DenseSystem<T>& system, T dt) {
  system.check();
  detail::require_positive("dt", dt);
  const Index N = system.states(), inputs = system.B.cols();
  Matrix<T> joined = Matrix<T>::Zero(N + inputs, N + inputs);
  joined.topLeftCorner(N, N) = dt * system.A;
  joined.topRightCorner(N, inputs) = dt * system.B;
  const Matrix<T> power = detail::matrix_exponential(joined);
  return {power.topLeftCorner(N, N), power.topRightCorner(N, inputs), system.C};
}

/// The cotangents of a dense system and its step from those of its discrete form, added to what is there.
///
///     Z = (I - alpha dt A)^-T [dA_bar, dB_bar],   dA = dt (alpha Z [A_bar, B_bar]^T + (1 - alpha) Z_A),   dB = dt Z_B
///
/// @param method     how it was discretized
/// @param system     A (N, N), B (N, inputs), C (outputs, N)
/// @param dt         time step                                  s
/// @param discrete   cotangents of A_bar, B_bar and C
/// @param dsystem    += cotangents of A, B and C
/// @param ddt        += cotangent of dt
/// @throws           as `discretize`
/// @note             O(N^3)
template <class T>
void discretize_vjp(GeneralizedBilinear method, const DenseSystem<T>& system, T dt,
                    const DiscreteDenseSystem<T>& discrete, DenseSystem<T>& dsystem, T& ddt) {
  const DiscreteDenseSystem<T> made = discretize(method, system, dt);
  dsystem.check();
  const T alpha = static_cast<T>(method.alpha);
  const Matrix<T> A_transposed = system.A.transpose();
  const Eigen::PartialPivLU<Matrix<T>> backward(detail::one_plus(-alpha * dt, A_transposed));
  const Matrix<T> Z_A = backward.solve(discrete.A_bar), Z_B = backward.solve(discrete.B_bar);
  const Matrix<T> both = Z_A * made.A_bar.transpose() + Z_B * made.B_bar.transpose();
  dsystem.A += dt * (alpha * both + (1 - alpha) * Z_A);
  dsystem.B += dt * Z_B;
  dsystem.C += discrete.C;
  ddt += system.A.cwiseProduct(alpha * both + (1 - alpha) * Z_A).sum() + system.B.cwiseProduct(Z_B).sum();
}
template <detail::GeneralizedCase Method, class T>
void discretize_vjp(Method method, const DenseSystem<T>& system, T dt, const DiscreteDenseSystem<T>& discrete,
                    DenseSystem<T>& dsystem, T& ddt) {
  discretize_vjp(detail::generalized(method), system, dt, discrete, dsystem, ddt);
}
/// The same for the zero-order hold: the adjoint of the exponential's derivative is the upper right block of
///
///     e^[X^T, dE; 0, X^T],   X = dt [A, B; 0, 0],   dE = [dA_bar, dB_bar; 0, 0]
///
/// Najfeld, Havel 1995, "Derivatives of the matrix exponential and their computation".          O((N + inputs)^3)
template <class T>
void discretize_vjp(ZeroOrderHold, const DenseSystem<T>& system, T dt, const DiscreteDenseSystem<T>& discrete,
                    DenseSystem<T>& dsystem, T& ddt) {
  system.check();
  dsystem.check();
  detail::require_positive("dt", dt);
  const Index N = system.states(), inputs = system.B.cols(), size = N + inputs;
  Matrix<T> joined = Matrix<T>::Zero(2 * size, 2 * size);
  joined.block(0, 0, N, N) = dt * system.A.transpose();
  joined.block(N, 0, inputs, N) = dt * system.B.transpose();
  joined.block(size, size, size, size) = joined.block(0, 0, size, size).eval();
  joined.block(0, size, N, N) = discrete.A_bar;
  joined.block(0, size + N, N, inputs) = discrete.B_bar;
  const Matrix<T> power = detail::matrix_exponential(joined);
  const Matrix<T> dA = power.block(0, size, N, N), dB = power.block(0, size + N, N, inputs);
  dsystem.A += dt * dA;
  dsystem.B += dt * dB;
  dsystem.C += discrete.C;
  ddt += system.A.cwiseProduct(dA).sum() + system.B.cwiseProduct(dB).sum();
}

/// Discretizes by a method that is data; so DenseDiscretization is a DenseMethod. @{
template <class T>
DiscreteDenseSystem<T> discretize(const DenseDiscretization& method, const DenseSystem<T>& system, T dt) {
  return std::visit([&](auto chosen) { return discretize(chosen, system, dt); }, method);
}
template <class T>
void discretize_vjp(const DenseDiscretization& method, const DenseSystem<T>& system, T dt,
                    const DiscreteDenseSystem<T>& discrete, DenseSystem<T>& dsystem, T& ddt) {
  std::visit([&](auto chosen) { discretize_vjp(chosen, system, dt, discrete, dsystem, ddt); }, method);
}
/// @}

/// A way to discretize a dense system.
template <class M>
concept DenseMethod = requires(M method, const DenseSystem<double>& system) {
  discretize(method, system, 1.0);
};

}  // namespace ssm
