#pragma once

#include "ssm/core/sequence.hpp"

namespace ssm::nn {

/// Part of a sequence that an answer is made from.
enum class Pool {
  mean,  ///< the mean over its steps
  last,  ///< the last step
  none   ///< every step: an answer each
};

namespace detail {

template <class T>
void require_pool(ConstSequence<T> x, std::span<const T> y) {
  ssm::detail::require_at_least("length of a sequence to be pooled", 1, x.length());
  ssm::detail::require_size("features of the pooled", x.features(), static_cast<Index>(y.size()));
}

}  // namespace detail

/// y = mean over the steps of x.
/// @param x   input     (L, H)     L >= 1
/// @param y   output    (H)
/// @throws    ShapeError if the sizes disagree; DomainError if there is no step
template <Real T>
void mean_pool(ConstSequence<T> x, std::span<T> y) {
  detail::require_pool<T>(x, y);
  for (Index h = 0; h < x.features(); ++h) {
    double sum = 0;
    for (Index k = 0; k < x.length(); ++k) sum += static_cast<double>(x(k, h));
    y[static_cast<std::size_t>(h)] = static_cast<T>(sum / static_cast<double>(x.length()));
  }
}
/// dx_k += dy / L, every step.
template <Real T>
void mean_pool_vjp(std::span<const T> dy, Sequence<T> dx) {
  detail::require_pool<T>(dx, dy);
  for (Index k = 0; k < dx.length(); ++k)
    for (Index h = 0; h < dx.features(); ++h) dx(k, h) += dy[static_cast<std::size_t>(h)] / static_cast<T>(dx.length());
}

/// y = the last step of x.
/// @param x   input     (L, H)     L >= 1
/// @param y   output    (H)
/// @throws    ShapeError if the sizes disagree; DomainError if there is no step
template <Real T>
void last_pool(ConstSequence<T> x, std::span<T> y) {
  detail::require_pool<T>(x, y);
  std::copy_n(x.row(x.length() - 1).data(), x.features(), y.data());
}
/// dx of the last step += dy.
template <Real T>
void last_pool_vjp(std::span<const T> dy, Sequence<T> dx) {
  detail::require_pool<T>(dx, dy);
  for (Index h = 0; h < dx.features(); ++h) dx(dx.length() - 1, h) += dy[static_cast<std::size_t>(h)];
}

}  // namespace ssm::nn
