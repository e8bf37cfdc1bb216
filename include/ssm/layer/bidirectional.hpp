#pragma once

#include "ssm/layer/batch.hpp"
#include "ssm/layer/concept.hpp"

#include <vector>

namespace ssm {

namespace detail {

/// The present sample belongs to the backward half as well, or is left out of it.
enum class Present { in_both, in_forward_only };

template <SSMLayer Forward, SSMLayer Backward, Present present>
class BothWays {
 public:
  using Scalar = typename Forward::Scalar;
  static_assert(std::same_as<Scalar, typename Backward::Scalar>, "both directions take the same scalar");

  /// @throws ShapeError unless both have the same features
  BothWays(Forward forward_layer, Backward backward_layer)
      : forward_(std::move(forward_layer)), backward_(std::move(backward_layer)) {
    require_size("features of the backward layer", forward_.features(), backward_.features());
  }

  Index features() const noexcept { return forward_.features(); }

  /// A whole sequence, both directions from rest.
  /// @param u      input            (L, H)
  /// @param y      output           (L, H)     may be u
  /// @param mode   one that both layers have; none for their defaults
  /// @throws       ShapeError if the sizes disagree
  /// @note         twice the cost of a layer; (L, H) numbers of memory
  template <class... Mode>
  void forward(ConstSequence<Scalar> u, Sequence<Scalar> y, Mode... mode) const {
    require_same_shape<Scalar>(u, y, features());
    const Index L = u.length(), H = features();
    std::vector<Scalar> buffer(static_cast<std::size_t>(L * H));
    const Sequence<Scalar> reversed(buffer.data(), L, H);
    for (Index k = 0; k < L; ++k) std::copy_n(u.row(L - 1 - k).data(), H, reversed.row(k).data());
    auto future = backward_.initial_state();
    backward_.forward(reversed, reversed, future, mode...);
    auto past = forward_.initial_state();
    forward_.forward(u, y, past, mode...);
    constexpr Index lag = present == Present::in_both ? 0 : 1;
    for (Index k = 0; k + lag < L; ++k)
      for (Index h = 0; h < H; ++h) y(k, h) += reversed(L - 1 - k - lag, h);
  }

  /// Whole sequences, each with a length of its own: bit for bit what `forward` gives for each alone; y is 0 beyond
  /// them.
  /// @throws ShapeError if the sizes disagree
  template <class... Mode>
  void forward(ConstBatch<Scalar> u, Batch<Scalar> y, Mode... mode) const {
    require_same_batch<Scalar>(u, y, features());
    for (Index b = 0; b < u.size(); ++b) forward(u[b], y.first_steps(b, u.length(b)), mode...);
    clear_padding<Scalar>(u, y);
  }

 private:
  Forward forward_;
  Backward backward_;
};

}  // namespace detail

/// Two layers over whole sequences, one in each direction, added up.
///
///     y_k = forward layer at k + backward layer at k,     the backward one having read u_(L-1), .., u_k
///
/// The present sample is in both halves, so the direct terms D of both are added. S5 code base: C_f x_f + C_b x_b + D
/// u, with a backward D of 0. It has no step: the future is not there yet, so it is no SSMLayer.
template <SSMLayer Forward, SSMLayer Backward = Forward>
class Bidirectional : public detail::BothWays<Forward, Backward, detail::Present::in_both> {
 public:
  using detail::BothWays<Forward, Backward, detail::Present::in_both>::BothWays;
};
template <class Forward, class Backward>
Bidirectional(Forward, Backward) -> Bidirectional<Forward, Backward>;

/// Two layers over whole sequences, as Bidirectional, but the backward half leaves the present sample out.
///
///     y_k = forward layer at k + backward layer at k + 1,     the backward one having read u_(L-1), .., u_(k+1)
///
/// The direct term of the backward layer is of u_(k+1). The S4 code base does so, and weights that were trained there
/// need it.
template <SSMLayer Forward, SSMLayer Backward = Forward>
class ShiftedBidirectional : public detail::BothWays<Forward, Backward, detail::Present::in_forward_only> {
 public:
  using detail::BothWays<Forward, Backward, detail::Present::in_forward_only>::BothWays;
};
template <class Forward, class Backward>
ShiftedBidirectional(Forward, Backward) -> ShiftedBidirectional<Forward, Backward>;

}  // namespace ssm
