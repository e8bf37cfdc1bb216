#pragma once

#include "ssm/system/diagonal.hpp"

namespace ssm {

/// Diagonal plus low rank, one input and one output: the system of S4. Of conjugate pairs one mode each is kept, M =
/// (N+1)/2.
///
///     x' = (Lambda - P Q*) x + B u,   y = sum over all N modes of C x = 2 Re(C x),      Q = P unless it is given
///
/// Q* is over all N modes as well: (Q* x)_r = 2 Re sum_n conj(Q_nr) x_n. For odd N mode 0 is real and counts once.
/// With Q = P, no eigenvalue lies further right than the rightmost Lambda; with a Q of its own, one can cross the
/// imaginary axis. Gu, Goel, Re 2022, arXiv:2111.00396, section 3, has Q; Goel et al. 2022, arXiv:2202.09729, Q = P.
template <class T>
struct DplrSystem {
  Index states;               ///< N
  Vector<Complex<T>> Lambda;  ///< eigenvalues of the normal part    (M)       1/s
  Matrix<Complex<T>> P;       ///< low-rank factor                   (M, R)
  Vector<Complex<T>> B;       ///< input                             (M)
  RowVector<Complex<T>> C;    ///< output                            (M)
  Matrix<Complex<T>> Q = {};  ///< right factor; of no size: it is P (M, R)

  /// M, modes that are kept.
  Index modes() const noexcept { return Lambda.size(); }
  /// R
  Index rank() const noexcept { return P.cols(); }
  /// Q, or P where Q is of no size.
  const Matrix<Complex<T>>& right() const noexcept { return Q.size() == 0 ? P : Q; }
  /// The same, where cotangents of it are added up.
  Matrix<Complex<T>>& right() noexcept { return Q.size() == 0 ? P : Q; }
  /// Returns zeros of these sizes, which cotangents are added to.
  DplrSystem zeros() const {
    const Index M = modes();
    return {states,
            Vector<Complex<T>>::Zero(M),
            Matrix<Complex<T>>::Zero(M, rank()),
            Vector<Complex<T>>::Zero(M),
            RowVector<Complex<T>>::Zero(M),
            Matrix<Complex<T>>::Zero(Q.rows(), Q.cols())};
  }
  /// @throws ShapeError unless the sizes agree; DomainError if the rank is above max_rank
  void check() const {
    if (rank() > max_rank)
      throw DomainError(detail::message("rank of P: expected at most ", max_rank, ", got ", rank()));
    detail::require_size("modes of Lambda", modes_of(states), modes());
    detail::require_size("rows of P", modes(), P.rows());
    if (Q.size() != 0) detail::require_size("rows of Q", modes(), Q.rows());
    if (Q.size() != 0) detail::require_size("rank of Q", rank(), Q.cols());
    detail::require_size("modes of B", modes(), B.size());
    detail::require_size("modes of C", modes(), C.size());
  }
};

/// Its discrete counterpart: a diagonal plus rank R again, so that a step costs O(N R).
///
///     x_k = x_{k-1} + Delta x_{k-1} - P_bar s + B_bar u_k,   s_r = sum over all N modes of Q_bar_nr x_{k-1,n}
///     y_k = sum over all N modes of C_n x_k,n                            A_bar = I + diag(Delta) - P_bar Q_bar^T
///
/// The identity is kept apart ("delta form"): a slow mode's A_bar is 1 - small, and rounding the small number keeps
/// digits that rounding the sum would lose thousands of times over.
template <class T>
struct DiscreteDplrSystem {
  Index states;              ///< N
  Vector<Complex<T>> Delta;  ///< diagonal of A_bar, less one    (M)
  Matrix<Complex<T>> P_bar;  ///< left factor                    (M, R)
  Matrix<Complex<T>> Q_bar;  ///< right factor                   (M, R)
  Vector<Complex<T>> B_bar;  ///< input                          (M)
  RowVector<Complex<T>> C;   ///< output                         (M)

  /// M, modes that are kept.
  Index modes() const noexcept { return Delta.size(); }
  /// R
  Index rank() const noexcept { return P_bar.cols(); }
  /// Returns zeros of these sizes, which cotangents are added to.
  DiscreteDplrSystem zeros() const {
    const Index M = modes();
    return {states,
            Vector<Complex<T>>::Zero(M),
            Matrix<Complex<T>>::Zero(M, rank()),
            Matrix<Complex<T>>::Zero(M, rank()),
            Vector<Complex<T>>::Zero(M),
            RowVector<Complex<T>>::Zero(M)};
  }
};

/// A diagonal system of one input and one output is one of rank 0.
template <class T>
DiscreteDplrSystem<T> dplr(const DiscreteDiagonalSystem<T>& system) {
  const Index M = system.Lambda_bar.size();
  DiscreteDplrSystem<T> result{
      system.states,       system.Lambda_bar, Matrix<Complex<T>>(M, 0), Matrix<Complex<T>>(M, 0),
      system.B_bar.col(0), system.C.row(0)};
  for (Index n = 0; n < M; ++n) result.Delta(n) -= T(1);
  return result;
}

/// Returns the same system with real dense matrices on the state (Re x, Im x).     O(N^2 R)
template <class T>
DenseSystem<T> dense(const DplrSystem<T>& system) {
  system.check();
  const detail::RealForm<T> form{system.states};
  Matrix<T> A = form.diagonal(system.Lambda);
  form.subtract(A, system.P, system.right().conjugate());
  return {std::move(A), form.columns(system.B), form.rows(system.C)};
}

/// Returns the same discrete system with real dense matrices.                      O(N^2 R)
template <class T>
DiscreteDenseSystem<T> dense(const DiscreteDplrSystem<T>& system) {
  const detail::RealForm<T> form{system.states};
  Matrix<T> A_bar = form.diagonal(system.Delta);
  for (Index n = 0; n < system.states; ++n) A_bar(n, n) += T(1);
  form.subtract(A_bar, system.P_bar, system.Q_bar);
  return {std::move(A_bar), form.columns(system.B_bar), form.rows(system.C)};
}

/// Its vector-Jacobian product: cotangents of the DPLR form from those of the dense matrices.
/// @param system    the discrete system
/// @param ddense    cotangents of A_bar (N, N), B_bar (N, 1), C (1, N)
/// @param dsystem   += cotangents of Delta, P_bar, Q_bar, B_bar and C
/// @note            O(N^2 R)
template <class T>
void dense_vjp(const DiscreteDplrSystem<T>& system, const DiscreteDenseSystem<T>& ddense,
               DiscreteDplrSystem<T>& dsystem) {
  const detail::RealForm<T> form{system.states};
  const Matrix<T> left = form.columns(system.P_bar), right = form.rows(system.Q_bar.transpose());
  const Index N = system.states, R = system.rank();
  Matrix<T> dleft = Matrix<T>::Zero(N, R), dright = Matrix<T>::Zero(R, N);
  for (Index r = 0; r < R; ++r)
    for (Index k = 0; k < N; ++k)
      for (Index n = 0; n < N; ++n) {
        dleft(n, r) -= ddense.A_bar(n, k) * right(r, k);
        dright(r, k) -= ddense.A_bar(n, k) * left(n, r);
      }
  dsystem.Delta += form.diagonal_vjp(ddense.A_bar);
  dsystem.P_bar += form.columns_vjp(dleft);
  dsystem.Q_bar += form.rows_vjp(dright).transpose();
  dsystem.B_bar += form.columns_vjp(ddense.B_bar);
  dsystem.C += form.rows_vjp(ddense.C);
}

}  // namespace ssm
