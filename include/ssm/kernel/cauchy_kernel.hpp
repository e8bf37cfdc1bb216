#pragma once

#include "ssm/core/array.hpp"
#include "ssm/fft/eigen.hpp"
#include "ssm/fft/length.hpp"
#include "ssm/kernel/cauchy.hpp"
#include "ssm/simd/pack.hpp"

#include <numbers>
#include <vector>

namespace ssm::kernel {

/// S4's kernel from C~, nodes side by side in lanes, in the caller's scalar.
///
///     K^(z_j) = (1 + i tau) [ k(C~ B) - k(C~ P) (I + k(Q* P))^-1 k(Q* B) ]
///     z_j = e^(-2 pi i j/L),   tau = tan(pi j/L),   K = inverse transform of K^
///     k(v) = sum over all N modes of (dt/2) v_n / (i tau - (dt/2) Lambda_n)
///
/// S4, arXiv:2111.00396, Algorithm 1, on the roots of unity, where g = (2/dt) i tau. A conjugate pair is summed at once
/// in real arithmetic: with (dt/2) Lambda = -alpha + i omega, the four sums of rank 1 share one reciprocal,
///
///     X = alpha^2 + (omega - tau)(omega + tau),   s = 1 / (X^2 + 4 alpha^2 tau^2)
///     Re k = 2 sum a x + Re v tau^2 q,   Im k = 2 tau sum Re v x - a q
///     a = Re v alpha - Im v omega,   x = X s,   q = 2 alpha s
///
/// omega and tau are kept in two parts, or their difference would lose the digits by which a slow mode misses a node.
///
/// On the unit circle a mode that hardly decays in L steps comes as near to a node as it likes, and C~ = C (I -
/// A_bar^L) loses the digits that the sums divide by; generating_function goes round a smaller circle, in fp64, and is
/// what this is held to.
///
/// Made once for a length: nodes, transform and buffers. One thread at a time.
///
/// @tparam T         scalar of the sums and of K
/// @tparam Backend   transforms
/// @tparam Arch      instruction set
template <std::floating_point T, fft::Backend<T> Backend = fft::EigenBackend, class Arch = simd::native>
class CauchyKernel {
  using Pack = simd::Pack<T, Arch>;

 public:
  /// @param length   L, most samples of a kernel      >= 1; `points()` is the next fast transform
  /// @throws         DomainError if the length is not positive
  explicit CauchyKernel(Index length)
      : plan_((ssm::detail::require_at_least("length of the kernel", 1, length), fft::fast_length(length))),
        tau_(3, padded(plan_.size() / 2)),
        spectrum_(static_cast<std::size_t>(plan_.size() / 2 + 1)),
        samples_(static_cast<std::size_t>(plan_.size())) {
    for (Index j = 0; j < tau_.columns(); ++j) {  // past the last node the first again
      const double angle = std::numbers::pi * static_cast<double>(j) / static_cast<double>(points());
      const double tau = j < points() / 2 ? std::tan(angle) : 0.0;
      tau_(high, j) = static_cast<T>(tau);
      tau_(low, j) = static_cast<T>(tau - static_cast<double>(tau_(high, j)));
      tau_(squared, j) = static_cast<T>(tau * tau);
    }
  }

  /// Nodes round the circle: the L that C~ must be made for, `truncated_output(.., {points(), 1})`.
  Index points() const noexcept { return plan_.size(); }
  /// Bytes held; the backend's tables come on top.
  Index bytes() const noexcept {
    return static_cast<Index>(sizeof(T)) * (tau_.size() + points() + 2 * static_cast<Index>(spectrum_.size())) +
           static_cast<Index>(coefficients_.size() * sizeof(T));
  }

  /// @param system    continuous system, M modes, rank R
  /// @param C_tilde   for points() nodes         (M)
  /// @param dt        time step                  s, > 0
  /// @param K         the first samples          (at most points())
  /// @throws          ShapeError if the sizes disagree; DomainError if dt is not positive and finite
  /// @note            O(N R^2 L + L log L)
  void operator()(const DplrSystem<double>& system, const RowVector<Complex<double>>& C_tilde, double dt,
                  std::span<T> K) {
    ssm::detail::require_size("modes of C~", system.modes(), C_tilde.size());
    ssm::detail::require_positive("dt", dt);
    if (static_cast<Index>(K.size()) > points())
      throw ShapeError(
          ssm::detail::message("length of the kernel: expected at most the ", points(), " points, got ", K.size()));
    set(system, C_tilde, dt / 2);
    switch (system.rank()) {
      case 0:
        evaluate<1>(1);
        break;
      case 1:
        evaluate<2>(2);
        break;
      default:
        evaluate<max_rank + 1>(1 + system.rank());
    }
    double CB = 0;  // the limit at z = -1
    for (Index n = 0; n < system.modes(); ++n)
      CB += static_cast<double>(multiplicity(n, system.states)) * (C_tilde(n) * system.B(n)).real();
    spectrum_.back() = static_cast<T>(dt / 2 * CB);
    plan_.inverse(spectrum_, samples_);
    std::copy_n(samples_.begin(), K.size(), K.begin());
  }

 private:
  enum Part : Index { high, low, squared };                                              // of tau
  enum Coefficient : Index { omega_high, omega_low, alpha_squared, twice_alpha, sums };  // then a and Re v of each sum

  /// Packs of nodes that are summed at a time: what the registers hold.
  static constexpr Index together = 2;

