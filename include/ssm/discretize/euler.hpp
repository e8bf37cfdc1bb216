#pragma once

#include "ssm/discretize/method.hpp"
#include "ssm/system/dplr.hpp"

#include <Eigen/LU>

namespace ssm {

/// Forward Euler discretization of a dense system: A_bar = I + dt A, B_bar = dt B.
///
/// @param system   A (N, N), B (N, inputs), C (outputs, N)
/// @param dt       time step                     s, > 0
/// @throws         ShapeError if the sizes disagree; DomainError if dt is not positive and finite
/// @note           O(N^2). Unstable where |1 + dt lambda| > 1 for an eigenvalue of A.
template <class T>
DiscreteDenseSystem<T> discretize(ForwardEuler, const DenseSystem<T>& system, T dt) {
  system.check();
  detail::require_positive("dt", dt);
  return {Matrix<T>::Identity(system.states(), system.states()) + dt * system.A, dt * system.B, system.C};
}

/// Backward Euler discretization of a dense system: A_bar = (I - dt A)^-1, B_bar = (I - dt A)^-1 dt B.
///
/// @param system   A (N, N), B (N, inputs), C (outputs, N)
/// @param dt       time step                     s, > 0
/// @throws         ShapeError if the sizes disagree; DomainError if dt is not positive and finite
/// @note           O(N^3)
template <class T>
DiscreteDenseSystem<T> discretize(BackwardEuler, const DenseSystem<T>& system, T dt) {
  system.check();
  detail::require_positive("dt", dt);
  const Matrix<T> I = Matrix<T>::Identity(system.states(), system.states());
  const Eigen::PartialPivLU<Matrix<T>> backward(I - dt * system.A);
  return {backward.solve(I), backward.solve(dt * system.B), system.C};
}

}  // namespace ssm
