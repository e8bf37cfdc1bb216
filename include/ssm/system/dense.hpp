#pragma once

#include "ssm/core/error.hpp"
#include "ssm/core/matrix.hpp"

namespace ssm {

/// A linear system in continuous time, x' = A x + B u, y = C x. (The direct term D u belongs to the layer.)
template <class T>
struct DenseSystem {
  Matrix<T> A;  ///< transition    (N, N)        1/s
  Matrix<T> B;  ///< input         (N, inputs)
  Matrix<T> C;  ///< output        (outputs, N)

  /// N
  Index states() const noexcept { return A.rows(); }
  /// @throws ShapeError unless the three sizes agree
  void check() const {
    detail::require_size("columns of A", A.rows(), A.cols());
    detail::require_size("rows of B", A.rows(), B.rows());
    detail::require_size("columns of C", A.rows(), C.cols());
  }
};

/// Its discrete counterpart, x_k = A_bar x_{k-1} + B_bar u_k, y_k = C x_k.
template <class T>
struct DiscreteDenseSystem {
  Matrix<T> A_bar;  ///< (N, N)
  Matrix<T> B_bar;  ///< (N, inputs)
  Matrix<T> C;      ///< (outputs, N)

  /// N
  Index states() const noexcept { return A_bar.rows(); }
};

}  // namespace ssm
