#pragma once

#include "ssm/core/array.hpp"

#include <cstddef>
#include <cstring>

namespace ssm {

/// State of a layer whose transition is kept in modes, split into real and imaginary parts. X may be wider than the
/// data.
template <std::floating_point X>
struct ModalState {
  Array<X> re;  ///< (H, M), S5: (S)
  Array<X> im;  ///< (H, M), S5: (S)

  /// By value.
  friend bool operator==(const ModalState&, const ModalState&) = default;
};

/// State of a layer whose transition is dense.
template <std::floating_point X>
struct DenseState {
  Array<X> x;     ///< (H, N)
  Array<X> next;  ///< (N), the step's workspace: no part of the state's value

  /// By value.
  friend bool operator==(const DenseState& a, const DenseState& b) { return a.x == b.x; }
};

/// The numbers that are a state's value, in the order they are saved in. A state of your own gets `save` and `restore`
/// by a function of this name beside it.
template <std::floating_point X>
std::array<std::span<X>, 2> parts(ModalState<X>& state) {
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