  static Index padded(Index nodes) {
    constexpr Index step = together * simd::group<T>;
    return (nodes + step - 1) / step * step;
  }

  /// Sets the numbers of each mode that the sums use, one row each.
  void set(const DplrSystem<double>& system, const RowVector<Complex<double>>& C_tilde, double half) {
    const Index M = system.modes(), R = system.rank(), width = 1 + R;
    row_ = sums + 2 * width * width;
    coefficients_.resize(static_cast<std::size_t>(M * row_));
    for (Index n = 0; n < M; ++n) {
      T* const c = coefficients_.data() + n * row_;
      const double alpha = -half * system.Lambda(n).real(), omega = half * system.Lambda(n).imag();
      c[omega_high] = static_cast<T>(omega);
      c[omega_low] = static_cast<T>(omega - static_cast<double>(c[omega_high]));
      c[alpha_squared] = static_cast<T>(alpha * alpha);
      c[twice_alpha] = static_cast<T>(2 * alpha);
      for (Index i = 0; i < width * width; ++i) {
        const Complex<double> v = half * detail::cauchy_numerator(system, C_tilde, n, i / width, i % width);
        c[sums + 2 * i] = static_cast<T>(v.real() * alpha - v.imag() * omega);
        c[sums + 2 * i + 1] = static_cast<T>(v.real());
      }
    }
  }

  /// The spectrum but for its last bin; Width is 1 + R, or the largest there is.
  template <Index Width>
  void evaluate(Index width_given) {
    const Index width = Width == max_rank + 1 ? width_given : Width,
                M = static_cast<Index>(coefficients_.size()) / row_;
    struct Nodes {
      Pack tau, rest, tau_squared;
      std::array<std::array<Pack, 2>, std::size_t(Width* Width)> sums;  // Re k / 2, Im k / (2 tau)
    };
    constexpr Index step = together * Pack::size;
    std::array<T, std::size_t(2 * Width * Width * step)> values;
    for (Index first = 0; first < points() / 2; first += step) {
      std::array<Nodes, std::size_t(together)> all;
      for (Index i = 0; i < together; ++i) {
        const Index j = first + i * Pack::size;
        Nodes& nodes = all[static_cast<std::size_t>(i)];
        nodes = {Pack::load(&tau_(high, j)), Pack::load(&tau_(low, j)), Pack::load(&tau_(squared, j)), {}};
        for (auto& sum : nodes.sums) sum.fill(Pack(T(0)));
      }
      for (Index n = 0; n < M; ++n) {
        const T* const c = coefficients_.data() + n * row_;
        const Pack omega(c[omega_high]), omega_rest(c[omega_low]), alpha2(c[alpha_squared]), twice(c[twice_alpha]);
        std::array<Pack, std::size_t(together)> x, q, p;
        for (std::size_t i = 0; i < std::size_t(together); ++i) {
          const Nodes& nodes = all[i];
          const Pack difference = (omega - nodes.tau) + (omega_rest - nodes.rest);
          const Pack X = fma(difference, omega + nodes.tau, alpha2), Y = twice * twice * nodes.tau_squared;
          const Pack s = Pack(T(1)) / fma(X, X, Y);
          x[i] = X * s;
          q[i] = twice * s;
          p[i] = nodes.tau_squared * q[i];
        }
        for (std::size_t k = 0; k < static_cast<std::size_t>(width * width); ++k) {
          const Pack a(c[sums + 2 * k]), v(c[sums + 2 * k + 1]);
          for (std::size_t i = 0; i < std::size_t(together); ++i) {
            auto& [re, im] = all[i].sums[k];
            re = fma(a, x[i], fma(v, p[i], re));
            im = fma(v, x[i], fnma(a, q[i], im));
          }
        }
      }
      for (Index i = 0; i < together; ++i)
        for (Index k = 0; k < width * width; ++k) {
          const Nodes& nodes = all[static_cast<std::size_t>(i)];
          const auto& [re, im] = nodes.sums[static_cast<std::size_t>(k)];
          re.store(values.data() + 2 * k * step + i * Pack::size);
          (im * nodes.tau).store(values.data() + (2 * k + 1) * step + i * Pack::size);
        }
      for (Index j = 0; j < std::min(step, points() / 2 - first); ++j) {
        const auto k = [&](Index left, Index right) {
          const T* const value = values.data() + 2 * (left * width + right) * step + j;
          return Complex<T>(value[0], value[step]);
        };
        spectrum_[static_cast<std::size_t>(first + j)] =
            ssm::detail::plain_product(Complex<T>(1, tau_(high, first + j)), woodbury(k, width - 1));
      }
    }
  }

  /// k(C~ B) - k(C~ P) (I + k(Q* P))^-1 k(Q* B)
  template <class Sums>
  static Complex<T> woodbury(Sums k, Index R) {
    if (R == 0) return k(0, 0);
    if (R == 1) {
      const Complex<T> below = T(1) + k(1, 1);
      const T scale = 1 / std::norm(below);
      return k(0, 0) -
             ssm::detail::plain_product(ssm::detail::plain_product(k(0, 1), k(1, 0)), scale * std::conj(below));
    }
    return k(0, 0) - detail::low_rank_share<T>(R, k);
  }

  typename Backend::template Plan<T> plan_;
  Array<T> tau_;                 // (3, nodes)
  std::vector<T> coefficients_;  // (M, row)
  Index row_ = 0;
  std::vector<Complex<T>> spectrum_;
  std::vector<T> samples_;
};

}  // namespace ssm::kernel
