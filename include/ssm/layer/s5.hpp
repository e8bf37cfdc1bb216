#pragma once

#include "ssm/discretize/modal.hpp"
#include "ssm/kernel/vandermonde.hpp"
#include "ssm/layer/algorithm.hpp"
#include "ssm/layer/concept.hpp"
#include "ssm/layer/s5_parameters.hpp"
#include "ssm/recurrence/mimo_adjoint.hpp"

#include <cassert>
#include <vector>

namespace ssm {

namespace detail {

/// Common base of S5 and RectangularS5: everything that does not need as many inputs as outputs.
template <Real T, Index P, Real X>
class MimoLayer {
 public:
  /// Scalar type of inputs and outputs.
  using Scalar = T;
  /// Parameters that are initialised, trained and stored.
  using Parameters = S5Parameters<T>;
  /// Sizes for `initial`.
  using Shape = S5Shape;
  /// State that the caller owns between calls.
  using State = MimoState<X>;

  /// N (S5: P), as real numbers.
  Index states() const noexcept { return P == dynamic ? parameters_.states : P; }
  /// S, the modes that are kept.
  Index modes() const noexcept { return scan_.modes(); }
  /// Ratio of sampling intervals: every time step is multiplied by it.
  double rate() const noexcept { return rate_; }
  /// Parameters as they were given.
  const Parameters& parameters() const noexcept { return parameters_; }

  /// The state before the first step: rest.
  State initial_state() const { return State(modes()); }

  /// Computes one time step. Neither throws nor allocates; sizes are asserted.         O(P H)
  void step(std::span<const T> u_k, std::span<T> y_k, State& state) const noexcept {
    scan_.advance(u_k, y_k, state, nullptr);
  }

  /// Computes one time step that takes `interval` times the layer's own. Neither throws nor allocates.
  /// @param u_k        input            (H)
  /// @param interval   >= 0 and finite: asserted
  /// @param y_k        output           (H)     may be u_k
  /// @param state      before the step, becomes that after it
  void step(std::span<const T> u_k, LayerSteps interval, std::span<T> y_k, State& state) const noexcept {
    assert(interval.count >= 0 && interval.count < std::numeric_limits<double>::infinity());
    scan_.advance(u_k, y_k, state, &interval.count);
  }

  /// A sequence from a state, leaving the state behind its last step, tile by tile.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)     may be u
  /// @param state   before step 0, becomes that after step L-1
  /// @throws        ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y, State& state) const { forward(u, y, state, algorithm::scan{}); }

  /// Over the caller's threads: the same bits for every number of them.
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, algorithm::scan how) const {
    scan_.check(u, y, state);
    auto work = scan_.workspaces(how.executor.threads(), u.length());
    scan_(u, {}, y, state, how.executor, work);
  }

  /// States before each tile of time of a run, for the backward run.
  using Checkpoints = MimoCheckpoints<X>;
  /// Runs a sequence from a state and leaves checkpoints, which spare `forward_vjp` one of its six matrix products.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)
  /// @param state   before step 0, becomes that after step L-1
  /// @param checkpoints   become those of this run, in the memory of a run before of as many steps
  /// @throws        ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, Checkpoints& checkpoints) const {
    scan_.check(u, y, state);
    const Index tiles = scan_.tiles_of(u.length());
    if (checkpoints.starts.rows() != tiles || checkpoints.starts.columns() != 2 * modes())
      checkpoints.starts = Array<X>(tiles, 2 * modes());
    auto work = scan_.workspaces(1, u.length());
    scan_(u, {}, y, state, this_thread(), work, checkpoints.starts.data());
  }

  /// Memory of runs that is kept from one to the next: see `process`.
  struct Buffers {
    std::vector<typename MimoScan<T, X>::Workspace> work;  ///< of one thread
  };
  /// Memory for runs of up to so many steps.
  Buffers buffers(Index length) const { return {scan_.workspaces(1, length)}; }
  /// A sequence from a state, as `forward`, in memory that was made before: allocates nothing. The results are those of
  /// `forward` to the bit.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)     may be u
  /// @param state   before step 0, becomes that after step L-1
  /// @param kept    made by `buffers`, of a length that is not below L for its speed
  /// @throws        ShapeError if the sizes disagree
  void process(ConstSequence<T> u, Sequence<T> y, State& state, Buffers& kept) const {
    scan_.check(u, y, state);
    scan_(u, {}, y, state, this_thread(), kept.work);
  }

