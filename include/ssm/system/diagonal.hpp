#pragma once

#include "ssm/system/dense.hpp"

namespace ssm {

/// Number of modes that stand for N real states: of each conjugate pair one; an odd N has one real mode, at the front.
constexpr Index modes_of(Index states) noexcept { return (states + 1) / 2; }

/// Weight of mode n in a sum over all N states: 2, for itself and its conjugate; 1 for the real one.
constexpr Index multiplicity(Index n, Index states) noexcept { return n == 0 && states % 2 == 1 ? 1 : 2; }

/// A system whose transition matrix is diagonal; of its conjugate pairs one mode each is kept, M = (N+1)/2.
///
///     x' = Lambda x + B u,   y = sum over all N modes of C x = 2 Re(C x)   (a real mode, first for odd N, counts once)
template <class T>
struct DiagonalSystem {
  Index states;               ///< N
  Vector<Complex<T>> Lambda;  ///< eigenvalues    (M)           1/s
  Matrix<Complex<T>> B;       ///< input          (M, inputs)
  Matrix<Complex<T>> C;       ///< output         (outputs, M)

  /// M, modes that are kept.
  Index modes() const noexcept { return Lambda.size(); }
  /// Returns zeros of these sizes, which cotangents are added to.
  DiagonalSystem zeros() const {
    return {states, Vector<Complex<T>>::Zero(modes()), Matrix<Complex<T>>::Zero(B.rows(), B.cols()),
            Matrix<Complex<T>>::Zero(C.rows(), C.cols())};
  }
  /// @throws ShapeError unless the sizes agree
  void check() const {
    detail::require_size("modes of Lambda", modes_of(states), modes());
    detail::require_size("rows of B", modes(), B.rows());
    detail::require_size("columns of C", modes(), C.cols());
  }
};

/// Its discrete counterpart, x_k = Lambda_bar x_{k-1} + B_bar u_k.
template <class T>
struct DiscreteDiagonalSystem {
  Index states;                   ///< N
  Vector<Complex<T>> Lambda_bar;  ///< (M)
  Matrix<Complex<T>> B_bar;       ///< (M, inputs)
  Matrix<Complex<T>> C;           ///< (outputs, M)
};

namespace detail {

/// The real N x N matrix of an operator on conjugate pairs, x -> diag(d) x - P s, s_r = sum over all modes of Q_r x,
/// on the vector (Re x, Im x); for odd N the imaginary part of the real mode is left out.
template <class T>
struct RealForm {
  Index states;
  Index modes() const { return modes_of(states); }
  Index first_imaginary() const { return states % 2; }

  Matrix<T> diagonal(const Vector<Complex<T>>& d) const {
    Matrix<T> A = Matrix<T>::Zero(states, states);
    const Index M = modes(), odd = first_imaginary();
    for (Index n = 0; n < M; ++n) {
      A(n, n) = d(n).real();
      if (n < odd) continue;
      A(M - odd + n, M - odd + n) = d(n).real();
      A(n, M - odd + n) = -d(n).imag();
      A(M - odd + n, n) = d(n).imag();
    }
    return A;
  }
  /// Columns of complex numbers as columns of real ones, (Re; Im).
  Matrix<T> columns(const Matrix<Complex<T>>& B) const {
    Matrix<T> real(states, B.cols());
    const Index M = modes(), odd = first_imaginary();
    for (Index j = 0; j < B.cols(); ++j)
      for (Index n = 0; n < M; ++n) {
        real(n, j) = B(n, j).real();
        if (n >= odd) real(M - odd + n, j) = B(n, j).imag();
      }
    return real;
  }
  /// Rows C as rows that give the sum over all modes, (2 Re, -2 Im); a real mode counts once.
  Matrix<T> rows(const Matrix<Complex<T>>& C) const {
    Matrix<T> real(C.rows(), states);
    const Index M = modes(), odd = first_imaginary();
    for (Index n = 0; n < M; ++n)
      for (Index i = 0; i < C.rows(); ++i) {
        real(i, n) = static_cast<T>(multiplicity(n, states)) * C(i, n).real();
        if (n >= odd) real(i, M - odd + n) = -2 * C(i, n).imag();
      }
    return real;
  }
  /// Cotangents of what `diagonal`, `columns` and `rows` were given, from those of what they gave. @{
  Vector<Complex<T>> diagonal_vjp(const Matrix<T>& dA) const {
    Vector<Complex<T>> dd(modes());
    const Index M = modes(), odd = first_imaginary();
    for (Index n = 0; n < M; ++n) {
      const Index i = M - odd + n;
      dd(n) = n < odd ? Complex<T>(dA(n, n)) : Complex<T>(dA(n, n) + dA(i, i), dA(i, n) - dA(n, i));
    }
    return dd;
  }
  Matrix<Complex<T>> columns_vjp(const Matrix<T>& dreal) const {
    Matrix<Complex<T>> dB(modes(), dreal.cols());
    const Index M = modes(), odd = first_imaginary();
    for (Index j = 0; j < dreal.cols(); ++j)
      for (Index n = 0; n < M; ++n) dB(n, j) = {dreal(n, j), n < odd ? T(0) : dreal(M - odd + n, j)};
    return dB;
  }
  Matrix<Complex<T>> rows_vjp(const Matrix<T>& dreal) const {
    Matrix<Complex<T>> dC(dreal.rows(), modes());
    const Index M = modes(), odd = first_imaginary();
    for (Index n = 0; n < M; ++n)
      for (Index i = 0; i < dreal.rows(); ++i)
        dC(i, n) = {static_cast<T>(multiplicity(n, states)) * dreal(i, n), n < odd ? T(0) : -2 * dreal(i, M - odd + n)};
    return dC;
  }
  /// @}
  /// A - columns(P) rows(Q^T): a correction of rank R.
  void subtract(Matrix<T>& A, const Matrix<Complex<T>>& P, const Matrix<Complex<T>>& Q) const {
    const Matrix<T> left = columns(P), right = rows(Q.transpose());
    for (Index k = 0; k < states; ++k)
      for (Index r = 0; r < left.cols(); ++r)
        for (Index n = 0; n < states; ++n) A(n, k) -= left(n, r) * right(r, k);
  }
};

}  // namespace detail

/// Returns the same system with real dense matrices on the state (Re x, Im x).     O(N^2)
template <class T>
DenseSystem<T> dense(const DiagonalSystem<T>& system) {
  system.check();
  const detail::RealForm<T> form{system.states};
  return {form.diagonal(system.Lambda), form.columns(system.B), form.rows(system.C)};
}

}  // namespace ssm
