#pragma once

#include "ssm/layer/trainable.hpp"
#include "ssm/nn/block_shape.hpp"
#include "ssm/nn/glu.hpp"

#include <string>
#include <vector>

namespace ssm::nn {

/// Parameters of a block, stored and trained.
template <TrainableLayer Layer>
struct BlockParameters {
  /// Scalar type of inputs and outputs.
  using T = typename Layer::Scalar;
  BlockShape shape;                ///< the block's choices
  Norm<T> norm;                    ///< before the layer, or after the sum
  typename Layer::Parameters ssm;  ///< the layer's; in a feed-forward block as they are made by default
  Linear<T> mix;                   ///< to the mixing's numbers: W, b; empty without a mixing
  Linear<T> project;               ///< from them to H: P, p; empty without a projection

  BlockParameters() = default;
  /// Initial values: a norm that changes nothing more, PyTorch's for linear maps.
  /// @param choices    of the block
  /// @param features   H
  /// @param layer      the layer's parameters; of a feed-forward block those that are made by default
  /// @param random     the source of what is drawn
  /// @throws           DomainError if two choices cannot go together; ShapeError if the layer has other inputs
  BlockParameters(const BlockShape& choices, Index features, typename Layer::Parameters layer, Random& random)
      : shape(choices), norm(features, choices.norm), ssm(std::move(layer)) {
    const BlockSizes all = sizes(features);
    if (all.wide > 0) mix = Linear<T>(all.active, all.wide, random, shape.bias);
    if (shape.width) project = Linear<T>(all.mixed, features, random, shape.bias);
    check("block", features);
  }

  /// Sizes within the block.
  /// @param features   H
  /// @throws           DomainError if two choices cannot go together
  BlockSizes sizes(Index features) const {
    return BlockSizes(shape, features, shape.layer ? outputs_of(ssm) : features);
  }
  /// @param name       of the block, for the message
  /// @param features   H
  /// @throws           DomainError if two choices cannot go together; ShapeError if an array has another size
  void check(const std::string& name, Index features) const {
    const BlockSizes all = sizes(features);
    if (shape.layer) ssm::detail::require_size(name + "/ssm: inputs of the layer", all.inputs, inputs_of(ssm));
    norm.check(name + "/norm", features, shape.norm);
    mix.check(name + "/mix", all.wide > 0 ? all.active : 0, all.wide, shape.bias);
    project.check(name + "/project", shape.width ? all.mixed : 0, shape.width ? features : 0, shape.bias);
  }
  /// Visits all arrays in order: f(name, array, role), as in "ssm/log_dt".
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    const auto within = [&f](std::string folder) {
      return [&f, folder](const std::string& name, auto& array, Role role) { f(folder + name, array, role); };
    };
    Norm<T>::each(self.norm, within("norm/"));
    if (self.shape.layer) Layer::Parameters::each(self.ssm, within("ssm/"));
    Linear<T>::each(self.mix, within("mix/"));
    Linear<T>::each(self.project, within("project/"));
  }
};

