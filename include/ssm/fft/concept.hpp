#pragma once

#include "ssm/core/error.hpp"

#include <concepts>
#include <span>

/// Fourier transforms of real sequences, by a library that the caller chooses as a type.
namespace ssm::fft {

/// A library of transforms. `Plan<T>(n)` prepares n points; it may be moved, belongs to one thread at a time, and its
/// transforms allocate nothing.
///
///     forward:  spectrum_j = sum_k time_k e^(-2 pi i jk/n),            j = 0 .. n/2
///     inverse:  time_k = 1/n sum over all n bins of spectrum_j e^(2 pi i jk/n)     (bins above n/2 are conjugates)
///
/// The inverse may overwrite its input. Both throw ShapeError if a span has not n or n/2+1 elements.
template <class B, class T>
concept Backend = std::floating_point<T> && std::movable<typename B::template Plan<T>> &&
    std::constructible_from<typename B::template Plan<T>, Index> &&
    requires(typename B::template Plan<T> plan, std::span<const T> time, std::span<T> result,
             std::span<Complex<T>> spectrum) {
  { plan.size() } -> std::same_as<Index>;
  { plan.forward(time, spectrum) } -> std::same_as<void>;
  { plan.inverse(spectrum, result) } -> std::same_as<void>;
};

namespace detail {

template <class Time, class Spectrum>
void require_sizes(Index n, const Time& time, const Spectrum& spectrum) {
  ssm::detail::require_size("points of the transform", n, static_cast<Index>(time.size()));
  ssm::detail::require_size("bins of the transform", n / 2 + 1, static_cast<Index>(spectrum.size()));
}

}  // namespace detail
}  // namespace ssm::fft
