#pragma once

#include "ssm/core/error.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace ssm::nn {

/// p = e^logits / sum, without overflow.
/// @param logits          (classes)
/// @param probabilities   (classes)     may be the logits
template <std::floating_point T>
void softmax(std::span<const T> logits, std::span<T> probabilities) noexcept {
  T peak = -std::numeric_limits<T>::infinity();
  for (const T each : logits) peak = std::max(peak, each);
  T sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) sum += probabilities[i] = std::exp(logits[i] - peak);
  for (auto& each : probabilities) each /= sum;
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
template <std::floating_point T>
double cross_entropy(std::span<const T> logits, Index label, std::span<T> dlogits, double weight = 1,
                     double smoothing = 0) {
  const auto classes = static_cast<Index>(logits.size());
  ssm::detail::require_size("cotangents of the logits", classes, static_cast<Index>(dlogits.size()));
  if (label < 0 || label >= classes)
    throw DomainError(ssm::detail::message("label: expected within 0..", classes - 1, ", got ", label));
  double peak = -std::numeric_limits<double>::infinity(), sum = 0, loss = 0;
  for (const T each : logits) peak = std::max(peak, static_cast<double>(each));
  for (const T each : logits) sum += std::exp(static_cast<double>(each) - peak);
  const double log_sum = peak + std::log(sum);
  for (std::size_t c = 0; c < logits.size(); ++c) {
    const double log_p = static_cast<double>(logits[c]) - log_sum;
    const double q = smoothing / static_cast<double>(classes) + (static_cast<Index>(c) == label ? 1 - smoothing : 0);
    loss -= q * log_p;
    dlogits[c] += static_cast<T>(weight * (std::exp(log_p) - q));
  }
  return loss;
}

/// Mean squared error over some numbers, and its derivative.
/// @param x        predicted
/// @param target   expected
/// @param dx       += weight times the cotangent
/// @param weight   of the loss in what is differentiated
/// @return         the loss, not weighted
/// @throws         ShapeError if the sizes disagree
template <std::floating_point T>
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
