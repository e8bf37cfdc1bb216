#pragma once

#include "ssm/core/index.hpp"

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>

namespace ssm::detail {

/// Coefficients of a mode for the end of a block of S steps, when the deviation d that grew beside the held state X
/// goes into X; see ModalRecurrence.
///
///     X <- X + d + e X + r d
///
/// f, A_bar rounded, is used in the block, and g, A_bar - 1 rounded. With E_i = A_bar^i - f^i, the state X alone comes
/// to
///
///     (1 + g sum f^i) X           where it should be A_bar^S X = (1 + (A_bar - 1) sum A_bar^i) X,      i = 0 .. S-1
///
/// The difference is ((A_bar - 1) sum E_i + (A_bar - 1 - g) sum f^i) X. Its first part comes from d, so it is taken
/// from d, r = (A_bar - 1) sum E_i / (A_bar^S - 1): that is right for a constant input as well, and a mode that has
/// come to rest is left at rest. A mode that turns in the block and rings on would divide by nearly 0; there it is
/// taken in proportion to the state at the end, (A_bar - 1) sum E_i / A_bar^S of X + d, which is as right for what
/// rings, and does nothing where a low-rank part has damped it. Modes that are not held (fast ones, X = 0) have r =
/// A_bar^S / f^S - 1. Sums over S steps take log2(S) doublings.
struct ModalTurn {
  /// S
  static constexpr Index block = 64;

  Complex<double> factor;     ///< f
  Complex<double> drift;      ///< g, or 0 where the mode is not held
  Complex<double> of_held;    ///< e
  Complex<double> of_moving;  ///< r

  /// @tparam X       scalar that f and g are rounded to
  /// @param Delta    A_bar - 1, to its own digits
  /// @param held     whether the mode is held
  template <Real X>
  static ModalTurn of(Complex<double> Delta, bool held) {
    const auto rounded = [](Complex<double> z) { return Complex<double>(nearest<X>(z.real()), nearest<X>(z.imag())); };
    const auto divided = [](Complex<double> a, Complex<double> b) {
      return plain_product(a, std::conj(b)) / std::norm(b);
    };
    ModalTurn turn{rounded(1.0 + Delta), {}, {}, {}};
    Complex<double> A = 1.0 + Delta, f = turn.factor;  // to the power of n
    Complex<double> E = Delta - (f - 1.0);             // A_bar^n - f^n
    Complex<double> D = Delta;                         // A_bar^n - 1
    Complex<double> sum_E = 0, sum_f = 1;              // over i < n
    for (Index n = 1; n < block; n *= 2) {
      sum_E += plain_product(A, sum_E) + plain_product(E, sum_f);
      sum_f += plain_product(f, sum_f);
      E = plain_product(E, A + f);
      D += D + plain_product(D, D);
      A = plain_product(A, A);
      f = plain_product(f, f);
    }
    if (!held) {
      if (std::norm(f) > 1e-6) turn.of_moving = divided(E, f);
      return turn;
    }
    turn.drift = rounded(Delta);
    turn.of_held = plain_product(Delta - turn.drift, sum_f);
    const Complex<double> of_f = plain_product(Delta, sum_E);
    if (std::abs(Delta.imag()) * static_cast<double>(block) > 2 && std::norm(A) > least * least) {
      turn.of_moving = divided(of_f, A);
      turn.of_held += turn.of_moving;
    } else if (std::norm(D) > std::numeric_limits<double>::min()) {  // a mode slower than that does not move at all
      turn.of_moving = divided(of_f, D);
    }
    return turn;
  }

 private:
  /// Rounds z to X's digits, by its bits: GCC 12 takes a conversion to float and back for nothing where it vectorizes.
  template <Real X>
  static double nearest(double z) noexcept {
    constexpr int dropped = std::numeric_limits<double>::digits - std::numeric_limits<X>::digits;
    if constexpr (dropped > 0) {
      constexpr auto half = std::uint64_t{1} << (dropped - 1);
      return std::bit_cast<double>((std::bit_cast<std::uint64_t>(z) + half) & ~(2 * half - 1));
    } else {
      return z;
    }
  }
  static constexpr double least = 0.1;  // |A_bar^S| of a mode that still rings at the end of a block
};

}  // namespace ssm::detail
