#pragma once

#include "ssm/discretize/dense.hpp"
#include "ssm/discretize/modal.hpp"

#include <Eigen/LU>
#include <unsupported/Eigen/MatrixFunctions>

namespace ssm {

/// Finds the mode that a step came from: the inverse of `discretize_mode`.
///
///     bilinear   Lambda = 2 (A_bar - 1) / (dt (A_bar + 1))              zero-order hold   Lambda = log(A_bar) / dt
///
/// The logarithm is the one with |Im| <= pi: the slowest mode that gives this step.
///
/// @param method   how the step was, or is thought to have been, discretized
/// @param A_bar    factor of a step
/// @param dt       time step                     s, > 0
/// @return         Lambda                        1/s
/// @throws         DomainError if no mode gives this step: 0 of a zero-order hold, -1 of the bilinear rule
template <class T>
Complex<T> continuous_mode(const ModalDiscretization& method, Complex<T> A_bar, T dt) {
  detail::require_positive("dt", dt);
  const bool bilinear = std::holds_alternative<Bilinear>(method);
  if (A_bar == (bilinear ? Complex<T>(-1) : Complex<T>(0)))
    throw DomainError(detail::message("eigenvalue of A: expected one that a ", name_of(method), " can give, got ",
                                      A_bar.real(), "; another discretization can"));
  return bilinear ? T(2) * (A_bar - T(1)) / (dt * (A_bar + T(1))) : std::log(A_bar) / dt;
}

/// Finds the continuous system that a discrete one came from: the inverse of `discretize`.
///
///     generalized bilinear   dt A = (A_bar - I) ((1 - alpha) I + alpha A_bar)^-1,     dt B = (I - alpha dt A) B_bar
///     zero-order hold        [dt A, dt B; 0, 0] = log [A_bar, B_bar; 0, I]
///
/// @param method   how the system was, or is thought to have been, discretized
/// @param system   A_bar (N, N), B_bar (N, inputs), C (outputs, N)
/// @param dt       time step                     s, > 0
/// @throws         DomainError if no system gives this one by the method
/// @note           O(N^3)
template <class T>
DenseSystem<T> continuous(const DenseDiscretization& method, const DiscreteDenseSystem<T>& system, T dt) {
  detail::require_positive("dt", dt);
  const Index N = system.states(), inputs = system.B_bar.cols();
  const Matrix<T> I = Matrix<T>::Identity(N, N);
  DenseSystem<T> found = std::visit(
      [&]<class Method>(const Method& chosen) -> DenseSystem<T> {
        if constexpr (std::same_as<Method, ZeroOrderHold>) {
          Matrix<T> joined = Matrix<T>::Identity(N + inputs, N + inputs);
          joined.topLeftCorner(N, N) = system.A_bar;
          joined.topRightCorner(N, inputs) = system.B_bar;
          const Matrix<T> logarithm = joined.log();
          return {logarithm.topLeftCorner(N, N) / dt, logarithm.topRightCorner(N, inputs) / dt, system.C};
        } else {
          T alpha;
          if constexpr (std::same_as<Method, GeneralizedBilinear>)
            alpha = static_cast<T>(chosen.alpha);
          else
            alpha = static_cast<T>(detail::generalized(chosen).alpha);
          const Matrix<T> below = (T(1) - alpha) * I + alpha * system.A_bar, above = system.A_bar - I;
          const Matrix<T> A = Eigen::PartialPivLU<Matrix<T>>(below).solve(above) / dt;  // both are functions of A_bar
          return {A, (I - alpha * dt * A) * system.B_bar / dt, system.C};
        }
      },
      method);
  const auto fail = [&] {
    throw DomainError("A: expected a matrix that a " + name_of(method) + " can give; another discretization can");
  };
  if (!found.A.allFinite() || !found.B.allFinite()) fail();
  const DiscreteDenseSystem<T> again = discretize(method, found, dt);
  if (!((again.A_bar - system.A_bar).norm() <= T(1e-9) * (T(1) + system.A_bar.norm())) ||
      !((again.B_bar - system.B_bar).norm() <= T(1e-9) * (T(1) + system.B_bar.norm())))
    fail();
  return found;
}

}  // namespace ssm
