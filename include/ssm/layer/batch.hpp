#pragma once

#include "ssm/core/batch.hpp"
#include "ssm/layer/concept.hpp"

#include <algorithm>

namespace ssm {

namespace detail {

/// @throws ShapeError unless u and y are both (batch, length, features), of the same lengths
template <class T>
void require_same_batch(ConstBatch<T> u, ConstBatch<T> y, Index features) {
  require_size("features of u", features, u.features());
  require_size("features of y", features, y.features());
  require_size("sequences of y (those of u are expected)", u.size(), y.size());
  require_size("length of y (that of u is expected)", u.length(), y.length());
}

/// The steps of y that no sequence has become 0.
template <class T>
void clear_padding(ConstBatch<T> u, Batch<T> y) {
  for (Index b = 0; b < u.size(); ++b) {
    const Sequence<T> all = y.first_steps(b, y.length());
    for (Index k = u.length(b); k < y.length(); ++k) std::fill_n(all.row(k).data(), y.features(), T(0));
  }
}

/// @throws ShapeError unless the intervals are of the batch; DomainError if the layer takes none, or one is negative or
///         not finite
template <SSMLayer Layer>
void check_intervals(const Layer& layer, ConstBatch<typename Layer::Scalar> u,
                     Intervals<typename Layer::Scalar> intervals) {
  if (intervals.empty()) return;
  if constexpr (UnevenSSMLayer<Layer>) {
    double reach = 1;
    if constexpr (requires { layer.engine().reach(); }) reach = layer.engine().reach();
    require_size("intervals (one a step, padding included)", u.size() * u.length(), intervals.size());
    for (Index b = 0; b < u.size(); ++b) intervals.part(b * u.length(), u.length(b)).check(u.length(b), reach);
  } else {
    refuse_intervals();
  }
}
/// Returns the input with 0 in steps without an observation: u itself where all have one, and else a copy in y.
/// @throws ShapeError unless the mask is of the batch
template <class T>
ConstBatch<T> observed_in(ConstBatch<T> u, Observed observed, Batch<T> y) {
  if (observed.empty()) return u;
  require_size("observed (one a step, padding included)", u.size() * u.length(), static_cast<Index>(observed.size()));
  for (Index b = 0; b < u.size(); ++b) {
    const ConstSequence<T> from = u[b];
    const Sequence<T> to = y.first_steps(b, u.length(b));
    if (from.data() != to.data())
      for (Index k = 0; k < from.length(); ++k) std::copy_n(from.row(k).data(), from.features(), to.row(k).data());
    clear_unobserved<T>(
        observed.subspan(static_cast<std::size_t>(b * u.length()), static_cast<std::size_t>(u.length(b))), to);
  }
  return ConstBatch<T>(y).with_lengths(u.lengths());
}

}  // namespace detail

/// A layer over several sequences, each with a length and a state of its own: bit for bit what `forward` gives for each
/// of them alone. The lengths are those of u; y is 0 beyond them.
///
/// @param layer    any SSMLayer
/// @param u        input                               (batch, L, H)
/// @param y        output                              (batch, L, H)     may be u
/// @param states   before step 0, become those after each sequence's last step     (batch)
/// @param mode     none for the layer's default
/// @throws         ShapeError if the sizes disagree; nothing has changed then
/// @{
template <SSMLayer Layer, class... Mode>
void forward_batch(const Layer& layer, ConstBatch<typename Layer::Scalar> u, Batch<typename Layer::Scalar> y,
                   std::span<typename Layer::State> states, Mode... mode) {
  using T = typename Layer::Scalar;
  detail::require_same_batch<T>(u, y, layer.features());
  detail::require_size("states (a sequence each)", u.size(), static_cast<Index>(states.size()));
  for (Index b = 0; b < u.size(); ++b)
    layer.forward(u[b], y.first_steps(b, u.length(b)), states[static_cast<std::size_t>(b)], mode...);
  detail::clear_padding<T>(u, y);
}
/// @param timing   of the steps, padding included     (batch, L)
/// @throws         DomainError too if the layer takes no intervals, or one is negative or not finite
template <SSMLayer Layer>
void forward_batch(const Layer& layer, ConstBatch<typename Layer::Scalar> u,
                   const Timing<typename Layer::Scalar>& timing, Batch<typename Layer::Scalar> y,
                   std::span<typename Layer::State> states) {
  using T = typename Layer::Scalar;
  detail::require_same_batch<T>(u, y, layer.features());
  detail::require_size("states (a sequence each)", u.size(), static_cast<Index>(states.size()));
  detail::check_intervals(layer, u, timing.intervals);
  const ConstBatch<T> seen = detail::observed_in<T>(u, timing.observed, y);
  for (Index b = 0; b < u.size(); ++b) {
    const Sequence<T> to = y.first_steps(b, u.length(b));
    auto& state = states[static_cast<std::size_t>(b)];
    if constexpr (UnevenSSMLayer<Layer>)
      if (!timing.intervals.empty()) {
        layer.forward(seen[b], timing.intervals.part(b * u.length(), u.length(b)), to, state);
        continue;
      }
    layer.forward(seen[b], to, state);
  }
  detail::clear_padding<T>(u, y);
}
/// @}

}  // namespace ssm
