#pragma once

#include "ssm/core/settle.hpp"
#include "ssm/simd/pack.hpp"

namespace ssm::simd {

/// See ssm::detail::settle.
template <Real X, class Arch>
Pack<X, Arch> settle(const Pack<X, Arch>& a) noexcept {
  const Pack<X, Arch> grid(ssm::detail::settling_grid<X>);
  return (a + grid) - grid;
}

/// Complex numbers in lanes: a pack of real parts and one of imaginary parts. In memory a group of real parts lies
/// before a group of imaginary ones, so that both packs are loaded as they lie.
template <Real X, class Arch = native>
struct ComplexPack {
  /// Real numbers in lanes.
  using Part = Pack<X, Arch>;
  Part re;  ///< real parts
  Part im;  ///< imaginary parts

  /// Loads numbers whose first real part is at `from`.
  static ComplexPack load(const X* from) noexcept { return {Part::load(from), Part::load(from + group<X>)}; }
  /// Returns zeros.
  static ComplexPack zero() noexcept { return {Part(X(0)), Part(X(0))}; }
  /// Stores the numbers so that the first real part is at `to`.
  void store(X* to) const noexcept {
    re.store(to);
    im.store(to + group<X>);
  }
  /// Adds to the numbers whose first real part is at `to`.
  void add_to(X* to) const noexcept {
    (Part::load(to) + re).store(to);
    (Part::load(to + group<X>) + im).store(to + group<X>);
  }

  /// Returns a, from here on in registers.
  friend ComplexPack in_registers(const ComplexPack& a) noexcept { return {in_registers(a.re), in_registers(a.im)}; }
  /// a + b
  friend ComplexPack operator+(const ComplexPack& a, const ComplexPack& b) noexcept {
    return {a.re + b.re, a.im + b.im};
  }
  /// a b
  friend ComplexPack operator*(const ComplexPack& a, const ComplexPack& b) noexcept {
    return {fnma(a.im, b.im, a.re * b.re), fma(a.re, b.im, a.im * b.re)};
  }
  /// Complex conjugate.
  friend ComplexPack conj(const ComplexPack& a) noexcept { return {a.re, Part(X(0)) - a.im}; }
  /// a b + c
  friend ComplexPack fma(const ComplexPack& a, const ComplexPack& b, const ComplexPack& c) noexcept {
    return {fma(a.re, b.re, fnma(a.im, b.im, c.re)), fma(a.re, b.im, fma(a.im, b.re, c.im))};
  }
  /// a b + c, a real.
  friend ComplexPack fma(const Part& a, const ComplexPack& b, const ComplexPack& c) noexcept {
    return {fma(a, b.re, c.re), fma(a, b.im, c.im)};
  }
  /// a conj(b) + c
  friend ComplexPack fma_conj(const ComplexPack& a, const ComplexPack& b, const ComplexPack& c) noexcept {
    return {fma(a.im, b.im, fma(a.re, b.re, c.re)), fnma(a.re, b.im, fma(a.im, b.re, c.im))};
  }
  /// a conj(b) + c, a real.
  friend ComplexPack fma_conj(const Part& a, const ComplexPack& b, const ComplexPack& c) noexcept {
    return {fma(a, b.re, c.re), fnma(a, b.im, c.im)};
  }
  /// Re(a b) + sum
  friend Part add_real(const Part& sum, const ComplexPack& a, const ComplexPack& b) noexcept {
    return fma(a.re, b.re, fnma(a.im, b.im, sum));
  }
  /// a + b where the mask is set, b elsewhere.
  static ComplexPack add_where(typename Part::Mask mask, const ComplexPack& a, const ComplexPack& b) noexcept {
    return {Part::add_where(mask, a.re, b.re), Part::add_where(mask, a.im, b.im)};
  }
  /// See ssm::detail::settle.
  friend ComplexPack settle(const ComplexPack& a) noexcept { return {simd::settle(a.re), simd::settle(a.im)}; }
};

}  // namespace ssm::simd
