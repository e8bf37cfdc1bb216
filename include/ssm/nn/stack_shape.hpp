#pragma once

#include "ssm/discretize/method.hpp"
#include "ssm/nn/block_shape.hpp"
#include "ssm/nn/pooling.hpp"

namespace ssm::nn {

/// The map from the input to features.
enum class Encoder {
  linear,     ///< W u + b
  none,       ///< the input itself: it has H numbers
  embedding,  ///< W[u], u being a symbol
  one_hot     ///< W[u] + b: a linear map of one-hot vectors, with W by its columns
};

/// Sizes and choices of a deep stack.
struct StackShape {
  Index inputs = 1;        ///< numbers of a step; or, where they are symbols, 1
  Index symbols = 0;       ///< size of the alphabet of the input; 0: the input is numbers
  Index features = 64;     ///< H, of every block
  Index states = 64;       ///< N, of every layer that is made
  Index layers = 4;        ///< number of blocks that are made, feed-forward ones not counted
  Index outputs = 10;      ///< numbers of an answer: classes
  Pool pool = Pool::mean;  ///< how an answer is made from all steps
  BlockShape block = {};   ///< every block that is made
  /// Block that follows every block, where there is one. It has no layer.
  std::optional<BlockShape> feed_forward = {};
  double dropout = 0;          ///< share of features dropped in training
  bool dropout_shared = true;  ///< the same features at all steps of a sequence
  double dt_min = 1e-3;        ///< s
  double dt_max = 1e-1;        ///< s
  /// Discretization of every layer that is made; where it is not set, the default of the kind of layer.
  std::optional<DenseDiscretization> discretization = {};
  Encoder encoder = Encoder::linear;                      ///< what makes features of the input
  std::optional<Index> zero_symbol = {};                  ///< symbol that becomes zeros and is never trained
  NormKind norm = NormKind::none;                         ///< after the last block
  double epsilon = 1e-5;                                  ///< of that norm
  double momentum = 0.1;                                  ///< of that norm's running statistics
  bool decoder = true;                                    ///< false: an answer is the H features themselves
  bool log_softmax = false;                               ///< an answer is log softmax of the decoder's numbers
  std::optional<double> step_seconds = {};                ///< s, what a step of the layers stands for; none: not said
  bool compare = false;                                   ///< an answer is of two sequences: see Stack
  Activation compare_activation = Activation::tanh_gelu;  ///< between the maps of a comparison

  /// Whether the input is symbols.
  bool has_symbols() const noexcept { return encoder == Encoder::embedding || encoder == Encoder::one_hot; }

  /// @throws DomainError that names what is out of its range, or cannot go together
  void check() const {
    ssm::detail::require_at_least("inputs", 1, inputs);
    ssm::detail::require_at_least("symbols", 0, symbols);
    ssm::detail::require_at_least("features", 1, features);
    ssm::detail::require_at_least("states", 1, states);
    ssm::detail::require_at_least("layers", 0, layers);
    ssm::detail::require_at_least("outputs", 1, outputs);
    ssm::detail::require_at_least("channels of a block", 1, block.channels);
    const auto refuse = [](const auto&... parts) { throw DomainError(ssm::detail::message(parts...)); };
    if (!(dropout >= 0 && dropout < 1)) refuse("dropout: expected within 0 .. 1, got ", dropout);
    if (has_symbols()) {
      ssm::detail::require_at_least("symbols of an embedding", 1, symbols);
      if (inputs != 1) refuse("inputs: expected 1, a symbol, got ", inputs);
    } else if (symbols != 0) {
      refuse("symbols: expected 0 where the encoder is not an embedding, got ", symbols);
    }
    if (zero_symbol && !(*zero_symbol >= 0 && *zero_symbol < symbols))
      refuse("zero_symbol: expected one of the ", symbols, " symbols, got ", *zero_symbol);
    if (encoder == Encoder::none && inputs != features)
      refuse("inputs: expected the ", features, " features where there is no encoder, got ", inputs);
    if (!decoder && outputs != features)
      refuse("outputs: expected the ", features, " features where there is no decoder, got ", outputs);
    if (compare && pool == Pool::none)
      refuse("pool: expected one of all steps where two sequences are compared, got none");
    if (compare && !decoder) refuse("decoder: expected one where two sequences are compared, got none");
    if (feed_forward && feed_forward->layer) refuse("feed_forward: expected a block without a layer, got one with");
    if (step_seconds) ssm::detail::require_positive("step_seconds", *step_seconds);
    if (!(epsilon >= 0) || !std::isfinite(epsilon))
      refuse("epsilon: expected a finite number, at least 0, got ", epsilon);
    if (!(momentum >= 0 && momentum <= 1)) refuse("momentum: expected within 0 .. 1, got ", momentum);
  }
};

}  // namespace ssm::nn
