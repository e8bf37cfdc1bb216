#pragma once

#include "ssm/core/matrix.hpp"
#include "ssm/hippo/measure.hpp"

#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>
#include <vector>

namespace ssm::hippo {

/// A HiPPO system in the eigenbasis of its normal part: diagonal plus low rank.
///
///     A = V (Lambda - P P*) V*,   B = V B_eigen,   V unitary
///
/// Modes stand by increasing imaginary part and conjugates mirror one another exactly, so the last (N+1)/2 of them,
/// `half()`, say it all; for odd N the first of the half is real.
struct Nplr {
  Eigen::VectorXcd Lambda;  ///< spectrum of HiPPO-N = A + P P^T     (N)      1/s
  Eigen::MatrixXcd V;       ///< its eigenvectors, unitary           (N, N)
  Eigen::MatrixXcd P;       ///< low-rank factor, V* P               (N, R)
  Eigen::VectorXcd B;       ///< input vector, V* B                  (N)

  /// V (Lambda - P P*) V*: the measure's transition matrix again.    (N, N)   O(N^3)
  Eigen::MatrixXcd reassemble() const {
    const Index N = Lambda.size();
    Eigen::MatrixXcd A(N, N), right(N, N);
    for (Index n = 0; n < N; ++n)
      for (Index k = 0; k < N; ++k) {  // (Lambda - P P*) V*
        Complex<double> value = Lambda(n) * std::conj(V(k, n));
        for (Index r = 0; r < P.cols(); ++r)
          for (Index m = 0; m < N; ++m) value -= P(n, r) * std::conj(P(m, r)) * std::conj(V(k, m));
        right(n, k) = value;
      }
    for (Index n = 0; n < N; ++n)
      for (Index k = 0; k < N; ++k) {
        Complex<double> value = 0;
        for (Index m = 0; m < N; ++m) value += V(n, m) * right(m, k);
        A(n, k) = value;
      }
    return A;
  }
  /// The modes with nonnegative imaginary part, ((N+1)/2).
  Nplr half() const {
    const Index N = Lambda.size(), modes = (N + 1) / 2, first = N - modes;
    Nplr kept;
    kept.Lambda.resize(modes);
    kept.V.resize(V.rows(), modes);
    kept.P.resize(modes, P.cols());
    kept.B.resize(modes);
    for (Index m = 0; m < modes; ++m) {
      kept.Lambda(m) = Lambda(first + m);
      kept.B(m) = B(first + m);
      for (Index n = 0; n < V.rows(); ++n) kept.V(n, m) = V(n, first + m);
      for (Index r = 0; r < P.cols(); ++r) kept.P(m, r) = P(first + m, r);
    }
    return kept;
  }
};

/// HiPPO-N: the normal part of a measure's transition matrix, A + P P^T.       (N, N)   O(N^2 R)
template <Measure M>
Eigen::MatrixXd normal_part(M measure, Index N) {
  const Eigen::MatrixXd A = transition(measure, N), P = low_rank(measure, N);
  return detail::square_of(N, [&](Index n, Index k) {
    double value = A(n, k);
    for (Index r = 0; r < P.cols(); ++r) value += P(n, r) * P(k, r);
    return value;
  });
}

namespace detail {

/// S = Q T Q^T for a real skew S: Q orthogonal, T zero but for T_(k+1,k) = e_k = -T_(k,k+1). By reflections
/// I - 2 v v^T; since v^T S v = 0 each is S + v w^T - w v^T with w = 2 S v.                          O(N^3)
///
/// Loops over plain numbers, here and below: Eigen's general decompositions take a user seconds to compile.
struct SkewTridiagonal {
  Eigen::MatrixXd Q;
  Eigen::VectorXd e;

