#pragma once

#include "ssm/core/index.hpp"

#include <cmath>

namespace ssm {

namespace detail {

/// e^z and e^z - 1 of a complex number together, which share their sines and exponentials; see expm1.
template <class T>
struct Exponential {
  Complex<T> value;     ///< e^z
  Complex<T> less_one;  ///< e^z - 1

  explicit Exponential(Complex<T> z) {
    const T sine = std::sin(z.imag() / 2), cosine = std::cos(z.imag() / 2), a = z.real();
    const T less_cos = 2 * sine * sine, sin_b = 2 * sine * cosine;  // 1 - cos b, sin b
    const bool small = a > T(-0.5);                                 // each from the one that keeps its digits
    const T first = small ? std::expm1(a) : std::exp(a), size = small ? 1 + first : first,
            size_less_one = small ? first : first - 1;
    value = {size * (1 - less_cos), size * sin_b};
    less_one = {size_less_one * (1 - less_cos) - less_cos, value.imag()};
  }
};

}  // namespace detail

/// e^z - 1 of a complex number without cancellation near 0.
///
///     expm1(a + ib) = expm1(a) cos b - 2 sin^2(b/2) + i e^a sin b
///
/// @note   relative error of the complex number <= 8 eps, for |z| from 1e-300 to 300
template <class T>
Complex<T> expm1(Complex<T> z) {
  return detail::Exponential<T>(z).less_one;
}

/// phi_1(z) = (e^z - 1)/z, phi_1(0) = 1: the mean of e^(z t) over t in [0, 1].
/// @note   relative error of the complex number <= 8 eps, for |z| from 0 to 300
template <class T>
Complex<T> phi_1(Complex<T> z) {
  return z == Complex<T>(0) ? Complex<T>(1) : detail::plain_quotient(expm1(z), z);
}

/// phi_1'(z) = (e^z - phi_1(z))/z, phi_1'(0) = 1/2.
/// @note   relative error of the complex number <= 64 eps, for |z| from 0 to 300
template <class T>
Complex<T> phi_1_slope(Complex<T> z) {
  if (std::norm(z) > T(1)) return (std::exp(z) - phi_1(z)) / z;
  Complex<T> sum = 0, power = 1;  // sum of (k + 1)/(k + 2)! z^k
  T factorial = 2;
  for (int k = 0; k < 20; ++k) {
    sum += static_cast<T>(k + 1) / factorial * power;
    power *= z;
    factorial *= static_cast<T>(k + 3);
  }
  return sum;
}

}  // namespace ssm
