#pragma once

#include "ssm/core/matrix.hpp"

namespace ssm::detail {

/// A polynomial with real coefficients at many complex points, and its derivative there, by Horner's rule in all points
/// at once.
///
///     p(a) = sum over k of c_k a^k,   p'(a) = sum over k of k c_k a^(k-1)
///
/// Plain numbers in place of complex ones: the loop over points runs in lanes, and nothing asks for NaN.
class PolynomialAtPoints {
 public:
  /// @param points    number of points, M
  explicit PolynomialAtPoints(Index points)
      : a_re_(points), a_im_(points), re_(points), im_(points), slope_re_(points), slope_im_(points) {}

  /// Sets point n.
  void set(Index n, Complex<double> a) noexcept {
    a_re_(n) = a.real();
    a_im_(n) = a.imag();
  }
  /// Evaluates it at all points.     O(M count)
  /// @param coefficient   gives c_k
  template <class Coefficient>
  void evaluate(Index count, Coefficient coefficient) noexcept {
    const Index M = a_re_.size();
    re_.setZero();
    im_.setZero();
    slope_re_.setZero();
    slope_im_.setZero();
    const double* const __restrict a_re = a_re_.data();
    const double* const __restrict a_im = a_im_.data();
    double* const __restrict re = re_.data();
    double* const __restrict im = im_.data();
    double* const __restrict slope_re = slope_re_.data();
    double* const __restrict slope_im = slope_im_.data();
    for (Index k = count - 1; k >= 0; --k) {
      const double c = coefficient(k);
      for (Index n = 0; n < M; ++n) {
        const double s_re = re[n], s_im = im[n], t_re = slope_re[n], t_im = slope_im[n];
        slope_re[n] = t_re * a_re[n] - t_im * a_im[n] + s_re;
        slope_im[n] = t_re * a_im[n] + t_im * a_re[n] + s_im;
        re[n] = s_re * a_re[n] - s_im * a_im[n] + c;
        im[n] = s_re * a_im[n] + s_im * a_re[n];
      }
    }
  }
  /// p at point n.
  Complex<double> value(Index n) const noexcept { return {re_(n), im_(n)}; }
  /// p' at point n.
  Complex<double> slope(Index n) const noexcept { return {slope_re_(n), slope_im_(n)}; }

 private:
  Vector<double> a_re_, a_im_, re_, im_, slope_re_, slope_im_;
};

}  // namespace ssm::detail