  template <Fp64 T>
  explicit SkewTridiagonal(Matrix<T> S) : Q(square_of(S.rows(), [](Index n, Index k) { return n == k ? 1.0 : 0.0; })) {
    const Index N = S.rows();
    e.resize(N > 0 ? N - 1 : 0);
    std::vector<double> v(static_cast<std::size_t>(N)), w(v.size());
    for (Index k = 0; k + 1 < N; ++k) {
      double below = 0;
      for (Index i = k + 2; i < N; ++i) below += S(i, k) * S(i, k);
      const double pivot = S(k + 1, k), norm = std::sqrt(pivot * pivot + below);
      if (below == 0) {
        e(k) = pivot;
        continue;
      }
      e(k) = pivot < 0 ? norm : -norm;
      const double head = pivot - e(k), length = std::sqrt(head * head + below);
      double* const reflector = v.data();
      for (Index i = 0; i <= k; ++i) reflector[i] = 0;
      reflector[k + 1] = head / length;
      for (Index i = k + 2; i < N; ++i) reflector[i] = S(i, k) / length;
      apply_twice(S, k + 1, v, w);
      for (Index j = 0; j < N; ++j)
        for (Index i = 0; i < N; ++i) S(i, j) += reflector[i] * w[at(j)] - w[at(i)] * reflector[j];
      apply_twice(Q, k + 1, v, w);
      for (Index j = k + 1; j < N; ++j)
        for (Index i = 0; i < N; ++i) Q(i, j) -= w[at(i)] * reflector[j];
    }
  }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  static void apply_twice(const Eigen::MatrixXd& A, Index first, const std::vector<double>& v, std::vector<double>& w) {
    std::fill(w.begin(), w.end(), 0.0);
    for (Index j = first; j < A.cols(); ++j)
      for (Index i = 0; i < A.rows(); ++i) w[at(i)] += 2 * A(i, j) * v[at(j)];
  }
};

/// A real orthonormal basis of the span of complex columns that is closed under conjugation, by Gram-Schmidt with
/// pivoting, twice over.
template <Fp64 S>
Eigen::MatrixXd real_basis(const Matrix<Complex<S>>& V, Index first, Index size) {
  const Index N = V.rows();
  Eigen::MatrixXd candidates(N, 2 * size), basis(N, size);
  for (Index j = 0; j < size; ++j)
    for (Index n = 0; n < N; ++n) {
      candidates(n, 2 * j) = V(n, first + j).real();
      candidates(n, 2 * j + 1) = V(n, first + j).imag();
    }
  const auto dot = [N](const double* a, const double* b) {
    double sum = 0;
    for (Index n = 0; n < N; ++n) sum += a[n] * b[n];
    return sum;
  };
  const auto subtract_along = [&](double* a, const double* direction) {
    const double factor = dot(a, direction);
    for (Index n = 0; n < N; ++n) a[n] -= factor * direction[n];
  };
  for (Index k = 0; k < size; ++k) {
    const double* largest = candidates.data();
    for (Index j = 1; j < 2 * size; ++j) {
      const double* const other = candidates.data() + j * N;
      if (dot(other, other) > dot(largest, largest)) largest = other;
    }
    double* const chosen = basis.data() + k * N;
    std::copy_n(largest, N, chosen);
    for (int twice = 0; twice < 2; ++twice) {
      for (Index other = 0; other < k; ++other) subtract_along(chosen, basis.data() + other * N);
      const double norm = std::sqrt(dot(chosen, chosen));
      for (Index n = 0; n < N; ++n) chosen[n] /= norm;
    }
    for (Index j = 0; j < 2 * size; ++j) subtract_along(candidates.data() + j * N, chosen);
  }
  return basis;
}

/// V* X, (N, columns of X).
template <Fp64 S, int Columns>
Eigen::MatrixXcd adjoint_times(const Eigen::MatrixXcd& V, const Eigen::Matrix<S, Eigen::Dynamic, Columns>& X) {
  Eigen::MatrixXcd result(V.cols(), X.cols());
  for (Index r = 0; r < X.cols(); ++r)
    for (Index n = 0; n < V.cols(); ++n) {
      double re = 0, im = 0;
      for (Index k = 0; k < V.rows(); ++k) {
        re += V(k, n).real() * X(k, r);
        im -= V(k, n).imag() * X(k, r);
      }
      result(n, r) = {re, im};
    }
  return result;
}

}  // namespace detail

/// Eigenvalues (by increasing imaginary part) and unitary eigenvectors of a shifted skew matrix, -c I + S, S^T = -S.
///
/// The Hermitian problem of -i S, solved in real arithmetic: S = Q T Q^T with T skew tridiagonal, and with
/// D = diag((-i)^k) the matrix D* (-i T) D is real, symmetric and tridiagonal. So V is unitary and Re Lambda = -c to
/// rounding; conjugate columns mirror one another to the bit. Where the null space of S has more than one dimension, a
/// real basis of it is paired up. S is taken as (normal - normal^T)/2, which has no diagonal.           O(N^3)
template <Fp64 S>
Nplr diagonalise_normal(const Matrix<S>& normal) {
  ssm::detail::require_size("columns of a square matrix", normal.rows(), normal.cols());
  const Index N = normal.rows();
  if (N == 0) return {};
  double shift = 0;
  for (Index n = 0; n < N; ++n) shift += normal(n, n) / static_cast<double>(N);
  const detail::SkewTridiagonal skew(
      detail::square_of(N, [&](Index n, Index k) { return (normal(n, k) - normal(k, n)) / 2; }));
  Eigen::SelfAdjointEigenSolver<Matrix<S>> solver;
  solver.computeFromTridiagonal(Vector<S>::Zero(N), skew.e);
  Vector<S> frequency = solver.eigenvalues();  // increasing
  const Matrix<S>& W = solver.eigenvectors();
  Eigen::MatrixXcd V(N, N);
  for (Index n = 0; n < N; ++n)
    for (Index i = 0; i < N; ++i) {  // (-i)^k = 1, -i, -1, i, ..
      double re = 0, im = 0;
      for (Index k = 0; k < N; ++k) {
        const double weight = (k % 4 < 2 ? W(k, n) : -W(k, n)) * skew.Q(i, k);
        (k % 2 == 0 ? re : im) += k % 2 == 0 ? weight : -weight;
      }
      V(i, n) = {re, im};
    }

  Index null_first = 0;
  while (null_first < N && frequency(null_first) < -1e-13 * std::max(-frequency(0), 1e-300)) ++null_first;
  const Index null_size = N - 2 * null_first;
  if (null_size > 0) {
    const Eigen::MatrixXd basis = detail::real_basis(V, null_first, null_size);
    const Index middle = N / 2, odd = N % 2;
    for (Index i = 0; i < N; ++i) {
      if (odd == 1) V(i, middle) = basis(i, 0);
      for (Index pair = 0; pair < null_size / 2; ++pair)
        V(i, middle + odd + pair) =
            Complex<S>(basis(i, odd + 2 * pair), basis(i, odd + 2 * pair + 1)) / std::numbers::sqrt2;
    }
    for (Index k = 0; k < null_size; ++k) frequency(null_first + k) = 0;
  }
  Nplr result;
  result.Lambda.resize(N);
  for (Index n = 0; n < N; ++n) {
    const Index mirror = N - 1 - n;  // the lower half is the conjugate of the upper
    result.Lambda(n) = {shift, n < N / 2 ? -frequency(mirror) : frequency(n)};
    if (n < N / 2)
      for (Index i = 0; i < N; ++i) V(i, n) = std::conj(V(i, mirror));
  }
  result.V.swap(V);
  return result;
}

/// Normal plus low rank form of a measure's HiPPO matrix, in fp64.
///
/// S4 (arXiv:2111.00396), Theorem 1 and appendix C.
///
/// @param measure  LegS, LegT, LagT, Fourier
/// @param N        number of coefficients       >= 0
/// @return         Lambda (N) 1/s, V (N, N), P (N, R), B (N); Re Lambda = -1/2 for LegS
/// @throws         DomainError if N is negative
/// @note           O(N^3). Residual of the reassembled matrix, and V* V - I: at most 64 N eps of the largest entry.
template <Measure M>
Nplr nplr(M measure, Index N) {
  Nplr result = diagonalise_normal(normal_part(measure, N));
  result.P = detail::adjoint_times(result.V, low_rank(measure, N));
  result.B = detail::adjoint_times(result.V, input(measure, N));
  return result;
}

}  // namespace ssm::hippo
