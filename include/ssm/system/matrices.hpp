#pragma once

#include "ssm/system/diagonal.hpp"

#include <Eigen/Eigenvalues>
#include <Eigen/LU>

namespace ssm {

/// A system as textbooks and control software write it.
///
///     continuous     x' = A x + B u,                 y = C x + D u
///     discrete       x_k = A x_{k-1} + B u_k,        y_k = C x_k + D u_k
///
/// The function that takes the matrices says whether they are continuous or discrete. The output at a step is of
/// the state after that step; `scipy.signal.dlsim` and MATLAB read the state before it: see `of_previous_state`.
struct Matrices {
  Matrix<double> A;  ///< transition    (N, N)             1/s, or dimensionless
  Matrix<double> B;  ///< input         (N, inputs)
  Matrix<double> C;  ///< output        (outputs, N)
  Matrix<double> D;  ///< direct term   (outputs, inputs)

  /// @throws ShapeError if the sizes disagree; DomainError if a number is not finite or there is no state
  void check() const {
    detail::require_at_least("states", 1, A.rows());
    detail::require_size("columns of A", A.rows(), A.cols());
    detail::require_size("rows of B", A.rows(), B.rows());
    detail::require_size("columns of C", A.rows(), C.cols());
    detail::require_size("rows of D", C.rows(), D.rows());
    detail::require_size("columns of D", B.cols(), D.cols());
    const auto require_finite = [](const char* name, const Matrix<double>& values) {
      for (Index i = 0; i < values.size(); ++i)
        if (!std::isfinite(values.data()[i]))
          throw DomainError(detail::message(name, ": expected finite numbers, got ", values.data()[i]));
    };
    require_finite("A", A);
    require_finite("B", B);
    require_finite("C", C);
    require_finite("D", D);
  }
};

/// Returns the same discrete system by this library's convention, where it is given by that of scipy and MATLAB, whose
/// output at a step is of the state before that step.
///
///     theirs    y_k = C x_k + D u_k,      x_{k+1} = A x_k + B u_k
///     here      y_k = C' x_k + D' u_k,    x_k = A x_{k-1} + B u_k,      C' = C A^-1,   D' = D - C A^-1 B
///
/// Outputs from rest are then equal, step by step.
///
/// @throws   ShapeError if the sizes disagree; DomainError if a number is not finite, there is no state, or A has no
///           inverse: then delay this library's output of (A, B, C, 0) by one step and add D u_k
/// @note     O(N^3). The error grows with the condition of A.
template <Fp64 S = double>
Matrices of_previous_state(Matrices theirs) {
  theirs.check();
  // C' A = C, so A^T C'^T = C^T
  const Matrix<S> transposed = theirs.A.transpose(), right = theirs.C.transpose();
  const Matrix<S> C = Eigen::PartialPivLU<Matrix<S>>(transposed).solve(right).transpose();
  if (!((C * theirs.A - theirs.C).norm() <= 1e-9 * theirs.C.norm()))
    throw DomainError("A: expected a matrix with an inverse, got one without");
  theirs.C = C;
  theirs.D -= C * theirs.B;
  return theirs;
}

namespace detail {

/// Joins a real system to its eigenbasis, one mode for each conjugate pair and one for each real eigenvalue.
///
///     A = V diag(lambda) V^-1,     x = V z:   z' = lambda z + (V^-1 B) u,   y = 2 Re(C V z)
///
/// A real eigenvalue is stored as a pair that is half of itself, so the result has an even number of states, twice the
/// modes; B and C of such a mode are divided by sqrt(2).
///
/// @param A   (N, N)
/// @param B   (N, inputs)
/// @param C   (outputs, N)
/// @throws    DomainError if the eigenvectors of A are no basis that can be computed with: V diag(lambda) V^-1 is
///            further from A than 1e-9 of A
/// @note      O(N^3). The error of the result grows with the condition of V, which is 1 for a normal A.
template <class T>
DiagonalSystem<T> in_eigenbasis(const Matrix<T>& A, const Matrix<T>& B, const Matrix<T>& C) {
  const Index N = A.rows();
  const Eigen::EigenSolver<Matrix<T>> solver(A);
  const Vector<Complex<T>> lambda = solver.eigenvalues();
  const Matrix<Complex<T>> V = solver.eigenvectors();
  const Eigen::PartialPivLU<Matrix<Complex<T>>> inverse(V);
  const Matrix<Complex<T>> again = V * lambda.asDiagonal() * inverse.inverse();
  const T error = (again.real() - A).norm(), size = A.norm();
  if (!(error <= T(1e-9) * size))
    throw DomainError(message("A: expected a matrix with a basis of eigenvectors, got one that they give back only to ",
                              size > 0 ? error / size : error, "; LSSL and StateSpace take any matrix"));
  const Matrix<Complex<T>> input = inverse.solve(B.template cast<Complex<T>>());
  const Matrix<Complex<T>> output = C.template cast<Complex<T>>() * V;
  std::vector<Index> kept;
  for (Index n = 0; n < N; ++n)
    if (lambda(n).imag() >= 0) kept.push_back(n);
  const auto modes = static_cast<Index>(kept.size());
  DiagonalSystem<T> system{2 * modes, Vector<Complex<T>>(modes), Matrix<Complex<T>>(modes, B.cols()),
                           Matrix<Complex<T>>(C.rows(), modes)};
  for (Index m = 0; m < modes; ++m) {
    const Index n = kept[static_cast<std::size_t>(m)];
    const T part = lambda(n).imag() == 0 ? T(1) / std::sqrt(T(2)) : T(1);
    system.Lambda(m) = lambda(n);
    system.B.row(m) = part * input.row(n);
    system.C.col(m) = part * output.col(n);
  }
  return system;
}

}  // namespace detail
}  // namespace ssm
