#pragma once

#include "ssm/core/matrix.hpp"

#include <Eigen/LU>

#include <algorithm>
#include <array>
#include <cmath>

namespace ssm::detail {

/// e^A by scaling and squaring, with the diagonal Padé approximant of degree 13:
///
///     e^A = r(A / 2^s)^(2^s),   r(A) = (V - U)^-1 (V + U),   U the odd and V the even terms of sum over k of b_k A^k
///
/// 2^s being the smallest power that brings the largest column sum to 5.37 or less, where r's backward error is below
/// the unit roundoff of fp64. Higham 2005, "The scaling and squaring method for the matrix exponential revisited",
/// algorithm 2.3 without its lower degrees.
///
/// @param A   (N, N), finite     1
/// @note      O((6 + s) N^3). Eigen has this among its unsupported modules alone, and in a form that takes every user
///            of a dense system half a second to compile.
template <Fp64 T>
Matrix<T> matrix_exponential(const Matrix<T>& A) {
  constexpr std::array<double, 14> b{64764752532480000,
                                     32382376266240000,
                                     7771770303897600,
                                     1187353796428800,
                                     129060195264000,
                                     10559470521600,
                                     670442572800,
                                     33522128640,
                                     1323241920,
                                     40840800,
                                     960960,
                                     16380,
                                     182,
                                     1};
  constexpr double largest_norm = 5.371920351148152;  // theta_13 of table 2.3
  const Index N = A.rows(), size = N * N;
  double norm = 0;
  for (Index m = 0; m < N; ++m) {
    double column = 0;
    for (Index n = 0; n < N; ++n) column += std::abs(A(n, m));
    norm = std::max(norm, column);
  }
  int squarings = 0;
  while (std::ldexp(norm, -squarings) > largest_norm && std::isfinite(norm)) ++squarings;

  Matrix<T> A1(N, N);
  for (Index i = 0; i < size; ++i) A1.data()[i] = std::ldexp(A.data()[i], -squarings);
  const auto product = [](const Matrix<T>& left, const Matrix<T>& right) { return Matrix<T>(left * right); };
  const Matrix<T> A2 = product(A1, A1), A4 = product(A2, A2), A6 = product(A4, A2);
  // the terms b_k A6 + b_(k-2) A4 + b_(k-4) A2, and b_(k-6) I
  const auto terms = [&](std::size_t k, bool identity) {
    Matrix<T> sum(N, N);
    for (Index i = 0; i < size; ++i)
      sum.data()[i] = b[k] * A6.data()[i] + b[k - 2] * A4.data()[i] + b[k - 4] * A2.data()[i];
    for (Index n = 0; n < N && identity; ++n) sum(n, n) += b[k - 6];
    return sum;
  };
  const auto add = [size](const Matrix<T>& more, Matrix<T>& sum) {
    for (Index i = 0; i < size; ++i) sum.data()[i] += more.data()[i];
  };
  Matrix<T> odd = terms(7, true);
  add(product(A6, terms(13, false)), odd);
  const Matrix<T> U = product(A1, odd);
  Matrix<T> V = terms(6, true);
  add(product(A6, terms(12, false)), V);
  Matrix<T> above(N, N), below(N, N);
  for (Index i = 0; i < size; ++i) {
    above.data()[i] = V.data()[i] + U.data()[i];
    below.data()[i] = V.data()[i] - U.data()[i];
  }
  Matrix<T> power = Eigen::PartialPivLU<Matrix<T>>(below).solve(above);
  for (; squarings > 0; --squarings) power = product(power, power);
  return power;
}

}  // namespace ssm::detail
