#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/fft/eigen.hpp"
#include "ssm/fft/length.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

namespace ssm::conv {

/// Division of a convolution into transforms.
struct Cut {
  Index points;  ///< points of each transform
  Index blocks;  ///< number of blocks; each takes a forward and an inverse transform

  /// O(points log points) of all of them.
  double work() const noexcept { return static_cast<double>(blocks * points) * std::log2(static_cast<double>(points)); }
};

/// The whole in one transform, or blocks that overlap by the kernel's M - 1 samples: whichever is less work.
/// @throws DomainError if a length is negative
inline Cut cut(Index length, Index kernel_length) {
  ssm::detail::require_at_least("length of u", 0, length);
  ssm::detail::require_at_least("length of the kernel", 0, kernel_length);
  const Index overlap = std::max<Index>(kernel_length - 1, 0);
  Cut best{fft::fast_length(length + overlap), 1};
  const Index whole = best.points;
  for (Index points = fft::fast_length(std::max<Index>(2 * overlap, 64)); points < whole;
       points = fft::fast_length(2 * points)) {
    const Cut blocks{points, (length + points - overlap - 1) / (points - overlap)};
    if (blocks.work() < best.work()) best = blocks;
  }
  return best;
}

/// Causal convolution of a stream with kernels of one length, by Fourier transforms of blocks that overlap.
///
///     y_k = sum_(j = 0..M-1) K_j u_(k-j),   the M - 1 inputs before u_0 being the history
///
/// Overlap-save: Oppenheim, Schafer, Discrete-Time Signal Processing, section 8.7.3. A block of `points()` transforms
/// the M - 1 samples before it too, and keeps what did not wrap round. Where M is near the length or above it, that is
/// one block; where the kernel is short, many small ones that stay in the cache. Transforms are not causal to the last
/// bit: rounding errors of a loud sample reach back at eps of the peak. A NaN or inf would reach everywhere, so it is
/// taken out: as far as the kernel carries it, and nowhere else, y is NaN.
///
/// Made once for (L, M): the transforms' tables and buffers. Kernels are kept by the caller as spectra, and applying
/// one allocates nothing. One thread at a time.
template <std::floating_point T, fft::Backend<T> Backend = fft::EigenBackend>
class OverlapSave {
 public:
  /// @param length         L, most steps of u and y in a call   >= 0
  /// @param kernel_length  M                                    >= 0
  /// @param reach          outputs that hear an input which is not finite: M, or more of a kernel that was cut off
  /// @throws               DomainError if a length is negative
  OverlapSave(Index length, Index kernel_length, std::optional<Index> reach = {})
      : length_(length),
        kernel_length_(kernel_length),
        reach_(reach.value_or(kernel_length)),
        plan_(cut(length, kernel_length).points) {
    time_.resize(static_cast<std::size_t>(plan_.size()));
    spectrum_.resize(static_cast<std::size_t>(bins()));
  }

  /// M
  Index kernel_length() const noexcept { return kernel_length_; }
  /// Points of a transform.
  Index points() const noexcept { return plan_.size(); }
  /// Numbers that a kernel's spectrum has.
  Index bins() const noexcept { return plan_.size() / 2 + 1; }
  /// Numbers of a history: M - 1.
  Index history_length() const noexcept { return std::max<Index>(kernel_length_ - 1, 0); }
  /// Bytes of the buffers; what the backend's tables take comes on top.
  Index bytes() const noexcept {
    return points() * static_cast<Index>(sizeof(T)) + bins() * static_cast<Index>(sizeof(Complex<T>));
  }

  /// Spectrum of a kernel.                                        O(points log points)
  /// @throws ShapeError if `K` is not one column of M samples or `spectrum` has not bins() numbers
  void transform(ConstSequence<T> K, std::span<Complex<T>> spectrum) {
    ssm::detail::require_size("channels of the kernel", 1, K.features());
    ssm::detail::require_size("length of the kernel", kernel_length_, K.length());
    for (Index k = 0; k < K.length(); ++k) time_[at(k)] = K(k, 0);
    std::fill(time_.begin() + K.length(), time_.end(), T(0));
    plan_.forward(time_, spectrum);
  }

  /// y = K * (history, u), K by its spectrum; u and y may be the same memory.
  /// @param kernel    its spectrum     (bins)
  /// @param u         input            (L, 1)
  /// @param y         output           (L, 1)     may be u
  /// @param history   the M - 1 inputs before u, the oldest first; becomes those before what follows u
  /// @throws          ShapeError if u or y is not one column of at most L steps, or another size is not as above
  void operator()(std::span<const Complex<T>> kernel, ConstSequence<T> u, Sequence<T> y, std::span<T> history) {
    ssm::detail::require_same_shape<T>(u, y, 1);
    ssm::detail::require_size("bins of the kernel's spectrum", bins(), static_cast<Index>(kernel.size()));
    ssm::detail::require_size("history", history_length(), static_cast<Index>(history.size()));
    if (u.length() > length_)
      throw ShapeError(ssm::detail::message("length of u: expected at most ", length_, ", got ", u.length()));
    Index reach = 0;  // how many more outputs hear the last input that is not finite
    const auto hear = [&](T input) { reach = std::isfinite(input) ? std::max<Index>(reach - 1, 0) : reach_; };
    for (const T input : history) hear(input);
    const Index overlap = history_length(), hop = points() - overlap;
    for (Index first = 0; first < u.length(); first += hop) {
      const Index count = std::min(hop, u.length() - first);
      std::copy(history.begin(), history.end(), time_.begin());
      for (Index k = 0; k < count; ++k) time_[at(overlap + k)] = u(first + k, 0);
      std::copy_n(time_.begin() + count, overlap, history.begin());
      std::replace_if(
          time_.begin(), time_.begin() + overlap + count, [](T value) { return !std::isfinite(value); }, T(0));
      std::fill(time_.begin() + overlap + count, time_.end(), T(0));
      plan_.forward(time_, spectrum_);
      for (std::size_t j = 0; j < spectrum_.size(); ++j)
        spectrum_[j] = ssm::detail::plain_product(spectrum_[j], kernel[j]);
      plan_.inverse(spectrum_, time_);
      for (Index k = 0; k < count; ++k) {
        hear(u(first + k, 0));
        y(first + k, 0) = reach > 0 ? std::numeric_limits<T>::quiet_NaN() : time_[at(overlap + k)];
      }
    }
  }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

  Index length_, kernel_length_, reach_;
  typename Backend::template Plan<T> plan_;
  std::vector<T> time_;
  std::vector<Complex<T>> spectrum_;
};

}  // namespace ssm::conv
