#pragma once

#include "ssm/nn/activation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace ssm::nn {

/// p = e^logits / sum, without overflow.
/// @param logits          (classes)
/// @param probabilities   (classes)     may be the logits
template <Real T>
void softmax(std::span<const T> logits, std::span<T> probabilities) noexcept {
  T peak = -std::numeric_limits<T>::infinity();
  for (const T each : logits) peak = std::max(peak, each);
  T sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) sum += probabilities[i] = std::exp(logits[i] - peak);
  for (auto& each : probabilities) each /= sum;
}

/// y = log softmax(x) = x - log sum e^x, without overflow.
/// @param x   (classes)
/// @param y   (classes)     may be x
template <Real T>
void log_softmax(std::span<const T> x, std::span<T> y) noexcept {
  T peak = -std::numeric_limits<T>::infinity();
  for (const T each : x) peak = std::max(peak, each);
  T sum = 0;
  for (const T each : x) sum += std::exp(each - peak);
  const T log_sum = peak + std::log(sum);
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] - log_sum;
}
/// dy becomes the cotangent of x: dy - softmax(x) sum dy.
/// @param y    what log_softmax gave     (classes)
/// @param dy   cotangent of y            (classes)
template <Real T>
void log_softmax_vjp(std::span<const T> y, std::span<T> dy) noexcept {
  T sum = 0;
  for (const T each : dy) sum += each;
  for (std::size_t i = 0; i < y.size(); ++i) dy[i] -= std::exp(y[i]) * sum;
}

/// Cross-entropy of one row in nats, and its derivative.
///
///     loss = -sum_c q_c log softmax(logits)_c,     q = (1 - smoothing) [c = label] + smoothing / classes
///
/// @param logits      (classes)
/// @param label       0 .. classes - 1
/// @param dlogits     += weight times the cotangent     (classes)
/// @param weight      of the loss in what is differentiated: 1/rows for a mean
/// @param smoothing   0 <= smoothing < 1
/// @return            the loss, not weighted
/// @throws            DomainError if the label is not there; ShapeError if the sizes disagree
/// @note              exponentials in lanes of T, sums in fp64
template <Real T, class Arch = simd::native>
double cross_entropy(std::span<const T> logits, Index label, std::span<T> dlogits, double weight = 1,
                     double smoothing = 0) {
  const auto classes = static_cast<Index>(logits.size());
  ssm::detail::require_size("cotangents of the logits", classes, static_cast<Index>(dlogits.size()));
  if (label < 0 || label >= classes)
    throw DomainError(ssm::detail::message("label: expected within 0..", classes - 1, ", got ", label));
  T peak = -std::numeric_limits<T>::infinity();
  for (const T each : logits) peak = std::max(peak, each);
  double sum = 0;
  detail::for_each_pack<T, Arch>(classes, [&]<class Pack>(Index i) {
    std::array<T, std::size_t(Pack::size)> parts;
    exp(Pack::load(logits.data() + i) - Pack(peak)).store(parts.data());
    for (const T part : parts) sum += static_cast<double>(part);
  });
  const double log_sum = static_cast<double>(peak) + std::log(sum), chosen = 1 - smoothing;
  double loss = chosen * (log_sum - static_cast<double>(logits[static_cast<std::size_t>(label)]));
  const double share = smoothing / static_cast<double>(classes);
  if (smoothing > 0) {
    double logit_sum = 0;
    for (const T each : logits) logit_sum += static_cast<double>(each);
    loss += smoothing * log_sum - share * logit_sum;
  }
  const auto scale = static_cast<T>(weight / sum), shift = static_cast<T>(-weight * share);
  detail::for_each_pack<T, Arch>(classes, [&]<class Pack>(Index i) {
    const Pack e = exp(Pack::load(logits.data() + i) - Pack(peak));
    fma(e, Pack(scale), Pack::load(dlogits.data() + i) + Pack(shift)).store(dlogits.data() + i);
  });
  dlogits[static_cast<std::size_t>(label)] -= static_cast<T>(weight * chosen);
  return loss;
}

/// Mean squared error over some numbers, and its derivative.
/// @param x        predicted
/// @param target   expected
/// @param dx       += weight times the cotangent
/// @param weight   of the loss in what is differentiated
/// @return         the loss, not weighted
/// @throws         ShapeError if the sizes disagree
template <Real T>
double mean_squared_error(std::span<const T> x, std::span<const T> target, std::span<T> dx, double weight = 1) {
  const auto size = static_cast<Index>(x.size());
  ssm::detail::require_size("targets", size, static_cast<Index>(target.size()));
  ssm::detail::require_size("cotangents of what is predicted", size, static_cast<Index>(dx.size()));
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = static_cast<double>(x[i]) - static_cast<double>(target[i]);
    sum += error * error;
    dx[i] += static_cast<T>(weight * 2 * error / static_cast<double>(size));
  }
  return sum / static_cast<double>(std::max<Index>(size, 1));
}

}  // namespace ssm::nn