  /// Step by step, as `step` does.
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, algorithm::recurrence) const {
    scan_.check(u, y, state);
    for (Index k = 0; k < u.length(); ++k) step(u.row(k), y.row(k), state);
  }

  /// A sequence of uneven samples: step k takes intervals[k] times the layer's own.
  /// @param u           input            (L, H)
  /// @param intervals   >= 0 and finite, in seconds or in steps of the layer      (L)
  /// @param y           output           (L, H)     may be u
  /// @param state       before step 0, becomes that after step L-1
  /// @param how         the caller's threads
  /// @throws            ShapeError if the sizes disagree; DomainError if an interval is negative or not finite; nothing
  ///                    has changed then
  void forward(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, State& state,
               algorithm::scan how = {}) const {
    scan_.check(u, y, state);
    intervals.check(u.length(), scan_.reach());
    auto work = scan_.workspaces(how.executor.threads(), u.length());
    scan_(u, intervals, y, state, how.executor, work);
  }

  /// y for u = 1, 0, 0, .. in every input at once, the direct term included.         (length, outputs)
  /// @throws DomainError if the length is negative
  /// @note   O(L P H)
  Array<T> impulse_response(Index length) const {
    require_at_least("length of the impulse response", 0, length);
    const Index S = modes();
    Array<T> response(length, parameters_.outputs());
    DiscreteDiagonalSystem<double> system{2 * S, Vector<Complex<double>>(S), Matrix<Complex<double>>(S, 1),
                                          Matrix<Complex<double>>(1, S)};
    for (Index s = 0; s < S; ++s) {
      const DiscreteMode<double> mode = scan_.discretized(scan_.dt(s) * scan_.Lambda(s));
      Complex<double> all = 0;
      for (Index i = 0; i < parameters_.inputs(); ++i) all += Complex<double>(parameters_.B(s, i));
      system.Lambda_bar(s) = mode.A_bar;
      system.B_bar(s, 0) = scan_.dt(s) * mode.gain * all;
    }
    for (Index h = 0; h < parameters_.outputs() && length > 0; ++h) {
      for (Index s = 0; s < S; ++s) system.C(0, s) = parameters_.count(s) / 2 * Complex<double>(parameters_.C(h, s));
      const Vector<double> K = kernel::vandermonde(system, length);
      for (Index k = 0; k < length; ++k) response(k, h) = static_cast<T>(K(k));
      for (Index i = 0; i < parameters_.D.columns(); ++i) response(0, h) += parameters_.D(h, i);
    }
    return response;
  }

  /// Derivatives by what the layer runs with: see TrainableSSMLayer.
  using Cotangent = MimoCotangent<T>;
  /// Scratch memory of a backward run, which a caller may keep from sequence to sequence.
  using Workspace = MimoAdjoint<T, X>;
  /// Returns a zero cotangent, ready to accumulate sequences.
  Cotangent cotangent() const { return Cotangent(scan_); }
  /// Computes the derivatives of a sequence from rest whose final state is not used.
  /// @param u           input                     (L, H)
  /// @param dy          cotangent of the output   (L, H)
  /// @param du          += cotangent of u         (L, H)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @param kept        scratch memory of an earlier run, or nullptr: made here
  /// @throws            ShapeError if the sizes disagree
  /// @note              O(L P H), about three times `forward`
  void forward_vjp(ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du, Cotangent& cotangent,
                   Workspace* kept = nullptr) const {
    State rest = initial_state(), unused = initial_state();
    forward_vjp(u, rest, dy, unused, du, cotangent, kept);
  }
  /// Computes the derivatives of a sequence from a state. The states before each tile are made first, then tiles run
  /// backwards.
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
    backwards(u, {}, &before, nullptr, dy, dstate, du, {}, cotangent, kept);
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
    require_shape("checkpoints (states before each tile)", checkpoints.starts, scan_.tiles_of(u.length()), 2 * modes());
    backwards(u, {}, nullptr, &checkpoints, dy, dstate, du, {}, cotangent, kept);
  }
  /// Computes the derivatives of a sequence of uneven samples.
  /// @param u            input                     (L, H)
  /// @param intervals    as `forward` was given    (L)
  /// @param before       the state before step 0
  /// @param dy           cotangent of the output   (L, H)
  /// @param dstate       cotangent of the state after the last step; becomes that of `before`
  /// @param du           += cotangent of u         (L, H)     not dy's memory
  /// @param dintervals   += cotangent of the numbers of the intervals (L), or empty where not wanted
  /// @param cotangent    += that of the layer's discrete numbers
  /// @param kept         scratch memory of an earlier run, or nullptr: made here
  /// @throws             ShapeError if the sizes disagree; DomainError if an interval is negative or not finite
  void forward_vjp(ConstSequence<T> u, Intervals<T> intervals, const State& before, ConstSequence<T> dy, State& dstate,
                   Sequence<T> du, std::span<T> dintervals, Cotangent& cotangent, Workspace* kept = nullptr) const {
    intervals.check(u.length(), scan_.reach());
    if (!dintervals.empty())
      require_size("cotangents of the intervals", u.length(), static_cast<Index>(dintervals.size()));
    backwards(u, intervals, &before, nullptr, dy, dstate, du, dintervals, cotangent, kept);
  }
  /// Adds to the gradient of every stored number what the cotangent of the discrete ones makes of it. A clipped real
  /// part has none.
  /// @throws ShapeError if the gradient has other sizes
  /// @note   O(P H)
  void parameters_vjp(const Cotangent& cotangent, Parameters& gradient) const {
    gradient.check_sizes();
    const Index S = modes();
    for (Index s = 0; s < S; ++s) {
      const auto count = static_cast<T>(parameters_.count(s));
      const bool real = parameters_.spectrum == Spectrum::half && multiplicity(s, parameters_.states) == 1;
      for (Index i = 0; i < parameters_.inputs(); ++i)
        gradient.B(s, i) += Complex<T>(cotangent.B(i, s), real ? T(0) : cotangent.B(i, S + s));
      for (Index o = 0; o < parameters_.outputs(); ++o)
        gradient.C(o, s) += Complex<T>(count * cotangent.C(s, o), real ? T(0) : -count * cotangent.C(S + s, o));
      if (!(parameters_.Lambda_re(s) > parameters_.Lambda_re_max))
        gradient.Lambda_re(s) += static_cast<T>(cotangent.Lambda(0, s));
      if (!real) gradient.Lambda_im(s) += static_cast<T>(cotangent.Lambda(1, s));
      gradient.log_dt(gradient.log_dt.rows() == 1 ? 0 : s) += static_cast<T>(scan_.dt(s) * cotangent.dt(s));
    }
    for (Index i = 0; i < cotangent.D.rows(); ++i)
      for (Index o = 0; o < cotangent.D.columns(); ++o)
        (matrix() ? gradient.D(o, i) : gradient.D(i)) += cotangent.D(i, o);
  }

  /// Returns the engine, unchecked, on which plans work.
  const MimoScan<T, X>& engine() const noexcept { return scan_; }

 protected:
  /// Discretizes; see S5.
  MimoLayer(const Parameters& parameters, Sampling sampling)
      : parameters_((parameters.check(), parameters)),
        rate_(sampling.rate),
        scan_(parameters_.modes(), parameters_.inputs(), parameters_.outputs(),
              matrix() ? Direct::matrix : Direct::vector, parameters_.discretization) {
    if constexpr (P != dynamic) require_size("states of the parameters", P, parameters_.states);
    require_positive("rate", rate_);
    for (Index s = 0; s < modes(); ++s) {
      scan_.set_step(s, rate_ * parameters_.dt(s), parameters_.Lambda(s));
      const auto count = static_cast<T>(parameters_.count(s));
      for (Index i = 0; i < parameters_.inputs(); ++i) scan_.set_input(s, i, parameters_.B(s, i));
      for (Index o = 0; o < parameters_.outputs(); ++o) scan_.set_output(s, o, count * parameters_.C(o, s));
    }
    for (Index o = 0; o < parameters_.outputs(); ++o)
      if (matrix())
        for (Index i = 0; i < parameters_.inputs(); ++i) scan_.set_direct(i, o, parameters_.D(o, i));
      else
        scan_.set_direct(o, 0, parameters_.D(o));
  }

 private:
  bool matrix() const noexcept { return parameters_.has_direct_matrix(); }
  /// @param before   the state before step 0, unless there are
  /// @param given    checkpoints
  void backwards(ConstSequence<T> u, Intervals<T> intervals, const State* before, const Checkpoints* given,
                 ConstSequence<T> dy, State& dstate, Sequence<T> du, std::span<T> dintervals, Cotangent& cotangent,
                 Workspace* kept) const {
    if (kept == nullptr) {
      Workspace made_here;
      return backwards(u, intervals, before, given, dy, dstate, du, dintervals, cotangent, &made_here);
    }
    scan_.check_sizes(u, dy, before == nullptr ? dstate : *before);
    kept->fit(scan_, u.length());
    (*kept)(u, intervals, given == nullptr ? kept->checkpoints(u, intervals, *before) : *given, dy, dstate, du,
            dintervals, cotangent);
  }

  Parameters parameters_;
  double rate_;
  MimoScan<T, X> scan_;
};

}  // namespace detail

