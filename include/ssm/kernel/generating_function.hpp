#pragma once

#include "ssm/core/gemm.hpp"
#include "ssm/discretize/bilinear.hpp"
#include "ssm/fft/eigen.hpp"
#include "ssm/fft/length.hpp"
#include "ssm/kernel/cauchy.hpp"

#include <numbers>

namespace ssm::kernel {

/// The points z at which S4's truncated generating function is evaluated: `length` of them, evenly round a circle.
///
///     z_j = r e^(-2 pi i j / L),   r^L = damping
///
/// With damping 1 they are the paper's roots of unity. On the unit circle a mode that hardly decays comes as near to a
/// node as it likes, and C~ = C (I - A_bar^L) loses the digits that the Cauchy sums divide by; at damping 1/4 no node
/// is nearer to a pole than 1.4 / L and nothing cancels, for the price of growing errors late in the kernel fourfold.
struct Circle {
  Index length;           ///< L           >= 1
  double damping = 0.25;  ///< r^L         0 < damping <= 1

  /// r
  double radius() const { return std::exp(std::log(damping) / static_cast<double>(length)); }
};

/// C~ = C (I - damping A_bar^L), which makes the infinite generating function the truncated one.
///
/// S4, arXiv:2111.00396, Lemma C.1. By repeated squaring of the real dense A_bar, in fp64.
///
/// @param system    discrete diagonal plus low rank, M modes
/// @param circle    L and damping
/// @return          C~ (M)
/// @note            O(N^3 log L) time, 3 N^2 numbers of memory
inline RowVector<Complex<double>> truncated_output(const DiscreteDplrSystem<double>& system, Circle circle) {
  const DiscreteDenseSystem<double> real = dense(system);
  const Index M = system.modes(), odd = system.states % 2;
  const Index N = system.states;
  RowVector<double> row = real.C, next(N);
  Matrix<double> power = real.A_bar, square(N, N);
  Gemm<double> gemm(N, N, N);
  for (Index bits = circle.length; bits > 0; bits >>= 1) {
    if (bits & 1) {
      for (Index n = 0; n < N; ++n) {
        next(n) = 0;
        for (Index m = 0; m < N; ++m) next(n) += row(m) * power(m, n);
      }
      row.swap(next);
    }
    if (bits > 1) {
      square.setZero();
      gemm.add_product(N, N, N, {power.data(), N}, {power.data(), N}, {square.data(), N});
      power.swap(square);
    }
  }
  for (Index n = 0; n < N; ++n) row(n) = real.C(0, n) - circle.damping * row(n);
  RowVector<Complex<double>> C_tilde(M);  // back from (2 Re, -2 Im)
  for (Index n = 0; n < M; ++n)
    C_tilde(n) = n < odd ? Complex<double>(row(n)) : Complex<double>(row(n) / 2, -row(M - odd + n) / 2);
  return C_tilde;
}

/// Generating function of a DPLR system's truncated kernel at the points of a circle, by Cauchy sums and Woodbury's
/// identity.
///
///     K^(z) = sum_(k < L) K_k z^k = 2/(1+z) [ k(C~ B) - k(C~ P) (I + k(P* P))^-1 k(P* B) ]   at g = (2/dt) (1-z)/(1+z)
///
/// S4, arXiv:2111.00396, section 3.3 and appendix C.3. Where z = -1 the value is its limit, dt/2 C~ B.
///
/// @param system     continuous system, M modes, rank R
/// @param C_tilde    truncated_output of its discretization        (M)
/// @param dt         time step                                     s, > 0
/// @param circle     L and damping
/// @param spectrum   K^ at z_0 .. z_(L/2)                          (L/2 + 1); the rest are conjugates
/// @note             O(N R^2 L) time, O(N R^2) memory
inline void generating_function(const DplrSystem<double>& system, const RowVector<Complex<double>>& C_tilde, double dt,
                                Circle circle, std::span<Complex<double>> spectrum) {
  ssm::detail::require_size("bins of the spectrum", circle.length / 2 + 1, static_cast<Index>(spectrum.size()));
  CauchySums cauchy(system, C_tilde);
  const Index R = system.rank(), width = cauchy.width(), bins = circle.length / 2 + 1;
  const double radius = circle.radius();
  std::array<Complex<double>, CauchySums::tile> nodes, factors;
  for (Index first = 0; first < bins; first += CauchySums::tile) {
    const Index count = std::min(CauchySums::tile, bins - first);
    for (Index j = 0; j < count; ++j) {
      // 1 -+ z = e^(-i theta/2) (e^(i theta/2) -+ r e^(-i theta/2)), z = r e^(-i theta): accurate also near z = +-1
      const double half = std::numbers::pi * static_cast<double>(first + j) / static_cast<double>(circle.length);
      const double c = 2 * (first + j) == circle.length ? 0.0 : std::cos(half), s = std::sin(half);
      const Complex<double> minus((1 - radius) * c, (1 + radius) * s), plus((1 + radius) * c, (1 - radius) * s);
      const bool at_minus_one = plus == Complex<double>(0);
      nodes[static_cast<std::size_t>(j)] = at_minus_one ? Complex<double>(1) : 2 / dt * minus / plus;
      factors[static_cast<std::size_t>(j)] = at_minus_one ? 0.0 : 2.0 * Complex<double>(c, s) / plus;
    }
    const auto sums = cauchy(std::span(nodes).first(static_cast<std::size_t>(count)));
    for (Index j = 0; j < count; ++j) {
      Complex<double> value = sums(j, 0);
      if (R == 1) {
        value -= sums(j, 1) * sums(j, 2) / (1.0 + sums(j, 3));
      } else if (R > 1) {
        value -=
            detail::low_rank_share<double>(R, [&](Index left, Index right) { return sums(j, left * width + right); });
      }
      spectrum[static_cast<std::size_t>(first + j)] = factors[static_cast<std::size_t>(j)] * value;
    }
  }
  if (circle.length % 2 == 0 && radius == 1) {
    double CB = 0;
    for (Index n = 0; n < system.modes(); ++n)
      CB += static_cast<double>(multiplicity(n, system.states)) * (C_tilde(n) * system.B(n)).real();
    spectrum.back() = dt / 2 * CB;
  }
}

/// Impulse response of a DPLR system by S4's algorithm: truncated generating function, Cauchy sums, Woodbury, inverse
/// FFT.
///
///     K_k = C A_bar^k B_bar,   0 <= k < length,   A_bar and B_bar the bilinear discretization at dt
///
/// S4, arXiv:2111.00396, Algorithm 1. Works in fp64 whatever T is: the result is what is rounded.
///
/// @param system   continuous system, M modes, rank R
/// @param dt       time step                        s, > 0
/// @param length   L                                >= 0, any: the transform takes the next fast length
/// @return         K (L), equal to krylov of the dense system to 1e-10 of its peak (1e-5 for float)
/// @throws         ShapeError if the sizes disagree; DomainError if dt is not positive and finite or the length
/// negative
/// @note           O(N R^2 L + L log L + N^3 log L) time, O(N^2 + L) memory
template <class T, fft::Backend<double> Backend = fft::EigenBackend>
Vector<T> generating_function(const DplrSystem<T>& system, T dt, Index length) {
  ssm::detail::require_at_least("length of the kernel", 0, length);
  const DplrSystem<double> wide{system.states, system.Lambda.template cast<Complex<double>>(),
                                system.P.template cast<Complex<double>>(), system.B.template cast<Complex<double>>(),
                                system.C.template cast<Complex<double>>()};
  const auto step = static_cast<double>(dt);
  const DiscreteDplrSystem<double> discrete = discretize(Bilinear{}, wide, step);
  if (length == 0) return Vector<T>(0);
  const Circle circle{fft::fast_length(length)};
  std::vector<Complex<double>> spectrum(static_cast<std::size_t>(circle.length / 2 + 1));
  generating_function(wide, truncated_output(discrete, circle), step, circle, spectrum);
  std::vector<double> samples(static_cast<std::size_t>(circle.length));
  typename Backend::template Plan<double> plan(circle.length);
  plan.inverse(spectrum, samples);
  Vector<T> K(length);
  const double growth = std::log(circle.damping) / static_cast<double>(circle.length);
  for (Index k = 0; k < length; ++k)
    K(k) = static_cast<T>(samples[static_cast<std::size_t>(k)] * std::exp(-growth * static_cast<double>(k)));
  return K;
}

}  // namespace ssm::kernel
