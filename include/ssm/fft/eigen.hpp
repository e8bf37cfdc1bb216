#pragma once

#include "ssm/fft/concept.hpp"

#include <unsupported/Eigen/FFT>

#include <vector>

namespace ssm::fft {

/// The transforms that come with Eigen (kissfft): no further dependency. The default.
struct EigenBackend {
  /// A transform of n points, see Backend.
  template <std::floating_point T>
  class Plan {
   public:
    /// @throws DomainError unless 1 <= n <= 2^29
    explicit Plan(Index n) : size_(n) {
      if (n < 1 || n > (Index{1} << 29))
        throw DomainError(ssm::detail::message("transform length: expected 1 to 2^29, got ", n));
      fft_.SetFlag(Fft::HalfSpectrum);
      std::vector<T> time(static_cast<std::size_t>(n));  // Eigen makes its tables at the first use: make them now
      std::vector<Complex<T>> spectrum(static_cast<std::size_t>(n / 2 + 1));
      forward(time, spectrum);
      inverse(spectrum, time);
    }

    /// n
    Index size() const noexcept { return size_; }
    /// See Backend.
    void forward(std::span<const T> time, std::span<Complex<T>> spectrum) {
      detail::require_sizes(size_, time, spectrum);
      if (size_ == 1) {  // kissfft has no transform of one point
        spectrum[0] = time[0];
      } else {
        fft_.fwd(spectrum.data(), time.data(), size_);
      }
    }
    /// See Backend.
    void inverse(std::span<Complex<T>> spectrum, std::span<T> time) {
      detail::require_sizes(size_, time, spectrum);
      if (size_ == 1) {
        time[0] = spectrum[0].real();
      } else {
        fft_.inv(time.data(), spectrum.data(), size_);
      }
    }

   private:
    using Fft = Eigen::FFT<T>;
    Index size_;
    Fft fft_;
  };
};

}  // namespace ssm::fft
