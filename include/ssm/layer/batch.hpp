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

}  // namespace ssm
