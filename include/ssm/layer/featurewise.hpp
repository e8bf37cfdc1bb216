#pragma once

#include "ssm/layer/algorithm.hpp"
#include "ssm/layer/concept.hpp"
#include "ssm/layer/convolution.hpp"

#include <cassert>
#include <vector>

namespace ssm::detail {

/// A layer of H independent systems, one a feature: S4, S4D, LSSL. Its engine, on which plans and convolutions work, is
/// unchecked and gives
///
///     features(), states(), rate(), parameters()      H, N, what multiplies every dt, what was given
///     rest()                              the state before the first step
///     check(state)                        throws ShapeError unless the state is one of its own
///     recur(first, u, y, state)           features from `first` on, as many as u has, step after step, D included;
///                                         `first` is a multiple of simd::group; noexcept, allocates nothing
///     recur_reference(h, u, y, state)     the same for feature h alone, the slow way
///     kernel(h, length)                   impulse response of feature h, without D                 (length)   fp64
///     audible_length(length)              samples of the kernels before all have decayed, where it can tell
///     state_response<T>(h, block)         what joins its convolution to the states at the ends
///     jump_entries()                      entries of what moves the state over a block of time
///     real_state(h, state, x), set_real_state(h, x, state)       the state of feature h as N real numbers
///     work_per_step()                     what a step of all features costs
///
/// and, to be trained (see TrainableSSMLayer), `Cotangent`, `Workspace`, `cotangent()`, `parameters_vjp(cotangent,
/// gradient)` and
///
///     tile(length)                        steps of a tile of the backward run
///     numbers(state)                      x of all features, as an array
///     backwards(u, starts, dy, dstate, du, cotangent, workspace)
///                                         adds to du and cotangent; `starts` are the numbers of the states before
///                                         each tile, or before the first alone, or none: from rest; dstate may be
///                                         nullptr: the final state is not used
template <class EngineOf>
class Featurewise {
  using T = typename EngineOf::Scalar;

 public:
  /// Scalar of the data.
  using Scalar = T;
  /// State that the caller owns between calls.
  using State = typename EngineOf::State;
  /// Derivatives by the layer's discrete numbers: see TrainableSSMLayer.
  using Cotangent = typename EngineOf::Cotangent;
  /// Scratch memory of a backward run, which a caller may keep from sequence to sequence.
  using Workspace = typename EngineOf::Workspace;

  /// H
  Index features() const noexcept { return engine_.features(); }
  /// N, as real numbers.
  Index states() const noexcept { return engine_.states(); }
  /// Ratio of sampling intervals: every time step is multiplied by it.
  double rate() const noexcept { return engine_.rate(); }
  /// Parameters as they were given.
  const auto& parameters() const noexcept { return engine_.parameters(); }
  /// Returns the engine, unchecked, on which plans and convolutions work.
  const EngineOf& engine() const noexcept { return engine_; }

  /// The state before the first step: rest.
  State initial_state() const { return engine_.rest(); }

  /// Computes one time step. Neither throws nor allocates; sizes are asserted.
  void step(std::span<const T> u_k, std::span<T> y_k, State& state) const noexcept {
    const Index H = features();
    assert(static_cast<Index>(u_k.size()) == H && static_cast<Index>(y_k.size()) == H);
    engine_.recur(0, {u_k.data(), 1, H}, {y_k.data(), 1, H}, state);
  }

  /// A sequence from a state, leaving the state behind its last step. The recurrence: without a kernel that is kept
  /// from call to call it is the cheapest mode at every length, and the only one that is causal to the last bit.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)     may be u
  /// @param state   before step 0, becomes that after step L-1
  /// @throws        ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y, State& state) const { forward(u, y, state, algorithm::recurrence{}); }

  void forward(ConstSequence<T> u, Sequence<T> y, State& state, algorithm::recurrence) const {
    check(u, y, state);
    engine_.recur(0, u, y, state);
  }

  template <fft::Backend<T> Backend>
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, algorithm::convolution<Backend>) const {
    check(u, y, state);
    if (u.length() == 0) return;
    ConvolutionWorkspace<T, Backend> work(u.length(), audible_length(engine_, u.length()), states());
    const auto made_here = [&](Index h) { return FeatureConvolution<T>(engine_, h, work); };
    for (Index first = 0; first < features(); first += convolved_together)
      convolve(engine_, first, std::min(convolved_together, features() - first), u, y, &state, work, made_here);
  }

