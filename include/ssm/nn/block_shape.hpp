#pragma once

#include "ssm/nn/norm.hpp"

#include <optional>

namespace ssm::nn {

/// Place of a block's normalization.
enum class NormPlace {
  before,  ///< before the layer
  after    ///< after the sum with the residual
};

/// The part of its input that a block adds to its result.
enum class Residual {
  input,   ///< what came in
  normed,  ///< what came in, normalized (s5-pytorch)
  none     ///< nothing
};

/// Map of a block from the layer's features to its own. g is the activated output y of the layer, f the gate.
enum class Mixing {
  none,       ///< g
  linear,     ///< f(W g + b)
  glu,        ///< a f(c), (a, c) = W g + b. The two maps of S5's full GLU are the rows of W, one above the other
  half_glu1,  ///< g f(W g + b), S5's
  half_glu2   ///< y f(W g + b), S5's
};

/// A block of a deep model as data. With x what comes in and n = norm(x), or n = x where the norm stands after or is
/// none,
///
///     y = layer(n)                  or n, in a feed-forward block, which has no layer
///     g = activation(y)
///     m = mixing(g)                 see Mixing
///     z = P m + p                   where there is a projection; else m
///     x + z, n + z or z             see Residual; then the norm, where it stands after
///
/// Every published block is one or two of these: S4's and S4D's block is the default; S5's has tanh-GELU and a mixing of
/// its own; s5-pytorch's is one of residual `normed` without mixing and a feed-forward one.
struct BlockShape {
  NormKind norm = NormKind::layer;           ///< kind of the normalization
  NormPlace place = NormPlace::before;       ///< where it stands
  double epsilon = 1e-5;                     ///< of the norm, added to the variance: PyTorch 1e-5, flax 1e-6, >= 0
  double momentum = 0.1;                     ///< of batch norm's running statistics, the share of the new ones: 0 .. 1
  Residual residual = Residual::input;       ///< what is added
  bool layer = true;                         ///< false: a feed-forward block
  Index channels = 1;                        ///< times that n stands side by side as the layer's input     >= 1
  Activation activation = Activation::gelu;  ///< of the layer's output
  Mixing mixing = Mixing::glu;               ///< from the layer's features to the block's
  std::optional<Activation> gate = {};       ///< f; unset: the logistic function in a GLU, the identity in `linear`
  std::optional<Index> width = {};           ///< numbers of m, which a projection takes to H; unset: H, no projection
  bool bias = true;                          ///< whether the mixing's and the projection's maps have biases

  /// f
  Activation gate_function() const {
    return gate.value_or(mixing == Mixing::linear ? Activation::identity : Activation::sigmoid);
  }
  /// Whether the mixing is the gated linear unit with the logistic function.
  bool has_plain_glu() const { return mixing == Mixing::glu && gate_function() == Activation::sigmoid; }
  /// Whether the input is normalized before the layer.
  bool normalizes_before() const noexcept { return norm != NormKind::none && place == NormPlace::before; }
  /// Whether the sum with the residual is normalized.
  bool normalizes_after() const noexcept { return norm != NormKind::none && place == NormPlace::after; }
  /// Compares by value.
  friend bool operator==(const BlockShape&, const BlockShape&) = default;
};

/// Sizes within a block.
struct BlockSizes {
  Index features;  ///< H, of what comes in and goes out
  Index inputs;    ///< of the layer: H channels
  Index outputs;   ///< of y
  Index active;    ///< of g
  Index wide;      ///< of W g + b; 0: no such map
  Index mixed;     ///< of m

  /// Sizes of a block.
  /// @param shape     its choices
  /// @param H         features
  /// @param of_layer  outputs of its layer; of a feed-forward block H
  /// @throws          DomainError that names the two choices which cannot go together
  BlockSizes(const BlockShape& shape, Index H, Index of_layer)
      : features(H),
        inputs(features * shape.channels),
        outputs(of_layer),
        active(shape.activation == Activation::glu ? outputs / 2 : outputs),
        mixed(shape.mixing == Mixing::none ? active : shape.width.value_or(features)) {
    wide = shape.mixing == Mixing::none ? 0 : shape.mixing == Mixing::glu ? 2 * mixed : mixed;
    check(shape);
  }

 private:
  void check(const BlockShape& shape) const {
    const auto refuse = [](const auto&... parts) { throw DomainError(ssm::detail::message("block: ", parts...)); };
    ssm::detail::require_at_least("channels of a block", 1, shape.channels);
    if (!(shape.epsilon >= 0) || !std::isfinite(shape.epsilon))
      refuse("epsilon of the norm: expected a finite number, at least 0, got ", shape.epsilon);
    if (!(shape.momentum >= 0 && shape.momentum <= 1))
      refuse("momentum of the norm: expected within 0 .. 1, got ", shape.momentum);
    if (!shape.layer && shape.channels != 1)
      refuse("channels: expected 1 in a block without a layer, got ", shape.channels);
    if (shape.residual == Residual::normed && (shape.norm == NormKind::none || shape.place == NormPlace::after))
      refuse("residual of the normed input: expected a norm before the layer, got ",
             shape.norm == NormKind::none ? "none" : "one after the sum");
    if (shape.activation == Activation::glu && outputs % 2 != 0)
      refuse("activation by GLU: expected a layer with an even number of outputs, got ", outputs);
    if (shape.gate == Activation::glu) refuse("gate: expected a function of one number, got glu");
    if (shape.gate && shape.mixing == Mixing::none) refuse("gate: expected none without a mixing, got one");
    if (shape.width) {
      if (shape.mixing == Mixing::none) refuse("width: expected none without a mixing, got ", *shape.width);
      ssm::detail::require_at_least("width of a block", 1, *shape.width);
    }
    if (shape.mixing == Mixing::none && active != features)
      refuse("no mixing: expected as many activated features as the block has, ", features, ", got ", active);
    if (shape.mixing == Mixing::half_glu1 && active != mixed)
      refuse("half GLU 1: expected as many activated features as the map gives, ", mixed, ", got ", active);
    if (shape.mixing == Mixing::half_glu2 && outputs != mixed)
      refuse("half GLU 2: expected a layer of as many outputs as the map gives, ", mixed, ", got ", outputs);
  }
};

}  // namespace ssm::nn
