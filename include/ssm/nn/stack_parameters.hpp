#pragma once

#include "ssm/nn/block.hpp"
#include "ssm/nn/parameter.hpp"
#include "ssm/nn/stack_shape.hpp"

#include <string>
#include <vector>

namespace ssm::nn {

/// Parameters of a deep stack, stored and trained.
template <TrainableLayer Layer>
struct StackParameters {
  /// Scalar type of inputs and outputs.
  using Scalar = typename Layer::Scalar;

  StackShape shape;                            ///< sizes and choices
  Linear<Scalar> encoder;                      ///< inputs to H; of symbols W has a row each, and b is one-hot's alone
  std::vector<BlockParameters<Layer>> blocks;  ///< one after the other
  Norm<Scalar> norm;                           ///< after the last block; empty where there is none
  Linear<Scalar> compare;                      ///< 4 H to H, of two sequences; empty where one is answered
  Linear<Scalar> decoder;                      ///< H to outputs; empty where there is none

  StackParameters() = default;
  /// Initial values of all but the layers, which `make` gives: PyTorch's for linear maps.
  /// @param choices   sizes and choices; its blocks are made `layers` times
  /// @param random    the source of what is drawn
  /// @param make      make(i): parameters of the layer of block i
  /// @throws          DomainError, ShapeError if something does not go together
  template <class Make>
  StackParameters(const StackShape& choices, Random& random, Make make) : shape(choices) {
    shape.check();
    const Index H = shape.features;
    if (shape.has_symbols()) {
      encoder.W = Array<Scalar>(shape.symbols, H);
      for (auto& value : encoder.W) value = static_cast<Scalar>(random.normal());
      if (shape.encoder == Encoder::one_hot) encoder.b = Array<Scalar>(H);
    } else if (shape.encoder == Encoder::linear) {
      encoder = Linear<Scalar>(shape.inputs, H, random);
    }
    for (Index i = 0; i < shape.layers; ++i) {
      blocks.emplace_back(shape.block, H, shape.block.layer ? make(i) : typename Layer::Parameters(), random);
      if (shape.feed_forward) blocks.emplace_back(*shape.feed_forward, H, typename Layer::Parameters(), random);
    }
    norm = Norm<Scalar>(H, shape.norm);
    if (shape.compare) compare = Linear<Scalar>(4 * H, H, random);
    if (shape.decoder) decoder = Linear<Scalar>(H, shape.outputs, random);
  }

  /// @throws DomainError, ShapeError that name what does not go together
  void check() const {
    shape.check();
    const Index H = shape.features;
    if (shape.has_symbols()) {
      ssm::detail::require_shape("encoder/W", encoder.W, shape.symbols, H);
      ssm::detail::require_shape("encoder/b", encoder.b, shape.encoder == Encoder::one_hot ? H : 0);
    } else {
      const bool linear = shape.encoder == Encoder::linear;
      encoder.check("encoder", linear ? shape.inputs : 0, linear ? H : 0);
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i].check("block" + std::to_string(i), H);
    norm.check("norm", H, shape.norm);
    compare.check("compare", shape.compare ? 4 * H : 0, shape.compare ? H : 0);
    decoder.check("decoder", shape.decoder ? H : 0, shape.decoder ? shape.outputs : 0);
  }

  /// Visits all arrays in order: f(name, array, role), as in "block0/ssm/log_dt".
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    const auto within = [&f](std::string folder) {
      return [&f, folder](const std::string& name, auto& array, Role role) { f(folder + name, array, role); };
    };
    Linear<Scalar>::each(self.encoder, within("encoder/"));
    for (std::size_t i = 0; i < self.blocks.size(); ++i)
      BlockParameters<Layer>::each(self.blocks[i], within("block" + std::to_string(i) + "/"));
    Norm<Scalar>::each(self.norm, within("norm/"));
    Linear<Scalar>::each(self.compare, within("compare/"));
    Linear<Scalar>::each(self.decoder, within("decoder/"));
  }
};

}  // namespace ssm::nn
