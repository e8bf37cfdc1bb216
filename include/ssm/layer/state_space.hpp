#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/core/settle.hpp"
#include "ssm/discretize/dense.hpp"
#include "ssm/layer/concept.hpp"
#include "ssm/recurrence/state.hpp"
#include "ssm/simd/reduce.hpp"
#include "ssm/system/matrices.hpp"

#include <cassert>

namespace ssm {

/// A dense system of several inputs and outputs, discretized: filters, controllers and models that come as matrices.
///
///     x_k = A_bar x_{k-1} + B_bar u_k,   y_k = C x_k + D u_k
///
/// The system steps and runs as the layers do, from a state that the caller owns, const-callable from many threads. It
/// is not trained, and as its outputs need not be as many as its inputs it is no SSMLayer; RectangularS5 is the fast
/// one of this kind, LSSL the trainable one. A step costs O(N (N + inputs + outputs)). Errors are LSSL's.
///
/// @tparam T   scalar of inputs, outputs and state
template <Real T>
class StateSpace {
 public:
  /// Scalar type of inputs and outputs.
  using Scalar = T;
  /// State that the caller owns between calls.
  using State = DenseState<T>;

  /// Discretizes.
  /// @param continuous   x' = A x + B u, y = C x + D u
  /// @param dt           time step                     s, > 0
  /// @param method       Bilinear unless told
  /// @throws             ShapeError if sizes disagree; DomainError if a number is not finite, there is no state, or dt
  ///                     is not positive
  /// @note               O(N^3), in fp64
  StateSpace(const Matrices& continuous, double dt, DenseDiscretization method = {})
      : StateSpace(
            (continuous.check(), discretize(method, DenseSystem<double>{continuous.A, continuous.B, continuous.C}, dt)),
            continuous.D) {}
  /// Takes a system that is discrete already.
  /// @param matrices   x_k = A x_{k-1} + B u_k, y_k = C x_k + D u_k
  /// @throws           ShapeError if sizes disagree; DomainError if a number is not finite or there is no state
  static StateSpace discrete(const Matrices& matrices) {
    matrices.check();
    return StateSpace(DiscreteDenseSystem<double>{matrices.A, matrices.B, matrices.C}, matrices.D);
  }

  /// Numbers of an input.
  Index inputs() const noexcept { return matrices_.B.cols(); }
  /// Numbers of an output.
  Index outputs() const noexcept { return matrices_.C.rows(); }
  /// N
  Index states() const noexcept { return matrices_.A.rows(); }
  /// The discrete system, in fp64.
  const Matrices& matrices() const noexcept { return matrices_; }

  /// The state before the first step: rest.
  State initial_state() const { return State(1, states()); }

  /// Computes one time step. Neither throws nor allocates; sizes are asserted.
  /// @param u_k     input            (inputs)
  /// @param y_k     output           (outputs)     not u_k
  /// @param state   before the step, becomes that after it
  void step(std::span<const T> u_k, std::span<T> y_k, State& state) const noexcept {
    assert(std::ssize(u_k) == inputs() && std::ssize(y_k) == outputs());
    assert(static_cast<const T*>(y_k.data()) != u_k.data());
    const Index N = states();
    T *const x = state.x.data(), *const low = state.low.data(), *const next = state.next.data();
    for (Index n = 0; n < N; ++n) {
      const T* const row = &step_(n, 0);
      const T change = simd::dot(row, x, N) + simd::dot(row + N, u_k.data(), inputs()) + low[n];
      next[n] = detail::add_keeping_rest(x[n], change, low[n]);
    }
    std::copy_n(next, N, x);
    for (Index o = 0; o < outputs(); ++o) {
      const T* const row = &output_(o, 0);
      y_k[static_cast<std::size_t>(o)] = simd::dot(row, x, N) + simd::dot(row + N, u_k.data(), inputs());
    }
  }

  /// A sequence from a state, leaving the state behind its last step.
  /// @param u       input            (L, inputs)
  /// @param y       output           (L, outputs)     not u's memory
  /// @param state   before step 0, becomes that after step L-1
  /// @throws        ShapeError if the sizes disagree or y is u's memory
  void forward(ConstSequence<T> u, Sequence<T> y, State& state) const {
    detail::require_size("inputs of u", inputs(), u.features());
    detail::require_size("outputs of y", outputs(), y.features());
    detail::require_size("length of y (that of u is expected)", u.length(), y.length());
    state.check(1, states());
    if (u.length() > 0 && static_cast<const T*>(y.data()) == u.data())
      throw ShapeError("memory of y: expected its own, got that of u");
    for (Index k = 0; k < u.length(); ++k) step(u.row(k), y.row(k), state);
  }

 private:
  StateSpace(DiscreteDenseSystem<double> discrete, Matrix<double> D)
      : matrices_{std::move(discrete.A_bar), std::move(discrete.B_bar), std::move(discrete.C), std::move(D)},
        step_(states(), states() + inputs()),
        output_(outputs(), states() + inputs()) {
    const auto put = [](Array<T>& to, Index row, Index column, double value) {
      to(row, column) = static_cast<T>(value);
      if (!std::isfinite(to(row, column)))
        throw DomainError(detail::message("a step of the system: expected finite numbers, got ", value));
    };
    for (Index n = 0; n < states(); ++n) {
      for (Index m = 0; m < states(); ++m) put(step_, n, m, matrices_.A(n, m) - (n == m ? 1 : 0));
      for (Index i = 0; i < inputs(); ++i) put(step_, n, states() + i, matrices_.B(n, i));
    }
    for (Index o = 0; o < outputs(); ++o) {
      for (Index m = 0; m < states(); ++m) put(output_, o, m, matrices_.C(o, m));
      for (Index i = 0; i < inputs(); ++i) put(output_, o, states() + i, matrices_.D(o, i));
    }
  }

  Matrices matrices_;
  Array<T> step_;    // [A_bar - I, B_bar]     (N, N + inputs)
  Array<T> output_;  // [C, D]                 (outputs, N + inputs)
};

}  // namespace ssm
