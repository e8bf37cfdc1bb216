#pragma once

#include "ssm/nn/encoder.hpp"
#include "ssm/nn/loss.hpp"
#include "ssm/nn/reading.hpp"
#include "ssm/nn/stack_parameters.hpp"

namespace ssm::nn::detail {

/// A stack as it runs: weights, layers made from them, and what happens between. Whole sequences, blocks of a stream
/// and single steps all go through `pass` and `answer`, which do not allocate.
template <TrainableLayer Layer>
struct Network {
  using T = typename Layer::Scalar;
  using Weights = StackParameters<Layer>;
  static constexpr std::size_t no_layer = static_cast<std::size_t>(-1);

  Weights weights;
  Sampling sampling;
  std::vector<Layer> layers;       // of the blocks that have one, in order
  std::vector<std::size_t> which;  // the layer of a block, or no_layer
  std::vector<BlockSizes> sizes;   // of every block

  Network(Weights given, Sampling rate) : weights(std::move(given)), sampling(rate) { refresh(); }

  /// Makes the layers from the weights as they are now.
  void refresh() {
    weights.check();
    std::vector<Layer> fresh;
    std::vector<std::size_t> of_block;
    std::vector<BlockSizes> found;
    for (std::size_t i = 0; i < weights.blocks.size(); ++i) try {
        const auto& block = weights.blocks[i];
        found.push_back(block.sizes(weights.shape.features));
        of_block.push_back(block.shape.layer ? fresh.size() : no_layer);
        if (!block.shape.layer) continue;
        if constexpr (std::constructible_from<Layer, const typename Layer::Parameters&, const Layer&>) {
          if (fresh.size() < layers.size()) {
            fresh.emplace_back(block.ssm, layers[fresh.size()]);  // keeps what has not changed
            continue;
          }
        }
        fresh.emplace_back(block.ssm, sampling);
      } catch (const DomainError& error) {
        throw DomainError(ssm::detail::message("block ", i, ": ", error.what()));
      }
    layers = std::move(fresh);
    which = std::move(of_block);
    sizes = std::move(found);
  }

  /// Memory for the rows within a block, of so many steps: for all blocks one after the other.
  struct Rows {
    Rows(const Network& network, Index length) {
      Index y = 0, active = 0, wide = 0, mixed = 0, repeated = 0;
      for (const BlockSizes& each : network.sizes) {
        y = std::max(y, each.outputs);
        active = std::max(active, each.active);
        wide = std::max(wide, each.wide);
        mixed = std::max(mixed, each.mixed);
        repeated = std::max(repeated, each.inputs);
      }
      const Index H = network.weights.shape.features;
      bool own_y = false, own_active = false, own_z = false, own_mixed = false, own_repeated = false;
      for (std::size_t i = 0; i < network.sizes.size(); ++i) {
        const BlockShape& shape = network.weights.blocks[i].shape;
        own_y = own_y || !network.in_place(i);
        own_active = own_active || needs_active(shape);
        own_z = own_z || shape.residual == Residual::normed;
        own_mixed = own_mixed || shape.width.has_value();
        own_repeated = own_repeated || shape.channels > 1;
      }
      const std::array widths{H,
                              own_y ? y : 0,
                              own_active ? active : 0,
                              wide,
                              own_mixed ? mixed : 0,
                              own_z ? H : 0,
                              own_repeated ? repeated : 0};
      for (std::size_t i = 0; i < widths.size(); ++i)
        memory[i] = std::vector<T>(static_cast<std::size_t>(length * widths[i]));
    }
    Sequence<T> rows(std::size_t which_one, Index length, Index features) {
      return {memory[which_one].data(), length, features};
    }
    std::array<std::vector<T>, 7> memory;
  };

  /// Puts x, features of the input, through all blocks and the final norm, in place.
  /// @param x     rows that lie together     (L, H)
  /// @param rows  memory for L steps
  /// @param run   run(layer, u, y): layer number `layer`
  /// @param map   map(linear, x, y): a linear map
  template <class Run, class Map>
  void pass(Sequence<T> x, Rows& rows, Run run, Map map) const {
    for (std::size_t i = 0; i < weights.blocks.size(); ++i) pass_block(i, x, rows, run, map);
    if (weights.shape.norm != NormKind::none)
      normalize<T>(weights.norm, weights.shape.norm, weights.shape.epsilon, x, x);
  }

