#pragma once

#include "ssm/conv/overlap_save.hpp"

namespace ssm::conv {

/// Causal convolution of one channel from rest, with kernels of one length, by Fourier transforms.
///
///     y_k = sum_(j = 0..min(k, M-1)) K_j u_(k-j),   0 <= k < L
///
/// In one transform or in blocks, whichever is less work: see OverlapSave. Kernel samples at or beyond L cannot be
/// heard and are left out. One thread at a time.
template <std::floating_point T, fft::Backend<T> Backend = fft::EigenBackend>
class Causal {
 public:
  /// @param length         L, most steps of u and y   >= 0
  /// @param kernel_length  M, samples of a kernel     >= 0, also longer than u
  /// @param reach          see OverlapSave
  /// @throws               DomainError if a length is negative
  Causal(Index length, Index kernel_length, std::optional<Index> reach = {})
      : kernel_length_(kernel_length),
        blocks_(length, std::min(length, kernel_length), reach.value_or(kernel_length)),
        silence_(static_cast<std::size_t>(blocks_.history_length())) {}

  /// M
  Index kernel_length() const noexcept { return kernel_length_; }
  /// Points of the transform.
  Index points() const noexcept { return blocks_.points(); }
  /// Numbers that a kernel's spectrum has.
  Index bins() const noexcept { return blocks_.bins(); }
  /// Bytes of the buffers; what the backend's tables take comes on top.
  Index bytes() const noexcept { return blocks_.bytes() + static_cast<Index>(silence_.size() * sizeof(T)); }

  /// Spectrum of a kernel of M samples.                                    O(points log points)
  /// @throws ShapeError if `K` is not one column of M samples or `spectrum` has not bins() numbers
  void transform(ConstSequence<T> K, std::span<Complex<T>> spectrum) {
    ssm::detail::require_size("length of the kernel", kernel_length_, K.length());
    blocks_.transform(K.block(0, std::min(K.length(), blocks_.kernel_length())), spectrum);
  }

  /// y = K * u, K by its spectrum. u and y may be the same memory.         O((L + M) log(L + M))
  /// @throws ShapeError if u or y is not one column of at most L steps
  void operator()(std::span<const Complex<T>> kernel, ConstSequence<T> u, Sequence<T> y) {
    std::fill(silence_.begin(), silence_.end(), T(0));
    blocks_(kernel, u, y, silence_);
  }

 private:
  Index kernel_length_;
  OverlapSave<T, Backend> blocks_;
  std::vector<T> silence_;  // before the first input
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

/// The convolution's vector-Jacobian product: correlations, by the convolution itself in reversed time.
///
///     du_j += sum_(k >= j) K_(k-j) dy_k,     dK_m += sum_(k >= m) dy_k u_(k-m)
///
/// @param u    input                     (L, H)
/// @param K    kernels                   (M, H)
/// @param dy   cotangent of the output   (L, H)
/// @param du   += cotangent of u         (L, H)
/// @param dK   += cotangent of K         (M, H)
/// @throws     ShapeError if the channels or lengths disagree
/// @note       O(H (L + M) log(L + M)); memory O(L H)
template <class Backend = fft::EigenBackend, std::floating_point T>
requires fft::Backend<Backend, T>
void causal_vjp(ConstSequence<T> u, ConstSequence<T> K, ConstSequence<T> dy, Sequence<T> du, Sequence<T> dK) {
  const Index L = u.length(), H = K.features();
  ssm::detail::require_same_shape<T>(u, dy, H);
  ssm::detail::require_same_shape<T>(u, du, H);
  ssm::detail::require_same_shape<T>(K, dK, H);
  std::vector<T> reversed(static_cast<std::size_t>(L * H)), found(reversed.size());
  const Sequence<T> backwards(reversed.data(), L, H), result(found.data(), L, H);
  for (Index k = 0; k < L; ++k) std::copy_n(dy.row(L - 1 - k).data(), H, backwards.row(k).data());
  causal<Backend, T>(backwards, K, result);
  for (Index k = 0; k < L; ++k)
    for (Index h = 0; h < H; ++h) du(k, h) += result(L - 1 - k, h);
  causal<Backend, T>(backwards, u, result);
  for (Index m = 0; m < std::min(L, K.length()); ++m)
    for (Index h = 0; h < H; ++h) dK(m, h) += result(L - 1 - m, h);
}

}  // namespace ssm::conv