/// S5: one system of P states with H inputs and H outputs, diagonal, by a scan.
///
///     x_k = Lambda_bar x_{k-1} + B_bar u_k,   y_k = 2 Re(C x_k) + D u_k       B_bar = diag(gain dt) B
///
/// Smith, Warrington, Linderman 2023, arXiv:2208.04933. Zero-order hold or bilinear. Time is cut into tiles: B u of a
/// tile is one real matrix product on stacked parts [Re B; Im B], the scan runs over it in place, C x is another, [2 Re
/// C, -2 Im C]. Since Lambda_bar and gain are functions of dt Lambda alone, a step of its own for every sample needs
/// only these two anew; nothing of size L x P x H is made.
///
/// | mode          | time                                     | memory beyond u, y, state          |
/// | scan          | O(L P H), also with intervals            | O(P) x tile, for each thread       |
/// | recurrence    | O(L P H), step by step                   | none                               |
///
/// An interval of its own costs P exponentials a step on top. Errors relative to the peak of the exact output, dt in
/// [1e-3, 1e-1], P <= 64, L <= 16,384: 1e-12 (fp64), 5e-6 (fp32).
///
/// @tparam T   scalar of the data
/// @tparam P   states, where they are known at compile time
/// @tparam X   scalar of the state, where it is to be wider than T
template <Real T, Index P = dynamic, Real X = T>
class S5 : public detail::MimoLayer<T, P, X> {
 public:
  /// Parameters that are initialised, trained and stored.
  using Parameters = S5Parameters<T>;

