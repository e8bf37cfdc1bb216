#pragma once

#include "ssm/nn/dropout.hpp"
#include "ssm/nn/network.hpp"

namespace ssm::nn::detail {

/// One sequence, with the values of every block that the backward run needs.
template <TrainableLayer Layer, class Sequences>
struct ExampleValues {
  using T = typename Layer::Scalar;

  ConstSequence<T> u{nullptr, 0, 0};
  std::vector<T> seen;  // u, 0 where it is not observed
  Reading<T> reading;
  const Network<Layer>* network = nullptr;
  std::vector<std::vector<T>> xs, inners, ys, wides, masks;
  std::vector<typename Sequences::Kept> kept;
  typename Sequences::Pooled pooled;
  std::vector<T> d, di;

  void begin(ConstSequence<T> input, const Reading<T>& how, const Network<Layer>& of, Random& random) {
    u = input;
    reading = how;
    network = &of;
    const StackShape& shape = of.weights.shape;
    const std::size_t L = at(u.length()), H = at(shape.features), blocks = of.sizes.size();
    for (auto* all : {&inners, &ys, &wides}) all->resize(blocks);
    xs.resize(blocks + (shape.norm == NormKind::none ? 1 : 2));
    kept.resize(blocks);
    for (auto& each : xs) each.resize(L * H);
    for (std::size_t i = 0; i < blocks; ++i) {
      inners[i].resize(of.weights.blocks[i].shape.norm == NormKind::none ? 0 : L * H);
      ys[i].resize(L * at(of.sizes[i].outputs));
      wides[i].resize(L * at(of.sizes[i].wide));
    }
    draw(L, of, random);
    d.assign(L * H, T(0));
    di.resize(L * H);
  }
  /// Draws what is dropped, of L steps.
  void draw(std::size_t L, const Network<Layer>& of, Random& random) {
    const StackShape& shape = of.weights.shape;
    const std::size_t blocks = of.sizes.size(), steps_drawn = shape.dropout_shared ? 1 : L;
    masks.resize(shape.dropout > 0 ? 2 * blocks : 0);
    for (std::size_t i = 0; i < masks.size(); ++i) {
      masks[i].resize(steps_drawn * at(i % 2 == 0 ? of.sizes[i / 2].active : shape.features));
      draw_dropout<T>(shape.dropout, random, masks[i]);
    }
  }
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  Sequence<T> rows(std::vector<T>& from, Index features) const { return {from.data(), u.length(), features}; }
  Index H() const { return network->weights.shape.features; }
  Sequence<T> x(std::size_t i) { return rows(xs[i], H()); }
  Sequence<T> inner(std::size_t i) { return rows(inners[i], H()); }
  Sequence<T> y(std::size_t i) { return rows(ys[i], network->sizes[i].outputs); }
  Sequence<T> wide(std::size_t i) { return rows(wides[i], network->sizes[i].wide); }
  Sequence<T> dx() { return rows(d, H()); }
  Sequence<T> counted(Sequence<T> all) const { return all.block(0, reading.counted.value_or(u.length())); }
  Sequence<T> dinner() { return rows(di, H()); }
  void clear_inner() { std::fill(di.begin(), di.end(), T(0)); }
  void swap_cotangents() { d.swap(di); }
  void mask(std::size_t which, Sequence<T> of) const {
    if (masks.empty()) return;
    const auto& numbers = masks[which];
    if (network->weights.shape.dropout_shared) return dropout<T>(numbers, of);
    detail::fill(of, [&](Index k, Index h) { return of(k, h) * numbers[at(k * of.features() + h)]; });
  }
};

}  // namespace ssm::nn::detail
