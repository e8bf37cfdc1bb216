#pragma once

#include "ssm/core/sequence.hpp"

namespace ssm::nn {

/// Part of a sequence that an answer is made from.
enum class Pool {
  mean,   ///< the mean over its steps
  last,   ///< the last step
  none,   ///< every step: an answer each
  first,  ///< the first step
  sum     ///< the sum over its steps
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

/// y = what an answer is made from.
/// @param how   mean, last, first or sum
/// @param x     input     (L, H)     L >= 1
/// @param y     output    (H)
/// @throws      ShapeError if the sizes disagree; DomainError if there is no step, or every step has its own answer
template <Real T>
void pool(Pool how, ConstSequence<T> x, std::span<T> y) {
  switch (how) {
    case Pool::mean:
      return mean_pool<T>(x, y);
    case Pool::last:
      return last_pool<T>(x, y);
    case Pool::first:
      detail::require_pool<T>(x, y);
      return void(std::copy_n(x.row(0).data(), x.features(), y.data()));
    case Pool::sum:
      mean_pool<T>(x, y);
      for (auto& each : y) each *= static_cast<T>(x.length());
      return;
    case Pool::none:
      break;
  }
  throw DomainError("pool: expected one of all steps, got an answer for each");
}
/// dx += what the cotangent of the pooled makes of it.
/// @param how   mean, last, first or sum
/// @param dy    cotangent of the output   (H)
/// @param dx    += cotangent of x         (L, H)
/// @throws      as `pool`
template <Real T>
void pool_vjp(Pool how, std::span<const T> dy, Sequence<T> dx) {
  switch (how) {
    case Pool::mean:
      return mean_pool_vjp<T>(dy, dx);
    case Pool::last:
      return last_pool_vjp<T>(dy, dx);
    case Pool::first:
      return last_pool_vjp<T>(dy, dx.block(0, std::min<Index>(1, dx.length())));
    case Pool::sum:
      detail::require_pool<T>(dx, dy);
      for (Index k = 0; k < dx.length(); ++k)
        for (Index h = 0; h < dx.features(); ++h) dx(k, h) += dy[static_cast<std::size_t>(h)];
      return;
    case Pool::none:
      break;
  }
  throw DomainError("pool: expected one of all steps, got an answer for each");
}

}  // namespace ssm::nn