  /// Discretizes.
  /// @param parameters   stored form, checked; they say how
  /// @param sampling     the rate multiplies every dt, also those of intervals
  /// @throws             ShapeError, DomainError as Parameters::check; ShapeError if P is fixed and another, or outputs
  ///                     are not as many as inputs, or D is a matrix; DomainError if a dt or the rate is not
  ///                     positive and finite
  /// @note               O(P H)
  explicit S5(const Parameters& parameters, Sampling sampling = {})
      : detail::MimoLayer<T, P, X>((require_square(parameters), parameters), sampling) {}
  /// Discretizes by another method, which is recorded in the layer's parameters.
  S5(Parameters parameters, ModalDiscretization method, Sampling sampling = {})
      : S5((parameters.discretization = method, parameters), sampling) {}

  /// H
  Index features() const noexcept { return this->parameters().features(); }

 private:
  static void require_square(const Parameters& parameters) {
    detail::require_size("outputs (an S5 has as many as inputs; see RectangularS5)", parameters.inputs(),
                         parameters.outputs());
    if (parameters.has_direct_matrix())
      throw ShapeError("D: expected a vector (see RectangularS5 for a matrix), got a matrix");
  }
};

/// S5 with different numbers of inputs and outputs, or with a matrix D: one system, all of S5's functions, where u has
/// `inputs()` numbers a step and y `outputs()`. It is no SSMLayer, whose y is as wide as u. Where D is a matrix, y must
/// not be u's memory.
///
/// @tparam T   scalar of the data
/// @tparam P   states, where they are known at compile time
/// @tparam X   scalar of the state, where it is to be wider than T
template <Real T, Index P = dynamic, Real X = T>
class RectangularS5 : public detail::MimoLayer<T, P, X> {
 public:
  /// Name of this kind of layer in files.
  static constexpr const char* kind = "rectangular S5";

  /// Discretizes; see S5.
  explicit RectangularS5(const S5Parameters<T>& parameters, Sampling sampling = {})
      : detail::MimoLayer<T, P, X>(parameters, sampling) {}

  /// Numbers of an input.
  Index inputs() const noexcept { return this->parameters().inputs(); }
  /// Numbers of an output.
  Index outputs() const noexcept { return this->parameters().outputs(); }
};

}  // namespace ssm
