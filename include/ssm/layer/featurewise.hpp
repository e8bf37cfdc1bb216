#pragma once

#include "ssm/layer/concept.hpp"
#include "ssm/layer/convolution.hpp"
#include "ssm/layer/mode.hpp"

#include <cassert>
#include <vector>

namespace ssm::detail {

/// What layers of H independent systems, one a feature, have alike: S4, S4D, LSSL derive from it. `Layer` gives
///
///     features()                          H
///     check(state)                        throws ShapeError unless the state is one of its own
///     recur(first, u, y, state)           features from `first` on, as many as u has, step after step, D included;
///     `first`
///                                         is a multiple of simd::group; noexcept, allocates nothing
///     recur_reference(h, u, y, state)     the same for feature h alone, the slow way
///     kernel(h, length)                   impulse response of feature h, without D                 (length)   fp64
///     state_response<T>(h, block)         what joins its convolution to the states at the ends
///     real_state(h, state, x), set_real_state(h, x, state)       the state of feature h as N real numbers
///
/// and, to be trained (see TrainableSSMLayer), `cotangent`, `parameters_vjp` and
///
///     tile(length)                        steps of a tile on the way back
///     numbers(state)                      x of all features, as an array
///     backwards(u, starts, dy, dstate, du, cotangent)
///                                         adds to du and cotangent; sizes have been checked; `starts` are the numbers
///                                         of the states before each tile, or before the first alone, or none: from
///                                         rest; dstate may be nullptr: nobody used the final state
template <class Layer, Real T, class LayerState>
class Featurewise {
 public:
  using Scalar = T;
  using State = LayerState;

  /// One time step. Neither throws nor allocates; sizes are asserted.
  void step(std::span<const T> u_k, std::span<T> y_k, State& state) const noexcept {
    const Index H = self().features();
    assert(static_cast<Index>(u_k.size()) == H && static_cast<Index>(y_k.size()) == H);
    self().recur(0, {u_k.data(), 1, H}, {y_k.data(), 1, H}, state);
  }

  /// A sequence from a state, leaving the state behind its last step. The recurrence: without a kernel that is kept
  /// from call to call it is the cheapest mode at every length, and the only one that is causal to the last bit.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)     may be u
  /// @param state   before step 0, becomes that after step L-1
  /// @throws        ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y, State& state) const { forward(u, y, state, mode::recurrence{}); }

  void forward(ConstSequence<T> u, Sequence<T> y, State& state, mode::recurrence) const {
    check(u, y, state);
    self().recur(0, u, y, state);
  }

  template <fft::Backend<T> Backend>
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, mode::convolution<Backend>) const {
    check(u, y, state);
    if (u.length() == 0) return;
    ConvolutionWorkspace<T, Backend> work(u.length(), audible_length(self(), u.length()), self().states());
    const auto made_here = [&](Index h) { return FeatureConvolution<T>(self(), h, work); };
    for (Index first = 0; first < self().features(); first += convolved_together)
      convolve(self(), first, std::min(convolved_together, self().features() - first), u, y, &state, work, made_here);
  }

  /// What a run leaves for the way back: the states before each of its tiles of time.
  struct Trail {
    std::vector<Array<typename State::Scalar>> starts;  ///< (tiles)
  };
  /// A sequence from a state that will be gone back over: `forward_vjp` is spared making the states once more.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)
  /// @param state   before step 0, becomes that after step L-1
  /// @param trail   becomes that of this run, in the memory of one before of as many steps
  /// @throws        ShapeError if the sizes disagree
  /// @note          memory O(H N L / 2048) (LSSL: / 1024)
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, Trail& trail) const {
    check(u, y, state);
    trail.starts.resize(static_cast<std::size_t>(tiles(u.length())));
    Index from = 0;
    for (auto& start : trail.starts) {
      start = self().numbers(state);
      const Index steps = std::min(self().tile(u.length()), u.length() - from);
      self().recur(0, u.block(from, steps), y.block(from, steps), state);
      from += steps;
    }
  }

  /// Of a sequence from rest whose final state nobody used.
  /// @param u           input                     (L, H)
  /// @param dy          cotangent of the output   (L, H)
  /// @param du          += cotangent of u         (L, H)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @throws            ShapeError if the sizes disagree
  /// @note              three to four times `forward`; memory O(N L / 2048) and a tile of 16 features (LSSL: / 1024, of
  /// one)
  void forward_vjp(ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du, auto& cotangent) const {
    backwards(u, {}, dy, nullptr, du, cotangent);
  }
  /// Of a sequence from a state.
  /// @param u           input                     (L, H)
  /// @param before      the state before step 0
  /// @param dy          cotangent of the output   (L, H)
  /// @param dstate      cotangent of the state after the last step; becomes that of `before`
  /// @param du          += cotangent of u         (L, H)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @throws            ShapeError if the sizes disagree
  void forward_vjp(ConstSequence<T> u, const State& before, ConstSequence<T> dy, State& dstate, Sequence<T> du,
                   auto& cotangent) const {
    self().check(before);
    const auto start = self().numbers(before);
    backwards(u, {&start, 1}, dy, &dstate, du, cotangent);
  }
  /// Of a sequence whose run left a trail.
  /// @param u           input                     (L, H)
  /// @param trail       what `forward` made of it
  /// @param dy          cotangent of the output   (L, H)
  /// @param dstate      cotangent of the state after the last step; becomes that of the state before the first
  /// @param du          += cotangent of u         (L, H)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @throws            ShapeError if the sizes disagree, also those of the trail
  void forward_vjp(ConstSequence<T> u, const Trail& trail, ConstSequence<T> dy, State& dstate, Sequence<T> du,
                   auto& cotangent) const {
    detail::require_size("tiles of the trail", tiles(u.length()), std::ssize(trail.starts));
    if (!trail.starts.empty()) {
      const auto sizes = self().numbers(self().initial_state()).shape();
      for (const auto& start : trail.starts)
        detail::require_shape("states of the trail", start, sizes[0], sizes[1], sizes[2]);
    }
    backwards(u, trail.starts, dy, &dstate, du, cotangent);
  }

  /// What a convolution would use: y for u = 1, 0, 0, .., the direct term D included.    (length, H)
  /// @throws DomainError if the length is negative
  Array<T> impulse_response(Index length) const {
    detail::require_at_least("length of the impulse response", 0, length);
    Array<T> response(length, self().features());
    for (Index h = 0; h < self().features() && length > 0; ++h) {
      const Vector<double> K = detail::impulse_response(self(), h, length);
      for (Index k = 0; k < length; ++k) response(k, h) = static_cast<T>(K(k));
    }
    return response;
  }

 private:
  const Layer& self() const noexcept { return static_cast<const Layer&>(*this); }
  Index tiles(Index length) const noexcept { return (length + self().tile(length) - 1) / self().tile(length); }
  void backwards(ConstSequence<T> u, std::span<const Array<typename State::Scalar>> starts, ConstSequence<T> dy,
                 State* dstate, Sequence<T> du, auto& cotangent) const {
    detail::require_same_shape<T>(u, dy, self().features());
    detail::require_same_shape<T>(u, du, self().features());
    if (dstate != nullptr) self().check(*dstate);
    self().backwards(u, starts, dy, dstate, du, cotangent);
  }
  void check(ConstSequence<T> u, ConstSequence<T> y, const State& state) const {
    detail::require_same_shape<T>(u, y, self().features());
    self().check(state);
  }
};

}  // namespace ssm::detail
