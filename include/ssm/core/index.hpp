#pragma once

#include <complex>
#include <concepts>
#include <cstddef>
#include <limits>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(__ASSOCIATIVE_MATH__)
#error \
    "ssm does not compile with -ffast-math, -Ofast, -ffinite-math-only or -fassociative-math: they remove its checks for NaN, and the sums in a fixed order that its accuracy rests on"
#endif

namespace ssm {

/// Scalars that layers, blocks and trainings are written for.
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;
/// The scalar of what is computed in fp64 alone. Such a function is a template still, and its matrices are named by this
/// parameter, so that programs that do not call it compile neither it nor their expressions.
template <class T>
concept Fp64 = std::same_as<T, double>;

/// Sizes, strides and positions: signed, as wide as a pointer (the same type as Eigen::Index).
using Index = std::ptrdiff_t;

/// A size that is not known at compile time: `S4D<float, 64>` has 64 states, `S4D<float, dynamic>` has its parameters'.
inline constexpr Index dynamic = -1;

/// Complex numbers at the interface. Loops split them into real and imaginary arrays.
template <class T>
using Complex = std::complex<T>;

namespace detail {

/// a b by the four products alone, without the care for infinities that keeps a compiler from lanes.
template <class T>
constexpr Complex<T> plain_product(Complex<T> a, Complex<T> b) noexcept {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

/// a / b by |b|^2, where that has all its digits; as the language divides, several times as slow, where it has not.
template <class T>
Complex<T> plain_quotient(Complex<T> a, Complex<T> b) noexcept {
  const T size = std::norm(b);
  constexpr T least = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();
  if (!(size > least && size < 1 / least)) return a / b;
  const Complex<T> product = plain_product(a, std::conj(b));
  const T per_size = 1 / size;
  return {product.real() * per_size, product.imag() * per_size};
}

}  // namespace detail

}  // namespace ssm
