#pragma once

#include "ssm/discretize/exponential.hpp"
#include "ssm/discretize/method.hpp"
#include "ssm/system/dplr.hpp"

#include <unsupported/Eigen/MatrixFunctions>

namespace ssm {

/// Zero-order-hold discretization of a dense system, by one exponential of the system joined with its input.
///
///     A_bar = e^(dt A)          B_bar = integral from 0 to dt of e^(s A) ds B          e^[dt A, dt B; 0, 0] = [A_bar,
///     B_bar; 0, I]
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
  const Matrix<T> power = joined.exp();
  return {power.topLeftCorner(N, N), power.topRightCorner(N, inputs), system.C};
}

/// Zero-order-hold discretization of a diagonal system, with a step for each mode.
///
///     Lambda_bar = e^(dt Lambda)          B_bar = dt phi_1(dt Lambda) B,   phi_1(z) = (e^z - 1)/z,  phi_1(0) = 1
///
/// Smith, Warrington, Linderman 2023, arXiv:2208.04933, section 3.
///
/// @param system   Lambda (M), B (M, inputs), C (outputs, M)
/// @param dt       step of each mode      (M)    s, > 0
/// @throws         ShapeError if the sizes disagree; DomainError if a dt is not positive and finite
/// @note           O(M inputs). Relative error <= 8 eps, also where dt Lambda is 0 or large.
template <class T>
DiscreteDiagonalSystem<T> discretize(ZeroOrderHold, const DiagonalSystem<T>& system, const Vector<T>& dt) {
  system.check();
  detail::require_size("steps dt", system.modes(), dt.size());
  DiscreteDiagonalSystem<T> discrete{system.states, system.Lambda, system.B, system.C};
  for (Index n = 0; n < system.modes(); ++n) {
    detail::require_positive("dt", dt(n));
    const Complex<T> z = dt(n) * system.Lambda(n);
    discrete.Lambda_bar(n) = std::exp(z);
    discrete.B_bar.row(n) *= dt(n) * phi_1(z);
  }
  return discrete;
}

/// The same step for all modes.
template <class T>
DiscreteDiagonalSystem<T> discretize(ZeroOrderHold method, const DiagonalSystem<T>& system, T dt) {
  return discretize(method, system, Vector<T>(Vector<T>::Constant(system.modes(), dt)));
}

/// There is no structured zero-order hold of a diagonal plus low rank system: its exponential is dense. Use Bilinear,
/// or make the system dense first.
template <class T>
void discretize(ZeroOrderHold, const DplrSystem<T>&, T dt) = delete;

}  // namespace ssm