  /// A linear map of whole sequences, for `pass` and `answer`.
  struct LinearMap {
    void operator()(const Linear<T>& map, ConstSequence<T> x, Sequence<T> y) const { linear<T>(map, x, y); }
  };
  /// Returns the features of a whole sequence, behind the final norm.           (L, H)
  /// @param u         input                                                    (L, inputs)
  /// @param reading   which steps have an input, checked
  /// @param run       run(layer, u, y): layer number `layer`, from rest
  template <class Run>
  std::vector<T> features(ConstSequence<T> u, const Reading<T>& reading, Run run) const {
    const Index L = u.length(), H = weights.shape.features;
    std::vector<T> x(static_cast<std::size_t>(L * H)), seen;
    const Sequence<T> rows(x.data(), L, H);
    encode<T>(weights.shape, weights.encoder, observed_rows<T>(u, reading.observed, seen), rows);
    ssm::detail::clear_unobserved<T>(reading.observed, rows);
    Rows memory(*this, L);
    pass(rows, memory, run, LinearMap{});
    return x;
  }

  /// Makes an answer of pooled features.
  /// @param pooled   (rows, H)
  /// @param out      (rows, outputs)
  template <class Map>
  void answer(ConstSequence<T> pooled, Sequence<T> out, Map map) const {
    if (!weights.shape.decoder) return copy_rows<T>(pooled, out);
    map(weights.decoder, pooled, out);
    if (weights.shape.log_softmax)
      for (Index k = 0; k < out.length(); ++k) log_softmax<T>(out.row(k), out.row(k));
  }

  /// Runs a layer over a whole sequence from rest.
  void run_layer(std::size_t layer, ConstSequence<T> u, Sequence<T> y, Intervals<T> intervals) const {
    const Layer& own = layers[layer];
    if (!intervals.empty()) {
      forward_from_rest(own, u, intervals, y);
    } else if constexpr (requires { own.forward(u, y); }) {
      own.forward(u, y);
    } else {
      auto state = own.initial_state();
      own.forward(u, y, state);
    }
  }

 private:
  /// Whether a block's layer can run in the memory of its normalized input.
  bool in_place(std::size_t i) const {
    const BlockShape& shape = weights.blocks[i].shape;
    return shape.normalizes_before() && shape.residual != Residual::normed && shape.channels == 1 &&
           sizes[i].outputs == sizes[i].features && (which[i] == no_layer || runs_in_place(layers[which[i]]));
  }
  static bool needs_active(const BlockShape& shape) {
    return shape.activation == Activation::glu || shape.mixing == Mixing::half_glu2;
  }

  template <class Run, class Map>
  void pass_block(std::size_t i, Sequence<T> x, Rows& memory, Run run, Map map) const {
    const auto& block = weights.blocks[i];
    const BlockShape& shape = block.shape;
    const BlockSizes& size = sizes[i];
    const Index L = x.length(), H = x.features();
    const Sequence<T> normed = memory.rows(0, L, H);
    const bool before = shape.normalizes_before();
    if (before) normalize<T>(block.norm, shape.norm, shape.epsilon, x, normed);
    const ConstSequence<T> n = before ? normed : x;
    const Sequence<T> y = in_place(i) ? normed : memory.rows(1, L, size.outputs);
    const Sequence<T> wide = memory.rows(3, L, size.wide);
    const BlockRows<T> rows{memory.rows(6, L, size.inputs),
                            y,
                            needs_active(shape) ? memory.rows(2, L, size.active) : y,
                            wide,
                            gate_of(shape, wide),
                            memory.rows(4, L, size.mixed)};
    const Sequence<T> z = shape.residual == Residual::normed ? memory.rows(5, L, H) : normed;
    block_body<Layer, T>(
        block, n, rows, z, [&](ConstSequence<T> u, Sequence<T> to) { run(which[i], u, to); }, map,
        [](int, Sequence<T>) {});
    T* const sum = x.data();
    const T *const part = z.data(), *const base = n.data();
    switch (shape.residual) {
      case Residual::input:
        for (Index j = 0; j < L * H; ++j) sum[j] += part[j];
        break;
      case Residual::normed:
        for (Index j = 0; j < L * H; ++j) sum[j] = base[j] + part[j];
        break;
      case Residual::none:
        std::copy_n(part, L * H, sum);
        break;
    }
    if (shape.normalizes_after()) normalize<T>(block.norm, shape.norm, shape.epsilon, x, x);
  }
};

}  // namespace ssm::nn::detail
