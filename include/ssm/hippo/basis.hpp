#pragma once

#include "ssm/hippo/measure.hpp"

#include <algorithm>

namespace ssm::hippo {

/// The functions of which a measure's coefficients are the weights, over the age of what is remembered.
///
///     f(now - age) = sum_n c_n g_n(age)
///
/// `extent` is how far they reach in the time of the measure's matrix; LegS is given ages as parts of the whole past.
/// HiPPO, arXiv:2008.07669, appendix D; the sign of age follows from the matrices in measure.hpp.
template <class Measure>
struct Basis;

namespace detail {

/// sum_n c_n sqrt(2n+1) P_n(x), by the three-term recurrence of Legendre's polynomials.     O(N)
inline double legendre(const Eigen::VectorXd& c, double x) noexcept {
  double value = 0, previous = 0, current = 1;
  for (Index n = 0; n < c.size(); ++n) {
    const auto degree = static_cast<double>(n);
    value += c(n) * std::sqrt(2 * degree + 1) * current;
    const double next = ((2 * degree + 1) * x * current - degree * previous) / (degree + 1);
    previous = current;
    current = next;
  }
  return value;
}

}  // namespace detail

/// g_n = sqrt(2n+1) P_n(1 - 2 age), age from 0 (now) to 1 (the beginning).
template <>
struct Basis<LegS> {
  /// Largest age at which the functions are not 0.
  static constexpr double extent = 1;
  /// sum_n c_n g_n(age).     O(N)
  static double evaluate(const Eigen::VectorXd& c, double age) noexcept { return detail::legendre(c, 1 - 2 * age); }
};

/// g_n = sqrt(2n+1) P_n(1 - age), age from 0 to 2.
template <>
struct Basis<LegT> {
  /// Largest age at which the functions are not 0.
  static constexpr double extent = 2;
  /// sum_n c_n g_n(age).     O(N)
  static double evaluate(const Eigen::VectorXd& c, double age) noexcept { return detail::legendre(c, 1 - age); }
};

/// g_n = e^(-age/2) L_n(age), Laguerre's polynomials, any age.
template <>
struct Basis<LagT> {
  /// Largest age at which the functions are not 0.
  static constexpr double extent = 1;
  /// sum_n c_n g_n(age).     O(N)
  static double evaluate(const Eigen::VectorXd& c, double age) noexcept {
    double value = 0, previous = 0, current = std::exp(-age / 2);
    for (Index n = 0; n < c.size(); ++n) {
      const auto degree = static_cast<double>(n);
      value += c(n) * current;
      const double next = ((2 * degree + 1 - age) * current - degree * previous) / (degree + 1);
      previous = current;
      current = next;
    }
    return value;
  }
};

/// g_0 = 1, g_1 = 0, g_2k = sqrt(2) cos(pi k age), g_(2k+1) = sqrt(2) sin(pi k age), age from 0 to 2.
template <>
struct Basis<Fourier> {
  /// Largest age at which the functions are not 0.
  static constexpr double extent = 2;
  /// sum_n c_n g_n(age).     O(N)
  static double evaluate(const Eigen::VectorXd& c, double age) noexcept {
    double value = c(0);
    for (Index n = 2; n < c.size(); ++n) {
      const double angle = std::numbers::pi * static_cast<double>(n / 2) * age;
      value += std::numbers::sqrt2 * c(n) * (n % 2 == 0 ? std::cos(angle) : std::sin(angle));
    }
    return value;
  }
};

}  // namespace ssm::hippo
