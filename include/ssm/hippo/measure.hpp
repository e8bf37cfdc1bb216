#pragma once

#include "ssm/core/error.hpp"

#include <Eigen/Core>

#include <cmath>
#include <concepts>
#include <numbers>
#include <type_traits>

/// HiPPO: Gu, Dao, Ermon, Rudra, Re 2020, "HiPPO: Recurrent Memory with Optimal Polynomial Projections",
/// arXiv:2008.07669; the low-rank corrections: Gu, Goel, Re 2022 (S4), arXiv:2111.00396, appendix C.
namespace ssm::hippo {

namespace detail {

/// (N, N) of entry(n, k), and (N) of entry(n).
template <class Entry>
Eigen::MatrixXd square_of(Index N, Entry&& entry) {
  ssm::detail::require_at_least("N", 0, N);
  Eigen::MatrixXd A(N, N);
  for (Index k = 0; k < N; ++k)
    for (Index n = 0; n < N; ++n) A(n, k) = entry(n, k);
  return A;
}
template <class Entry>
Eigen::VectorXd vector_of(Index N, Entry&& entry) {
  ssm::detail::require_at_least("N", 0, N);
  Eigen::VectorXd B(N);
  for (Index n = 0; n < N; ++n) B(n) = entry(n);
  return B;
}
/// sqrt(2n+1)
inline double root(Index n) { return std::sqrt(static_cast<double>(2 * n + 1)); }

}  // namespace detail

// ------------------------------------------------------------------------------------------------ scaled Legendre

/// Legendre polynomials over the whole past, scaled to [0, t]: the past fades as 1/t.
struct LegS {};

/// A_nk = -sqrt((2n+1)(2k+1)) for n > k,  -(n+1) for n = k,  0 for n < k.      (N, N)   O(N^2)
inline Eigen::MatrixXd transition(LegS, Index N) {
  return detail::square_of(N, [](Index n, Index k) {
    const auto r = static_cast<double>(2 * n + 1), c = static_cast<double>(2 * k + 1);
    return n > k ? -std::sqrt(r * c) : n == k ? -static_cast<double>(n + 1) : 0.0;
  });
}
/// B_n = sqrt(2n+1).                                                            (N)
inline Eigen::VectorXd input(LegS, Index N) {
  return detail::vector_of(N, [](Index n) { return detail::root(n); });
}
/// P_n = sqrt(n + 1/2): A + P P^T = -1/2 I + a skew matrix.                     (N, 1)
inline Eigen::MatrixXd low_rank(LegS, Index N) {
  return detail::vector_of(N, [](Index n) { return std::numbers::sqrt2 / 2 * detail::root(n); });
}

// ------------------------------------------------------------------------------------------- translated Legendre

/// Legendre polynomials over a sliding window, as in the Legendre memory unit. The window's length is 2 in the time of
/// this matrix: S4 halves the paper's A and B.
struct LegT {};

/// A_nk = -1/2 sqrt((2n+1)(2k+1)) * (1 for n >= k, (-1)^(n-k) for n < k).       (N, N)   O(N^2)
inline Eigen::MatrixXd transition(LegT, Index N) {
  return detail::square_of(N, [](Index n, Index k) {
    const double product = std::sqrt(static_cast<double>((2 * n + 1) * (2 * k + 1)));
    return n < k && (k - n) % 2 == 1 ? product / 2 : -product / 2;
  });
}
/// B_n = 1/2 sqrt(2n+1).                                                        (N)
inline Eigen::VectorXd input(LegT, Index N) {
  return detail::vector_of(N, [](Index n) { return detail::root(n) / 2; });
}
/// P_n0 = sqrt(n + 1/2) for odd n, P_n1 = the same for even n, 0 elsewhere: A + P P^T is skew.   (N, 2)
inline Eigen::MatrixXd low_rank(LegT, Index N) {
  ssm::detail::require_at_least("N", 0, N);
  Eigen::MatrixXd P = Eigen::MatrixXd::Zero(N, 2);
  for (Index n = 0; n < N; ++n) P(n, n % 2 == 1 ? 0 : 1) = std::numbers::sqrt2 / 2 * detail::root(n);
  return P;
}

// ----------------------------------------------------------------------------------------------------- Laguerre

/// Laguerre polynomials: the past fades exponentially.
struct LagT {};

/// A_nk = -1 for n > k,  -1/2 for n = k,  0 for n < k.                          (N, N)   O(N^2)
inline Eigen::MatrixXd transition(LagT, Index N) {
  return detail::square_of(N, [](Index n, Index k) { return n > k ? -1.0 : n == k ? -0.5 : 0.0; });
}
/// B_n = 1.                                                                     (N)
inline Eigen::VectorXd input(LagT, Index N) {
  return detail::vector_of(N, [](Index) { return 1.0; });
}
/// P_n = sqrt(1/2): A + P P^T is skew.                                          (N, 1)
inline Eigen::MatrixXd low_rank(LagT, Index N) {
  return detail::vector_of(N, [](Index) { return std::numbers::sqrt2 / 2; });
}

// ------------------------------------------------------------------------------------------------------ Fourier

/// Fourier basis over a sliding window of length 2: coefficients in the order 1, (0), cos, sin, cos, sin, ...
struct Fourier {};

/// B_0 = 1, B_2k = sqrt(2), 0 for odd n.                                        (N)
inline Eigen::VectorXd input(Fourier, Index N) {
  return detail::vector_of(N, [](Index n) { return n == 0 ? 1.0 : n % 2 == 0 ? std::numbers::sqrt2 : 0.0; });
}
/// A = -B B^T + rotations: A_(2k,2k+1) = -pi k, A_(2k+1,2k) = pi k.             (N, N)   O(N^2)
inline Eigen::MatrixXd transition(Fourier, Index N) {
  const Eigen::VectorXd B = input(Fourier{}, N);
  Eigen::MatrixXd A = detail::square_of(N, [&](Index n, Index k) { return -B(n) * B(k); });
  for (Index n = 2; n + 1 < N; n += 2) {
    const double turn = std::numbers::pi * static_cast<double>(n / 2);
    A(n, n + 1) -= turn;
    A(n + 1, n) += turn;
  }
  return A;
}
/// P = B: A + P P^T is skew.                                                    (N, 1)
inline Eigen::MatrixXd low_rank(Fourier, Index N) { return input(Fourier{}, N); }

/// A measure says how the past is weighed: its transition matrix, input vector and low-rank correction.
template <class M>
concept Measure = std::is_empty_v<M> && requires(Index N) {
  { transition(M{}, N) } -> std::same_as<Eigen::MatrixXd>;
  { input(M{}, N) } -> std::same_as<Eigen::VectorXd>;
  { low_rank(M{}, N) } -> std::same_as<Eigen::MatrixXd>;
};

}  // namespace ssm::hippo