namespace detail {

/// y = f(x), row by row where rows do not lie together. y may be x.
template <Real T>
void apply(Activation f, ConstSequence<T> x, Sequence<T> y) {
  with_function(f, [&]<class F>(F function) {
    const auto size = static_cast<std::size_t>(x.length() * x.features());
    if (x.stride() == x.features() && y.stride() == y.features())
      return activate<F, T>(function, std::span<const T>(x.data(), size), std::span<T>(y.data(), size));
    for (Index k = 0; k < x.length(); ++k) activate<F, T>(function, x.row(k), y.row(k));
  });
}
/// y = f(x), slope = f'(x).
template <Real T>
void apply(Activation f, ConstSequence<T> x, Sequence<T> y, Sequence<T> slope) {
  with_function(f, [&]<class F>(F function) {
    const auto size = static_cast<std::size_t>(x.length() * x.features());
    if (x.stride() == x.features() && y.stride() == y.features())
      return activate<F, T>(function, std::span<const T>(x.data(), size), std::span<T>(y.data(), size),
                            std::span<T>(slope.data(), size));
    for (Index k = 0; k < x.length(); ++k) activate<F, T>(function, x.row(k), y.row(k), slope.row(k));
  });
}
/// to(k, h) = f(k, h), for all.
template <class T, class F>
void fill(Sequence<T> to, F f) {
  for (Index k = 0; k < to.length(); ++k)
    for (Index h = 0; h < to.features(); ++h) to(k, h) = f(k, h);
}
template <Real T>
void copy_rows(ConstSequence<T> from, Sequence<T> to) {
  if (from.data() == to.data()) return;
  for (Index k = 0; k < to.length(); ++k) std::copy_n(from.row(k).data(), to.features(), to.row(k).data());
}

/// Intermediate values of a block, rows of a sequence or of one step.
template <Real T>
struct BlockRows {
  Sequence<T> repeated;  ///< n, side by side      (L, inputs)      used where there are several channels
  Sequence<T> y;         ///< layer(n)             (L, outputs)     may be n's memory where the layer allows it
  Sequence<T> active;    ///< g                    (L, active)      may be y's memory where y is not needed
  Sequence<T> wide;      ///< W g + b              (L, wide)
  Sequence<T> gate;      ///< f of the gate        (L, mixed)       may be the gate's memory
  Sequence<T> mixed;     ///< m                    (L, mixed)       used where there is a projection
};

/// The part of W g + b that goes through the gate.
template <class T>
SequenceView<T> gate_of(const BlockShape& shape, SequenceView<T> wide) {
  return shape.mixing == Mixing::glu ? wide.columns(wide.features() / 2, wide.features() / 2) : wide;
}

/// m = mixing(g), from y, g and W g + b.
template <Real T>
void mixing(const BlockShape& shape, const BlockRows<T>& rows, Sequence<T> m) {
  const Activation f = shape.gate_function();
  const auto times_gate = [&](ConstSequence<T> value) {
    apply<T>(f, gate_of(shape, rows.wide), rows.gate);
    fill(m, [&](Index k, Index h) { return value(k, h) * rows.gate(k, h); });
  };
  switch (shape.mixing) {
    case Mixing::none:
      return copy_rows<T>(rows.active, m);
    case Mixing::linear:
      return apply<T>(f, rows.wide, m);
    case Mixing::glu:
      if (shape.has_plain_glu()) return glu<T>(rows.wide, m);
      return times_gate(rows.wide.columns(0, m.features()));
    case Mixing::half_glu1:
      return times_gate(rows.active);
    case Mixing::half_glu2:
      return times_gate(rows.y);
  }
}
/// g = activation(y).
template <Real T>
void activation(const BlockShape& shape, ConstSequence<T> y, Sequence<T> g) {
  if (shape.activation == Activation::glu)
    glu<T>(y, g);
  else
    apply<T>(shape.activation, y, g);
}

/// z, what a block adds to its residual. Evaluation, a step and training run this.
/// @param block   its parameters
/// @param n       normalized input      (L, H)
/// @param rows    what is computed on the way
/// @param z       result                (L, H)     may be the memory of n, y or g
/// @param run     run(u, y): the layer
/// @param map     map(linear, x, y): a linear map
/// @param mask    mask(which, rows): dropout, of g (0) and of z (1)
template <class Layer, Real T, class Run, class Map, class Mask>
void block_body(const BlockParameters<Layer>& block, ConstSequence<T> n, const BlockRows<T>& rows, Sequence<T> z,
                Run run, Map map, Mask mask) {
  const BlockShape& shape = block.shape;
  if (!shape.layer) {
    copy_rows<T>(n, rows.y);
  } else if (shape.channels > 1) {
    fill(rows.repeated, [&](Index k, Index h) { return n(k, h % n.features()); });
    run(ConstSequence<T>(rows.repeated), rows.y);
  } else {
    run(n, rows.y);
  }
  activation<T>(shape, rows.y, rows.active);
  mask(0, rows.active);
  if (shape.mixing != Mixing::none) map(block.mix, ConstSequence<T>(rows.active), rows.wide);
  if (shape.width) {
    mixing<T>(shape, rows, rows.mixed);
    map(block.project, ConstSequence<T>(rows.mixed), z);
  } else {
    mixing<T>(shape, rows, z);
  }
  mask(1, z);
}

/// Purposes of rows in scratch memory.
enum class Use : std::size_t {
  active,
  slope,
  gate,
  gate_slope,
  mixed,
  repeated,
  dz,
  dactive,
  dwide,
  dmixed,
  dlayer,
  drepeated,
  answer,
  danswer,
  pooled,
  dpooled
};
/// Scratch memory of the way back through blocks: rows by purpose, which grow to the largest that were asked for.
template <Real T>
class BlockScratch {
 public:
  /// Returns rows with whatever numbers are there.
  Sequence<T> room(Use use, Index length, Index features) {
    auto& buffer = buffers_[static_cast<std::size_t>(use)];
    const auto size = static_cast<std::size_t>(length * features);
    if (buffer.size() < size) buffer.resize(size);
    return {buffer.data(), length, features};
  }
  /// Returns rows of zeros.
  Sequence<T> zeros(Use use, Index length, Index features) {
    const Sequence<T> result = room(use, length, features);
    std::fill_n(result.data(), length * features, T(0));
    return result;
  }

