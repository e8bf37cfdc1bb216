#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/fft/eigen.hpp"
#include "ssm/fft/length.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace ssm::conv {

/// Causal convolution of one channel with kernels of one length, by Fourier transforms.
///
///     y_k = sum_(j = 0..min(k, M-1)) K_j u_(k-j),   0 <= k < L
///
/// The transform is long enough, >= L + min(L, M) - 1 points, that the end does not wrap round onto the beginning;
/// kernel samples at or beyond L cannot be heard and are left out. Transforms are not causal to the last bit: rounding
/// errors of a loud sample reach back at eps of the peak. A NaN or inf would reach everywhere, so it is taken out: as
/// far as the kernel carries it, and nowhere else, y is NaN.
///
/// Made once for (L, M): the transforms' tables and buffers. Kernels are kept by the caller as spectra, and applying
/// one allocates nothing. One thread at a time.
template <std::floating_point T, fft::Backend<T> Backend = fft::EigenBackend>
class Causal {
 public:
  /// @param length         L, most steps of u and y   >= 0
  /// @param kernel_length  M, samples of a kernel     >= 0, also longer than u
  /// @throws               DomainError if a length is negative
  Causal(Index length, Index kernel_length)
      : length_(length), kernel_length_(kernel_length), plan_(transform_length(length, kernel_length)) {
    time_.resize(static_cast<std::size_t>(plan_.size()));
    spectrum_.resize(static_cast<std::size_t>(bins()));
  }

  /// Points of the transform.
  Index points() const noexcept { return plan_.size(); }
  /// Numbers that a kernel's spectrum has.
  Index bins() const noexcept { return plan_.size() / 2 + 1; }
  /// Bytes of the buffers; what the backend's tables take comes on top.
  Index bytes() const noexcept {
    return points() * static_cast<Index>(sizeof(T)) + bins() * static_cast<Index>(sizeof(Complex<T>));
  }

  /// Spectrum of a kernel of M samples.                                    O((L + M) log(L + M))
  /// @throws ShapeError if `K` is not one column of M samples or `spectrum` has not bins() numbers
  void transform(ConstSequence<T> K, std::span<Complex<T>> spectrum) {
    ssm::detail::require_size("channels of the kernel", 1, K.features());
    ssm::detail::require_size("length of the kernel", kernel_length_, K.length());
    load(K, std::min(K.length(), length_));
    plan_.forward(time_, spectrum);
  }

  /// y = K * u, K by its spectrum. u and y may be the same memory.         O((L + M) log(L + M))
  /// @throws ShapeError if u or y is not one column of at most L steps
  void operator()(std::span<const Complex<T>> kernel, ConstSequence<T> u, Sequence<T> y) {
    ssm::detail::require_same_shape<T>(u, y, 1);
    ssm::detail::require_size("bins of the kernel's spectrum", bins(), static_cast<Index>(kernel.size()));
    if (u.length() > length_)
      throw ShapeError(ssm::detail::message("length of u: expected at most ", length_, ", got ", u.length()));
    load(u, u.length());
    std::replace_if(
        time_.begin(), time_.begin() + u.length(), [](T value) { return !std::isfinite(value); }, T(0));
    plan_.forward(time_, spectrum_);
    for (std::size_t j = 0; j < spectrum_.size(); ++j) {
      const T ar = spectrum_[j].real(), ai = spectrum_[j].imag();
      const T br = kernel[j].real(), bi = kernel[j].imag();
      spectrum_[j] = {ar * br - ai * bi, ar * bi + ai * br};
    }
    plan_.inverse(spectrum_, time_);
    for (Index k = 0, reach = 0; k < u.length(); ++k) {  // how many more outputs hear the last that is not finite
      reach = std::isfinite(u(k, 0)) ? std::max<Index>(reach - 1, 0) : kernel_length_;
      y(k, 0) = reach > 0 ? std::numeric_limits<T>::quiet_NaN() : time_[static_cast<std::size_t>(k)];
    }
  }

 private:
  static Index transform_length(Index length, Index kernel_length) {
    ssm::detail::require_at_least("length of u", 0, length);
    ssm::detail::require_at_least("length of the kernel", 0, kernel_length);
    return fft::fast_length(length + std::max<Index>(std::min(length, kernel_length) - 1, 0));
  }
  void load(ConstSequence<T> column, Index count) {
    for (Index k = 0; k < count; ++k) time_[static_cast<std::size_t>(k)] = column(k, 0);
    std::fill(time_.begin() + count, time_.end(), T(0));
  }

  Index length_, kernel_length_;
  typename Backend::template Plan<T> plan_;
  std::vector<T> time_;
  std::vector<Complex<T>> spectrum_;
};

/// Causal convolution of every channel of u with its own kernel.
///
/// @param u   input          (L, H)
/// @param K   kernels        (M, H)        any M, also 0
/// @param y   output         (L, H)        may be u
/// @throws    ShapeError if the channels or lengths disagree
/// @note      O(H (L + M) log(L + M)); error relative to the peak of the exact y <= 1e-12 (fp64), 1e-5 (fp32)
template <class Backend = fft::EigenBackend, std::floating_point T>
requires fft::Backend<Backend, T>
void causal(ConstSequence<T> u, ConstSequence<T> K, Sequence<T> y) {
  ssm::detail::require_same_shape<T>(u, y, K.features());
  Causal<T, Backend> convolution(u.length(), K.length());
  std::vector<Complex<T>> spectrum(static_cast<std::size_t>(convolution.bins()));
  for (Index h = 0; h < u.features(); ++h) {
    convolution.transform(K.column(h), spectrum);
    convolution(spectrum, u.column(h), y.column(h));
  }
}

}  // namespace ssm::conv
