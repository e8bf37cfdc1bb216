#pragma once

#include "ssm/core/matrix.hpp"
#include "ssm/core/random.hpp"
#include "ssm/hippo/nplr.hpp"
#include "ssm/system/diagonal.hpp"

/// Diagonal initial values of S4D: Gu, Gupta, Goel, Re 2022, "On the Parameterization and Initialization of Diagonal
/// State Space Models", arXiv:2206.11893, section 4. Each gives one eigenvalue of every conjugate pair and its input,
/// by increasing imaginary part; for an odd N the first one is real.
namespace ssm::diagonal {

/// Eigenvalues and input of M = (N+1)/2 modes.
struct Modes {
  Vector<Complex<double>> Lambda;  ///< (M)     1/s
  Vector<Complex<double>> B;       ///< (M)
};

/// S4D-Lin: Lambda_n = -1/2 + i pi n, B = 1.
struct Linear {};
/// S4D-Inv: Lambda_n = -1/2 + i N/pi (N/(2n+1) - 1), B = 1.
struct Inverse {};
/// Unplanned initial values, for comparison: Re Lambda uniform in [-1, 0), Im Lambda uniform over S4D-Lin's range,
/// B = 1.
struct Unstructured {};

/// Diagonal plus low rank of random phase: eigenvalues and input of a diagonal initializer, and P complex normal of
/// variance 1. The second published initial value of S4, beside the exact NPLR form of a measure.
template <class Diagonal>
struct RandomLowRank {
  Index rank = 1;  ///< R
};

namespace detail {

/// @param lambda   (n, real) -> eigenvalue n, its imaginary part left out where the mode is real
template <class Lambda>
Modes modes_with_unit_input(Index N, Lambda&& lambda) {
  ssm::detail::require_at_least("states", 0, N);
  const Index M = modes_of(N);
  Modes modes{Vector<Complex<double>>(M), Vector<Complex<double>>(M)};
  for (Index n = 0; n < M; ++n) {
    modes.Lambda(n) = lambda(n);
    modes.B(n) = 1;
  }
  if (N % 2 == 1) modes.Lambda(0) = modes.Lambda(0).real();
  return modes;
}

}  // namespace detail

/// @throws DomainError if N is negative
/// @note   O(N); of a measure O(N^3)
inline Modes modes(Linear, Index N, ssm::Random&) {
  return detail::modes_with_unit_input(
      N, [](Index n) { return Complex<double>(-0.5, std::numbers::pi * static_cast<double>(n)); });
}
/// Returns the modes of this initial value.
inline Modes modes(Inverse, Index N, ssm::Random&) {
  const auto size = static_cast<double>(N);
  return detail::modes_with_unit_input(N, [&](Index n) {  // the paper's order reversed: Im increases, 0 for odd N first
    const auto reversed = static_cast<double>(modes_of(N) - 1 - n);
    return Complex<double>(-0.5, size / std::numbers::pi * (size / (2 * reversed + 1) - 1));
  });
}
/// Spectrum of a measure's HiPPO-N, its low-rank part left out; B is half the measure's own, so that for many states
/// the kernels are those of the whole matrix (theorem 3 of the paper, proved for LegS: S4D-LegS). Fourier's modes,
/// Lambda_n = i pi n, do not decay; what is stored decays over 1,000 s.
template <hippo::Measure Measure>
Modes modes(Measure, Index N, ssm::Random&) {
  hippo::Nplr half = hippo::nplr(Measure{}, N).half();
  for (Index n = 0; n < half.B.size(); ++n) half.B(n) /= 2;
  return {std::move(half.Lambda), std::move(half.B)};
}
/// Returns the modes of this initial value.
inline Modes modes(Unstructured, Index N, ssm::Random& random) {
  return detail::modes_with_unit_input(N, [&](Index) {
    const double decay = 1 - random.uniform();  // in (0, 1]
    return Complex<double>(-decay, std::numbers::pi * static_cast<double>(N) / 2 * random.uniform());
  });
}

/// A type of which `modes` makes eigenvalues and inputs.
template <class I>
concept Initializer = std::is_empty_v<I> && requires(Index N, ssm::Random& random) {
  { modes(I{}, N, random) } -> std::same_as<Modes>;
};

}  // namespace ssm::diagonal
