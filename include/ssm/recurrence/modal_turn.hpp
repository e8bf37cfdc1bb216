#pragma once

#include "ssm/core/index.hpp"
#include "ssm/simd/complex_pack.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace ssm::detail {

/// Complex numbers of a group of features, one a lane.
template <Real X>
class ComplexLanes {
 public:
  /// Number of lanes.
  static constexpr Index size = simd::group<X>;

  Complex<double> operator[](Index lane) const noexcept { return {re_[place(lane)], im_[place(lane)]}; }
  void set(Index lane, Complex<double> value) noexcept {
    re_[place(lane)] = value.real();
    im_[place(lane)] = value.imag();
  }
  /// A pack of them, from a lane on.
  template <class Arch>
  simd::ComplexPack<double, Arch> load(Index lane) const noexcept {
    using Part = simd::Pack<double, Arch>;
    return {Part::load(re_.data() + lane), Part::load(im_.data() + lane)};
  }
  template <class Arch>
  void store(Index lane, const simd::ComplexPack<double, Arch>& values) noexcept {
    values.re.store(re_.data() + lane);
    values.im.store(im_.data() + lane);
  }

 private:
  static std::size_t place(Index lane) noexcept { return static_cast<std::size_t>(lane); }
  std::array<double, std::size_t(size)> re_{}, im_{};
};

/// Coefficients of a mode of a group of features for the end of a block of S steps, when the deviation d that grew
/// beside the held state X goes into X; see ModalRecurrence.
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
///
/// @tparam X   scalar that f and g are rounded to
template <Real X>
struct ModalTurn {
  /// S
  static constexpr Index block = 64;

  ComplexLanes<X> factor;     ///< f
  ComplexLanes<X> drift;      ///< g, or 0 where the mode is not held
  ComplexLanes<X> of_held;    ///< e
  ComplexLanes<X> of_moving;  ///< r

  /// @tparam Arch   instruction set
  /// @param Delta   A_bar - 1, to its own digits
  /// @param held    bit of each lane: whether the mode is held
  template <class Arch>
  static ModalTurn of(const ComplexLanes<X>& Delta, unsigned held) noexcept {
    ModalTurn turn;
    for (Index lane = 0; lane < Delta.size; ++lane) turn.factor.set(lane, rounded(1.0 + Delta[lane]));
    const Sums sums = turn.template doubled<Arch>(Delta);
    for (Index lane = 0; lane < Delta.size; ++lane) turn.set(lane, Delta[lane], (held >> lane & 1U) != 0, sums);
    return turn;
  }

 private:
  /// Powers to S, and sums over i < S.
  struct Sums {
    ComplexLanes<X> A;      ///< A_bar^S
    ComplexLanes<X> f;      ///< f^S
    ComplexLanes<X> D;      ///< A_bar^S - 1
    ComplexLanes<X> E;      ///< A_bar^S - f^S
    ComplexLanes<X> sum_E;  ///< of A_bar^i - f^i
    ComplexLanes<X> sum_f;  ///< of f^i
  };
  template <class Arch>
  Sums doubled(const ComplexLanes<X>& Delta) const noexcept {
    using Pair = simd::ComplexPack<double, Arch>;
    using Part = typename Pair::Part;
    Sums sums;
    for (Index lane = 0; lane < Delta.size; lane += Part::size) {
      const Part one(1.0);
      Pair D = Delta.template load<Arch>(lane), f = factor.template load<Arch>(lane);  // of n steps, 1 to begin with
      Pair A{one + D.re, D.im}, E{D.re - (f.re - one), D.im - f.im}, sum_E = Pair::zero(), sum_f{one, Part(0.0)};
      for (Index n = 1; n < block; n *= 2) {
        sum_E = fma(A, sum_E, fma(E, sum_f, sum_E));
        sum_f = fma(f, sum_f, sum_f);
        E = E * (A + f);
        D = fma(D, D, D + D);
        A = A * A;
        f = f * f;
      }
      sums.A.store(lane, A);
      sums.f.store(lane, f);
      sums.D.store(lane, D);
      sums.E.store(lane, E);
      sums.sum_E.store(lane, sum_E);
      sums.sum_f.store(lane, sum_f);
    }
    return sums;
  }
  void set(Index lane, Complex<double> Delta, bool held, const Sums& sums) noexcept {
    if (!held) {
      if (std::norm(sums.f[lane]) > 1e-6) of_moving.set(lane, plain_quotient(sums.E[lane], sums.f[lane]));
      return;
    }
    drift.set(lane, rounded(Delta));
    const Complex<double> A = sums.A[lane], D = sums.D[lane], of_f = plain_product(Delta, sums.sum_E[lane]);
    Complex<double> of_X = plain_product(Delta - drift[lane], sums.sum_f[lane]);
    if (std::abs(Delta.imag()) * static_cast<double>(block) > 2 && std::norm(A) > least * least) {
      of_moving.set(lane, plain_quotient(of_f, A));
      of_X += of_moving[lane];
    } else if (std::norm(D) > std::numeric_limits<double>::min()) {  // a mode slower than that does not move at all
      of_moving.set(lane, plain_quotient(of_f, D));
    }
    of_held.set(lane, of_X);
  }
  static Complex<double> rounded(Complex<double> z) noexcept { return {nearest(z.real()), nearest(z.imag())}; }
  /// Rounds z to X's digits, by its bits: GCC 12 takes a conversion to float and back for nothing where it vectorizes.
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