  /// States before each tile of time of a run, for the backward run.
  struct Checkpoints {
    std::vector<Array<typename State::Scalar>> starts;  ///< (tiles)
  };
  /// Runs a sequence from a state and leaves checkpoints, which spare `forward_vjp` making the states once more.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)
  /// @param state   before step 0, becomes that after step L-1
  /// @param checkpoints   become those of this run, in the memory of a run before of as many steps
  /// @throws        ShapeError if the sizes disagree
  /// @note          memory O(H N L / 2048) (LSSL: / 1024)
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, Checkpoints& checkpoints) const {
    check(u, y, state);
    checkpoints.starts.resize(static_cast<std::size_t>(tiles(u.length())));
    Index from = 0;
    for (auto& start : checkpoints.starts) {
      start = engine_.numbers(state);
      const Index steps = std::min(engine_.tile(u.length()), u.length() - from);
      engine_.recur(0, u.block(from, steps), y.block(from, steps), state);
      from += steps;
    }
  }

  /// Computes the derivatives of a sequence from rest whose final state is not used.
  /// @param u           input                     (L, H)
  /// @param dy          cotangent of the output   (L, H)
  /// @param du          += cotangent of u         (L, H)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @param kept        scratch memory of an earlier run, or nullptr: made here
  /// @throws            ShapeError if the sizes disagree
  /// @note              three to four times `forward`; memory O(N L / 2048) and a tile of 16 features (LSSL: / 1024, of
  /// one)
  void forward_vjp(ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du, Cotangent& cotangent,
                   Workspace* kept = nullptr) const {
    backwards(u, {}, dy, nullptr, du, cotangent, kept);
  }
  /// Computes the derivatives of a sequence from a state.
  /// @param u           input                     (L, H)
  /// @param before      the state before step 0
  /// @param dy          cotangent of the output   (L, H)
  /// @param dstate      cotangent of the state after the last step; becomes that of `before`
  /// @param du          += cotangent of u         (L, H)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @param kept        scratch memory of an earlier run, or nullptr: made here
  /// @throws            ShapeError if the sizes disagree
  void forward_vjp(ConstSequence<T> u, const State& before, ConstSequence<T> dy, State& dstate, Sequence<T> du,
                   Cotangent& cotangent, Workspace* kept = nullptr) const {
    engine_.check(before);
    const auto start = engine_.numbers(before);
    backwards(u, {&start, 1}, dy, &dstate, du, cotangent, kept);
  }
  /// Computes the derivatives of a sequence whose forward run left checkpoints.
  /// @param u           input                     (L, H)
  /// @param checkpoints   those that `forward` left
  /// @param dy          cotangent of the output   (L, H)
  /// @param dstate      cotangent of the state after the last step; becomes that of the state before the first
  /// @param du          += cotangent of u         (L, H)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @param kept        scratch memory of an earlier run, or nullptr: made here
  /// @throws            ShapeError if the sizes disagree, also those of the checkpoints
  void forward_vjp(ConstSequence<T> u, const Checkpoints& checkpoints, ConstSequence<T> dy, State& dstate,
                   Sequence<T> du, Cotangent& cotangent, Workspace* kept = nullptr) const {
    detail::require_size("tiles of the checkpoints", tiles(u.length()), std::ssize(checkpoints.starts));
    if (!checkpoints.starts.empty()) {
      const auto sizes = engine_.numbers(initial_state()).shape();
      for (const auto& start : checkpoints.starts)
        detail::require_shape("states of the checkpoints", start, sizes[0], sizes[1], sizes[2]);
    }
    backwards(u, checkpoints.starts, dy, &dstate, du, cotangent, kept);
  }

  /// Returns a zero cotangent, ready to accumulate sequences.
  Cotangent cotangent() const { return engine_.cotangent(); }
  /// Adds to the gradient of every stored number what the cotangent of the discrete ones makes of it.
  /// @throws ShapeError if the gradient has other sizes
  /// @note   as the constructor
  void parameters_vjp(const Cotangent& cotangent, auto& gradient) const { engine_.parameters_vjp(cotangent, gradient); }

  /// Returns the kernel of the convolution: y for u = 1, 0, 0, .., the direct term D included.    (length, H)
  /// @throws DomainError if the length is negative
  Array<T> impulse_response(Index length) const {
    detail::require_at_least("length of the impulse response", 0, length);
    Array<T> response(length, features());
    for (Index h = 0; h < features() && length > 0; ++h) {
      const Vector<double> K = detail::impulse_response(engine_, h, length);
      for (Index k = 0; k < length; ++k) response(k, h) = static_cast<T>(K(k));
    }
    return response;
  }

 protected:
  /// Takes its engine.
  explicit Featurewise(EngineOf engine) : engine_(std::move(engine)) {}

 private:
  Index tiles(Index length) const noexcept { return (length + engine_.tile(length) - 1) / engine_.tile(length); }
  void backwards(ConstSequence<T> u, std::span<const Array<typename State::Scalar>> starts, ConstSequence<T> dy,
                 State* dstate, Sequence<T> du, Cotangent& cotangent, Workspace* kept) const {
    detail::require_same_shape<T>(u, dy, features());
    detail::require_same_shape<T>(u, du, features());
    if (dstate != nullptr) engine_.check(*dstate);
    if (kept != nullptr) return engine_.backwards(u, starts, dy, dstate, du, cotangent, *kept);
    Workspace made_here;
    engine_.backwards(u, starts, dy, dstate, du, cotangent, made_here);
  }
  void check(ConstSequence<T> u, ConstSequence<T> y, const State& state) const {
    detail::require_same_shape<T>(u, y, features());
    engine_.check(state);
  }

  EngineOf engine_;
};

}  // namespace ssm::detail
