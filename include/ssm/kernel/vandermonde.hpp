#pragma once

#include "ssm/core/polynomial.hpp"
#include "ssm/kernel/thin_factors.hpp"
#include "ssm/system/diagonal.hpp"

namespace ssm::kernel {

/// Impulse response of a diagonal discrete system: a product with a Vandermonde matrix, of which no table is made.
///
///     K_k = sum over all N modes of C_n B_bar_n Lambda_bar_n^k,   0 <= k < length
///
/// S4D, arXiv:2206.11893, section 3.2. By two thin factors, K_(jT+i) = Re sum_n (Lambda_bar_n^i) (c_n
/// Lambda_bar_n^(jT)) with T about sqrt(L): one real matrix product with inner dimension N, and only N (T + L/T)
/// powers. fp64.
///
/// @param system   one input, one output, M modes
/// @param length   L                                        >= 0
/// @return         K (L)
/// @throws         ShapeError if there is not one input and one output; DomainError if the length is negative
/// @note           O(N L) time, O(N sqrt(L) + L) memory; equal to krylov of the dense system to 1e-10 of its peak
template <Fp64 S>
Vector<S> vandermonde(const DiscreteDiagonalSystem<S>& system, Index length) {
  ssm::detail::require_size("inputs of the system", 1, system.B_bar.cols());
  ssm::detail::require_size("outputs of the system", 1, system.C.rows());
  ssm::detail::require_at_least("length of the kernel", 0, length);
  const Index M = system.Lambda_bar.size();
  const Index block = block_of(length), blocks = (length + block - 1) / block;
  Matrix<S> fine(block, 2 * M), coarse(2 * M, blocks), K = Matrix<S>::Zero(block, blocks);
  for (Index n = 0; n < M; ++n) {
    const Complex<S> step = system.Lambda_bar(n);
    Complex<S> power = 1;
    for (Index i = 0; i < block; ++i, power *= step) {
      fine(i, 2 * n) = power.real();
      fine(i, 2 * n + 1) = -power.imag();
    }
    const Complex<S> jump = power;
    power = static_cast<double>(multiplicity(n, system.states)) * (system.C(0, n) * system.B_bar(n, 0));
    for (Index j = 0; j < blocks; ++j, power *= jump) {
      coarse(2 * n, j) = power.real();
      coarse(2 * n + 1, j) = power.imag();
    }
  }
  add_product(fine, coarse, K);
  return Eigen::Map<const Vector<S>>(K.data(), length);
}

/// Its vector-Jacobian product: a product with the transposed Vandermonde matrix and with that of its derivative, by
/// Horner's rule in all modes at once.
///
///     d(C_n B_bar_n) = m_n sum_k dK_k conj(Lambda_bar_n)^k,    dLambda_bar_n = m_n conj(C_n B_bar_n) sum_k k dK_k
///     conj(Lambda_bar_n)^(k-1)
///
/// with m_n how often mode n counts.
///
/// @param system    one input, one output, M modes
/// @param dK        cotangent of the kernel                        (L)
/// @param dsystem   += cotangents of Lambda_bar, B_bar and C
/// @throws          ShapeError if the sizes disagree
/// @note            O(N L) time, O(N) memory
template <Fp64 S>
void vandermonde_vjp(const DiscreteDiagonalSystem<S>& system, const Vector<double>& dK,
                     DiscreteDiagonalSystem<S>& dsystem) {
  ssm::detail::require_size("inputs of the system", 1, system.B_bar.cols());
  ssm::detail::require_size("outputs of the system", 1, system.C.rows());
  const Index M = system.Lambda_bar.size();
  ssm::detail::require_size("modes of the cotangent", M, dsystem.Lambda_bar.size());
  ssm::detail::PolynomialAtPoints p(M);
  for (Index n = 0; n < M; ++n) p.set(n, std::conj(system.Lambda_bar(n)));
  p.evaluate(dK.size(), [&](Index k) { return dK(k); });
  for (Index n = 0; n < M; ++n) {
    const auto count = static_cast<double>(multiplicity(n, system.states));
    const Complex<S> product = system.C(0, n) * system.B_bar(n, 0), dproduct = count * p.value(n);
    dsystem.Lambda_bar(n) += count * std::conj(product) * p.slope(n);
    dsystem.B_bar(n, 0) += std::conj(system.C(0, n)) * dproduct;
    dsystem.C(0, n) += std::conj(system.B_bar(n, 0)) * dproduct;
  }
}

}  // namespace ssm::kernel
