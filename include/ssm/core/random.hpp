#pragma once

#include <cmath>
#include <cstdint>
#include <random>

namespace ssm {

/// Random numbers that are the same for the same seed on every platform and compiler.
///
/// The bits are std::mt19937_64's, whose output the standard fixes. The standard's distributions are not fixed, and
/// those that call log or cos differ in the last bit between mathematical libraries; so the normal deviates here are
/// made by comparisons alone: Karney's exact sampling ("Sampling exactly from the normal distribution",
/// arXiv:1303.6257).
class Random {
 public:
  /// The seed decides all that follows.
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// 64 random bits.
  std::uint64_t bits() { return engine_(); }

  /// Uniform on [0, 1), a multiple of 2^-53.
  double uniform() { return static_cast<double>(bits() >> 11U) * 0x1p-53; }

  /// Uniform on [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// exp of a uniform on [log low, log high): how time steps are drawn. Its last bit is the platform's exp and log.
  double log_uniform(double low, double high) { return std::exp(uniform(std::log(low), std::log(high))); }

  /// Normal with mean 0 and variance 1. About forty draws of bits.
  double normal() {
    for (;;) {  // N1..N4: |x| = k + fraction, accepted with probability exp(-x^2/2) relative to the proposal
      std::uint64_t k = 0;
      while (exp_minus_half()) ++k;
      bool accepted = true;
      for (std::uint64_t i = 0; accepted && k > 1 && i < k * (k - 1); ++i) accepted = exp_minus_half();
      if (!accepted) continue;
      const std::uint64_t fraction = bits();
      for (std::uint64_t i = 0; accepted && i <= k; ++i) accepted = exp_of_fraction(k, fraction);
      if (!accepted) continue;
      const double magnitude = static_cast<double>(k) + static_cast<double>(fraction >> 11U) * 0x1p-53;
      return (bits() & 1U) != 0 ? -magnitude : magnitude;
    }
  }

  /// Normal cut off beyond two standard deviations and widened again to variance 1.
  double truncated_normal() {
    constexpr double deviation = 0.87962566103423978;  // of the normal distribution on [-2, 2]
    for (;;)
      if (const double x = normal(); std::abs(x) <= 2) return x / deviation;
  }

 private:
  /// True with probability exp(-1/2): the length of a run 1/2 > u1 > u2 > ... is even (von Neumann).
  bool exp_minus_half() {
    bool even = true;
    for (std::uint64_t last = std::uint64_t{1} << 63U, next = bits(); next < last; next = bits()) {
      last = next;
      even = !even;
    }
    return even;
  }

  /// True with probability exp(-x (2k + x) / (2k + 2)), x the fraction: Karney's algorithm B.
  bool exp_of_fraction(std::uint64_t k, std::uint64_t x) {
    bool even = true;
    for (std::uint64_t last = x;; even = !even) {
      const std::uint64_t z = bits();
      if (z >= last) return even;
      const std::uint64_t choice = bits() % (2 * k + 2);
      if (choice == 0 || (choice == 1 && bits() >= x)) return even;
      last = z;
    }
  }

  std::mt19937_64 engine_;
};

}  // namespace ssm
