#pragma once

#include "ssm/core/array.hpp"
#include "ssm/core/intervals.hpp"
#include "ssm/nn/pooling.hpp"

#include <limits>
#include <optional>
#include <utility>
#include <variant>

namespace ssm::nn {

/// The steps that a stream's answer is made from, where its model was trained on the mean over a sequence. @{

/// All steps since the beginning, as the model has it: after an hour a new sound hardly moves the mean.
struct SinceBeginning {};
/// A mean that forgets: of a step that was `age` ago e^(-age / time) is left. Time goes on as the layers have it, by
/// the stream's rate and by the intervals between steps.
struct Leak {
  std::variant<LayerSteps, Seconds> time;  ///< > 0; in seconds, of a model that says what a step stands for
};
/// The mean over the last steps.
struct Window {
  Index steps;  ///< >= 1
};
/// One of these.
using StreamPool = std::variant<SinceBeginning, Leak, Window>;
/// @}

namespace detail {

/// What a stream keeps of the features that it has had.
template <Real T>
struct PooledState {
  Array<double> pooled;  // weighted sum of all steps      (H)
  Array<double> weight;  // sum of their weights           (1)
  Array<T> recent;       // features of a window           (steps, H)
  Array<Index> steps;    // steps so far                   (1)

  PooledState() = default;
  PooledState(Index features, const StreamPool& pool)
      : pooled(features),
        weight(1),
        recent(std::holds_alternative<Window>(pool) ? std::get<Window>(pool).steps : 0, features),
        steps(1) {}
};

/// @throws DomainError if a size is not at least 1, or a pool other than the mean is to be made from other steps
inline void check_pool(Pool trained, const StreamPool& pool) {
  if (!std::holds_alternative<SinceBeginning>(pool) && trained != Pool::mean)
    throw DomainError("pool of a stream: expected that of the model, which is not the mean, got another");
  if (const auto* last = std::get_if<Window>(&pool)) ssm::detail::require_at_least("steps of a window", 1, last->steps);
}
/// The time of a leak in steps of the layers; infinite where nothing leaks.
/// @param step_seconds   what a step of the layers stands for, where the model says so     s
/// @throws               DomainError if the time is not positive and finite, or is in seconds and the model does not
///                       say
inline double leak_steps(const StreamPool& pool, std::optional<double> step_seconds) {
  const auto* leak = std::get_if<Leak>(&pool);
  if (leak == nullptr) return std::numeric_limits<double>::infinity();
  double steps = 0;
  if (const auto* seconds = std::get_if<Seconds>(&leak->time)) {
    if (!step_seconds)
      throw DomainError(
          "time of a leak: expected steps of the layers, since the model does not say what a step stands for "
          "(step_seconds), got seconds");
    steps = seconds->count / *step_seconds;
  } else {
    steps = std::get<LayerSteps>(leak->time).count;
  }
  ssm::detail::require_positive("time of a leak in steps of the layers", steps);
  return steps;
}

/// Takes the features of a step and puts those that an answer is made from in their place.
/// @param trained   the model's pool
/// @param pool      the stream's, where that is the mean
/// @param state     of the steps before, becomes that after this one
/// @param kept      what is left of the weights of the steps before: e^(-age / time) of a leak, otherwise 1
/// @param x         features     (H)
template <Real T>
void pool_step(Pool trained, const StreamPool& pool, PooledState<T>& state, double kept, std::span<T> x) noexcept {
  const Index step = state.steps(0)++;
  double* const sum = state.pooled.data();
  switch (trained) {
    case Pool::last:
    case Pool::none:
      return;
    case Pool::first:
      for (std::size_t h = 0; h < x.size(); ++h) {
        if (step == 0) sum[h] = static_cast<double>(x[h]);
        x[h] = static_cast<T>(sum[h]);
      }
      return;
    case Pool::sum:
      for (std::size_t h = 0; h < x.size(); ++h) x[h] = static_cast<T>(sum[h] += static_cast<double>(x[h]));
      return;
    case Pool::mean:
      break;
  }
  if (const auto* window = std::get_if<Window>(&pool)) {
    const auto row = state.recent.row(step % window->steps);
    const bool full = step >= window->steps;
    const auto count = static_cast<double>(std::min(step + 1, window->steps));
    for (std::size_t h = 0; h < x.size(); ++h) {
      const T old = std::exchange(row[h], x[h]);
      // Summed anew where the window begins again, so that what is added and taken away leaves no rest.
      if (step % window->steps == window->steps - 1) {
        sum[h] = 0;
        for (Index k = 0; k < window->steps; ++k) sum[h] += static_cast<double>(state.recent(k, Index(h)));
      } else {
        sum[h] += static_cast<double>(x[h]) - (full ? static_cast<double>(old) : 0);
      }
      x[h] = static_cast<T>(sum[h] / count);
    }
  } else {
    const double weight = state.weight(0) = kept * state.weight(0) + 1;
    for (std::size_t h = 0; h < x.size(); ++h) {
      sum[h] = kept * sum[h] + static_cast<double>(x[h]);
      x[h] = static_cast<T>(sum[h] / weight);
    }
  }
}

}  // namespace detail
}  // namespace ssm::nn