 private:
  std::array<std::vector<T>, static_cast<std::size_t>(Use::dpooled) + 1> buffers_;
};

/// Derivatives of `block_body`.
/// @param block      its parameters
/// @param n          as it was given                 (L, H)
/// @param y          layer(n)                        (L, outputs)
/// @param wide       W g + b                         (L, wide)
/// @param dz         cotangent of z                  (L, H)
/// @param dn         += cotangent of n               (L, H)     may be dz's memory, whose own share stays
/// @param gradient   += cotangents of the block's maps
/// @param scratch    memory
/// @param run_vjp    run_vjp(u, dy, du): du += the layer's
/// @param mask       as above
template <class Layer, Real T, class RunVjp, class Mask>
void block_body_vjp(const BlockParameters<Layer>& block, ConstSequence<T> n, ConstSequence<T> y, ConstSequence<T> wide,
                    ConstSequence<T> dz_given, Sequence<T> dn, BlockParameters<Layer>& gradient,
                    BlockScratch<T>& scratch, RunVjp run_vjp, Mask mask) {
  const BlockShape& shape = block.shape;
  const Index L = n.length(), H = n.features();
  const BlockSizes sizes = block.sizes(H);
  const Sequence<T> dz = scratch.room(Use::dz, L, H);
  copy_rows<T>(dz_given, dz);
  mask(1, dz);

  // what came before the maps, once more
  const Sequence<T> g = scratch.room(Use::active, L, sizes.active), g_slope = scratch.room(Use::slope, L, sizes.active);
  const bool halves = shape.activation == Activation::glu;
  if (halves)
    glu<T>(y, g);
  else
    apply<T>(shape.activation, y, g, g_slope);
  mask(0, g);
  const bool plain_glu = shape.has_plain_glu();
  const bool gated = shape.mixing != Mixing::none && !plain_glu;
  const Sequence<T> f = scratch.room(Use::gate, L, gated ? sizes.mixed : 0),
                    f_slope = scratch.room(Use::gate_slope, L, gated ? sizes.mixed : 0);
  if (gated) apply<T>(shape.gate_function(), gate_of(shape, wide), f, f_slope);

  // the projection
  Sequence<T> dm = dz;
  if (shape.width) {
    const Sequence<T> m = scratch.room(Use::mixed, L, sizes.mixed);
    if (plain_glu)
      glu<T>(wide, m);
    else if (shape.mixing == Mixing::linear)
      copy_rows<T>(f, m);
    else
      fill(m, [&](Index k, Index h) {
        return f(k, h) * (shape.mixing == Mixing::glu         ? wide(k, h)
                          : shape.mixing == Mixing::half_glu1 ? g(k, h)
                                                              : y(k, h));
      });
    dm = scratch.zeros(Use::dmixed, L, sizes.mixed);
    linear_vjp<T>(block.project, m, dz, dm, gradient.project);
  }

  // the mixing
  Sequence<T> dg = dm;
  const Sequence<T> dlayer = scratch.room(Use::dlayer, L, sizes.outputs);
  const bool half2 = shape.mixing == Mixing::half_glu2;
  if (shape.mixing != Mixing::none) {
    dg = scratch.zeros(Use::dactive, L, sizes.active);
    const Sequence<T> dw =
        plain_glu ? scratch.zeros(Use::dwide, L, sizes.wide) : scratch.room(Use::dwide, L, sizes.wide);
    switch (shape.mixing) {
      case Mixing::none:
        break;
      case Mixing::linear:
        fill(dw, [&](Index k, Index h) { return f_slope(k, h) * dm(k, h); });
        break;
      case Mixing::glu:
        if (plain_glu) {
          glu_vjp<T>(wide, dm, dw);
        } else {
          fill(dw.columns(0, sizes.mixed), [&](Index k, Index h) { return f(k, h) * dm(k, h); });
          fill(dw.columns(sizes.mixed, sizes.mixed),
               [&](Index k, Index h) { return wide(k, h) * f_slope(k, h) * dm(k, h); });
        }
        break;
      case Mixing::half_glu1:
        fill(dg, [&](Index k, Index h) { return f(k, h) * dm(k, h); });
        fill(dw, [&](Index k, Index h) { return g(k, h) * f_slope(k, h) * dm(k, h); });
        break;
      case Mixing::half_glu2:
        fill(dw, [&](Index k, Index h) { return y(k, h) * f_slope(k, h) * dm(k, h); });
        break;
    }
    linear_vjp<T>(block.mix, g, dw, dg, gradient.mix);
  }

  // the activation and the layer
  mask(0, dg);
  if (halves) {
    std::fill_n(dlayer.data(), L * sizes.outputs, T(0));
    glu_vjp<T>(y, dg, dlayer);
  } else {
    fill(dlayer, [&](Index k, Index h) { return g_slope(k, h) * dg(k, h); });
  }
  if (half2)
    for (Index k = 0; k < L; ++k)
      for (Index h = 0; h < sizes.outputs; ++h) dlayer(k, h) += f(k, h) * dm(k, h);
  if (!shape.layer) {
    for (Index k = 0; k < L; ++k)
      for (Index h = 0; h < H; ++h) dn(k, h) += dlayer(k, h);
  } else if (shape.channels > 1) {
    const Sequence<T> u = scratch.room(Use::repeated, L, sizes.inputs),
                      du = scratch.zeros(Use::drepeated, L, sizes.inputs);
    fill(u, [&](Index k, Index h) { return n(k, h % H); });
    run_vjp(ConstSequence<T>(u), ConstSequence<T>(dlayer), du);
    for (Index k = 0; k < L; ++k)
      for (Index h = 0; h < sizes.inputs; ++h) dn(k, h % H) += du(k, h);
  } else {
    run_vjp(n, ConstSequence<T>(dlayer), dn);
  }
}

}  // namespace detail
}  // namespace ssm::nn
