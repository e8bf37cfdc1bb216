#pragma once

#include "ssm/core/array.hpp"
#include "ssm/simd/pack.hpp"

#include <cstddef>
#include <cstring>

namespace ssm {

/// State of H independent systems of M modes each, S4's and S4D's. X may be wider than the data.
///
/// Features lie side by side in groups of lanes, so that one instruction moves the same mode of several of them; what
/// is beyond the last feature is 0. The groups are of one size for every instruction set.
template <std::floating_point X>
class ModalState {
 public:
  ModalState() = default;
  /// Rest.
  ModalState(Index features, Index modes)
      : features_(features), lanes_((features + simd::group<X> - 1) / simd::group<X>, modes, 2 * simd::group<X>) {}

  /// H
  Index features() const noexcept { return features_; }
  /// M
  Index modes() const noexcept { return lanes_.columns(); }

  /// Real part of mode n of feature h.
  X& re(Index h, Index n) noexcept { return lanes_(h / simd::group<X>, n, h % simd::group<X>); }
  /// Real part of mode n of feature h.
  X re(Index h, Index n) const noexcept { return lanes_(h / simd::group<X>, n, h % simd::group<X>); }
  /// Imaginary part of mode n of feature h.
  X& im(Index h, Index n) noexcept { return lanes_(h / simd::group<X>, n, simd::group<X> + h % simd::group<X>); }
  /// Imaginary part of mode n of feature h.
  X im(Index h, Index n) const noexcept { return lanes_(h / simd::group<X>, n, simd::group<X> + h % simd::group<X>); }

  /// All numbers, as they lie: (groups, M, 2 lanes).
  std::span<X> values() noexcept { return lanes_.values(); }
  /// All numbers, as they lie: (groups, M, 2 lanes).
  std::span<const X> values() const noexcept { return lanes_.values(); }
  /// Those of one group of features, (M, 2 lanes): real parts, then imaginary ones.
  X* group(Index which) noexcept { return lanes_.row(which).data(); }
  /// Those of one group of features, (M, 2 lanes): real parts, then imaginary ones.
  const X* group(Index which) const noexcept { return lanes_.row(which).data(); }

  /// By value.
  friend bool operator==(const ModalState&, const ModalState&) = default;

 private:
  Index features_ = 0;
  Array<X> lanes_;
};

/// State of one system for all features, S5's. X may be wider than the data.
template <std::floating_point X>
struct MimoState {
  Array<X> re;  ///< (S)
  Array<X> im;  ///< (S)

  /// By value.
  friend bool operator==(const MimoState&, const MimoState&) = default;
};

/// State of a layer whose transition is dense.
template <std::floating_point X>
struct DenseState {
  Array<X> x;     ///< (H, N)
  Array<X> next;  ///< (H, N), the step's workspace: no part of the state's value

  /// By value.
  friend bool operator==(const DenseState& a, const DenseState& b) { return a.x == b.x; }
};

/// The numbers that are a state's value, in the order they are saved in. A state of your own gets `save` and `restore`
/// by a function of this name beside it.
template <std::floating_point X>
std::array<std::span<X>, 1> parts(ModalState<X>& state) {
  return {state.values()};
}
template <std::floating_point X>
std::array<std::span<X>, 2> parts(MimoState<X>& state) {
  return {state.re.values(), state.im.values()};
}
template <std::floating_point X>
std::array<std::span<X>, 1> parts(DenseState<X>& state) {
  return {state.x.values()};
}

/// A state whose value is a range of spans of numbers.
template <class State>
concept SavableState = requires(State& state) {
  parts(state)[0].data();
};

/// Bytes that a state's value takes.
template <SavableState State>
Index byte_size(const State& state) {
  std::size_t bytes = 0;
  for (const auto part : parts(const_cast<State&>(state))) bytes += part.size_bytes();
  return static_cast<Index>(bytes);
}

/// Writes a state's value, as it lies in memory: for the same layer on the same kind of machine.
/// @throws ShapeError unless there are byte_size(state) bytes
template <SavableState State>
void save(const State& state, std::span<std::byte> bytes) {
  detail::require_size("bytes to save a state in", byte_size(state), static_cast<Index>(bytes.size()));
  std::size_t at = 0;
  for (const auto part : parts(const_cast<State&>(state))) {
    if (!part.empty()) std::memcpy(bytes.data() + at, part.data(), part.size_bytes());
    at += part.size_bytes();
  }
}

/// Reads what `save` wrote into a state of the same layer.
/// @param state   of the right sizes: the layer's initial_state(), for one
/// @throws        ShapeError unless there are byte_size(state) bytes; the state is left alone then
template <SavableState State>
void restore(State& state, std::span<const std::byte> bytes) {
  detail::require_size("bytes to restore a state from", byte_size(state), static_cast<Index>(bytes.size()));
  std::size_t at = 0;
  for (auto part : parts(state)) {
    if (!part.empty()) std::memcpy(part.data(), bytes.data() + at, part.size_bytes());
    at += part.size_bytes();
  }
}

}  // namespace ssm
