#pragma once

#include "ssm/system/dense.hpp"

namespace ssm::kernel {

/// Impulse response of a dense discrete system, sample by sample: the slow, obvious version that the others are held
/// to.
///
///     K_k = C A_bar^k B_bar,   0 <= k < length
///
/// S4, arXiv:2111.00396, equation 5.
///
/// @param system   A_bar (N, N), B_bar (N, 1), C (1, N)
/// @param length   L                                        >= 0
/// @return         K (L)
/// @throws         ShapeError if there is not one input and one output; DomainError if the length is negative
/// @note           O(N^2 L)
template <class T>
Vector<T> krylov(const DiscreteDenseSystem<T>& system, Index length) {
  ssm::detail::require_size("inputs of the system", 1, system.B_bar.cols());
  ssm::detail::require_size("outputs of the system", 1, system.C.rows());
  ssm::detail::require_at_least("length of the kernel", 0, length);
  Vector<T> K(length), x = system.B_bar;
  for (Index k = 0; k < length; ++k) {
    K(k) = (system.C * x)(0);
    x = system.A_bar * x;
  }
  return K;
}

}  // namespace ssm::kernel
