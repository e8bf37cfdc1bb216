#pragma once

#include "ssm/core/random.hpp"
#include "ssm/core/sequence.hpp"

namespace ssm::nn {

/// Which features of a sequence stay, for its whole length: 1/(1 - p) with probability 1 - p, else 0.
///
/// Srivastava et al. 2014; shared over time, as S4 and S5 train: a mask that changed would break up what a state
/// remembers.
///
/// @param p        probability of being left out     0 <= p < 1
/// @param random   the source of what is drawn
/// @param mask     one number a feature               (H)
/// @throws         DomainError if p is outside
template <Real T>
void draw_dropout(double p, Random& random, std::span<T> mask) {
  if (!(p >= 0 && p < 1)) throw DomainError(ssm::detail::message("dropout: expected within 0 .. 1, got ", p));
  for (auto& each : mask) each = random.uniform() < p ? T(0) : static_cast<T>(1 / (1 - p));
}

/// x_k = x_k mask, in place: dropout and its derivative alike.
/// @throws ShapeError if the sizes disagree
template <Real T>
void dropout(std::span<const T> mask, Sequence<T> x) {
  ssm::detail::require_size("numbers of a dropout mask", x.features(), static_cast<Index>(mask.size()));
  for (Index k = 0; k < x.length(); ++k)
    for (Index h = 0; h < x.features(); ++h) x(k, h) *= mask[static_cast<std::size_t>(h)];
}

}  // namespace ssm::nn
