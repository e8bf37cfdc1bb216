#pragma once

#include "ssm/core/gemm.hpp"
#include "ssm/core/settle.hpp"
#include "ssm/discretize/bilinear.hpp"
#include "ssm/discretize/zero_order_hold.hpp"
#include "ssm/kernel/vandermonde.hpp"
#include "ssm/layer/concept.hpp"
#include "ssm/layer/cost.hpp"
#include "ssm/layer/mode.hpp"
#include "ssm/layer/s5_adjoint.hpp"
#include "ssm/layer/s5_parameters.hpp"
#include "ssm/layer/state.hpp"

#include <atomic>
#include <cassert>
#include <vector>

namespace ssm {

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
class S5 {
 public:
  /// Of the numbers.
  using Scalar = T;
  /// What is initialised, trained and stored.
  using Parameters = S5Parameters<T>;
  /// Sizes for `initial`.
  using Shape = S5Shape;
  /// What the caller owns between calls.
  using State = MimoState<X>;

  /// Discretizes.
  /// @param parameters   stored form, checked
  /// @param method       ZeroOrderHold (the default) or Bilinear
  /// @param sampling     the rate multiplies every dt, also those of intervals
  /// @throws             ShapeError, DomainError as Parameters::check; ShapeError if P is fixed and another;
  /// DomainError
  ///                     if a dt or the rate is not positive and finite
  /// @note               O(P H)
  template <ModalMethod Method>
  S5(const Parameters& parameters, [[maybe_unused]] Method method, Sampling sampling = {})
      : parameters_(parameters),
        rate_(sampling.rate),
        discretize_([](Complex<double> z) { return discretize_mode(Method{}, z); }),
        step_vjp_([](Complex<double> Lambda, double dt, Complex<double> dA_bar, Complex<double> dgain) {
          return discretize_mode_vjp(Method{}, Lambda, Complex<double>(1), dt, dA_bar, dgain);
        }) {
    parameters_.check();
    if constexpr (P != dynamic) detail::require_size("states of the parameters", P, parameters_.states);
    detail::require_positive("rate", rate_);
    const Index S = modes(), H = features();
    step_ = Array<X>(coefficients, S);
    time_ = Array<double>(3, S);
    B_ = Array<T>(H, 2 * S);
    C_ = Array<T>(2 * S, H);
    for (Index s = 0; s < S; ++s) {
      const double dt = rate_ * parameters_.dt(s);
      detail::require_positive("dt", dt);
      const Complex<double> Lambda = parameters_.Lambda(s);
      time_(0, s) = dt;
      time_(1, s) = Lambda.real();
      time_(2, s) = Lambda.imag();
      for (Index h = 0; h < H; ++h) {
        B_(h, s) = parameters_.B(s, h).real();
        B_(h, S + s) = parameters_.B(s, h).imag();
        C_(s, h) = static_cast<T>(parameters_.count(s)) * parameters_.C(h, s).real();
        C_(S + s, h) = -static_cast<T>(parameters_.count(s)) * parameters_.C(h, s).imag();
      }
    }
    make_step(1, 0, S, step_.data());
    for (Index s = 0; s < S; ++s) {
      reach_ = std::max(reach_, time_(0, s) * std::abs(Lambda(s)));
      for (Index row = 0; row < coefficients; ++row)
        if (!std::isfinite(step_(row, s)))
          throw DomainError(detail::message("mode ", s, ": expected a step of finite numbers, got ", step_(row, s),
                                            " from dt Lambda = ", time_(0, s) * Lambda(s)));
    }
  }
  /// By the default method.
  explicit S5(const Parameters& parameters, Sampling sampling = {}) : S5(parameters, ZeroOrderHold{}, sampling) {}

  /// H
  Index features() const noexcept { return parameters_.features(); }
  /// N (S5: P), as real numbers.
  Index states() const noexcept { return P == dynamic ? parameters_.states : P; }
  /// S, the modes that are kept.
  Index modes() const noexcept { return parameters_.spectrum == Spectrum::full ? states() : modes_of(states()); }
  /// What multiplies every dt.
  double rate() const noexcept { return rate_; }
  /// As they were given.
  const Parameters& parameters() const noexcept { return parameters_; }

  /// The state before the first step: rest.
  State initial_state() const { return State(modes()); }

  /// One time step. Neither throws nor allocates; sizes are asserted.         O(P H)
  void step(std::span<const T> u_k, std::span<T> y_k, State& state) const noexcept {
    advance(u_k, y_k, state, nullptr);
  }

  /// One time step that takes `interval` times the layer's own. Neither throws nor allocates.
  /// @param u_k        input            (H)
  /// @param interval   dimensionless, >= 0 and finite: asserted
  /// @param y_k        output           (H)     may be u_k
  /// @param state      before the step, becomes that after it
  void step(std::span<const T> u_k, double interval, std::span<T> y_k, State& state) const noexcept {
    assert(interval >= 0 && interval < std::numeric_limits<double>::infinity());
    advance(u_k, y_k, state, &interval);
  }

  /// A sequence from a state, leaving the state behind its last step, tile by tile.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)     may be u
  /// @param state   before step 0, becomes that after step L-1
  /// @throws        ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y, State& state) const { forward(u, y, state, mode::scan{}); }

  /// Over the caller's threads: the same bits for every number of them.
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, mode::scan how) const {
    check(u, y, state);
    auto work = workspaces(how.executor.threads(), u.length());
    scan(u, nullptr, y, state, how.executor, work);
  }

  /// What a run leaves for the way back: the state before each of its tiles of time.
  struct Trail {
    Array<X> starts;  ///< real parts, imaginary parts     (tiles, 2 S)
  };
  /// A sequence from a state that will be gone back over: `forward_vjp` is spared one of its six matrix products.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)
  /// @param state   before step 0, becomes that after step L-1
  /// @param trail   becomes that of this run, in the memory of one before of as many steps
  /// @throws        ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, Trail& trail) const {
    check(u, y, state);
    const Index tiles = tiles_of(u.length());
    if (trail.starts.rows() != tiles || trail.starts.columns() != 2 * modes())
      trail.starts = Array<X>(tiles, 2 * modes());
    auto work = workspaces(1, u.length());
    scan(u, nullptr, y, state, this_thread(), work, trail.starts.data());
  }

  /// Step by step, as `step` does.
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, mode::recurrence) const {
    check(u, y, state);
    for (Index k = 0; k < u.length(); ++k) step(u.row(k), y.row(k), state);
  }

  /// A sequence of uneven samples: step k takes intervals[k] times the layer's own.
  /// @param u           input            (L, H)
  /// @param intervals   dimensionless, >= 0 and finite      (L)
  /// @param y           output           (L, H)     may be u
  /// @param state       before step 0, becomes that after step L-1
  /// @param how         the caller's threads
  /// @throws            ShapeError if the sizes disagree; DomainError if an interval is negative or not finite; nothing
  /// has
  ///                    changed then
  void forward(ConstSequence<T> u, std::span<const T> intervals, Sequence<T> y, State& state,
               mode::scan how = {}) const {
    check(u, y, state);
    detail::require_size("intervals (a step each)", u.length(), static_cast<Index>(intervals.size()));
    for (std::size_t k = 0; k < intervals.size(); ++k)
      if (!(intervals[k] >= 0) || !std::isfinite(static_cast<double>(intervals[k]) * std::max(reach_, 1.0)))
        throw DomainError(detail::message("interval of step ", k,
                                          ": expected a finite number, at least 0, whose product with dt Lambda is ",
                                          "finite, got ", intervals[k]));
    auto work = workspaces(how.executor.threads(), u.length());
    scan(u, intervals.data(), y, state, how.executor, work);
  }

  /// y for u = 1, 0, 0, .. in every feature at once, the direct term included.         (length, H)
  /// @throws DomainError if the length is negative
  /// @note   O(L P H)
  Array<T> impulse_response(Index length) const {
    detail::require_at_least("length of the impulse response", 0, length);
    const Index S = modes();
    Array<T> response(length, features());
    DiscreteDiagonalSystem<double> system{2 * S, Vector<Complex<double>>(S), Matrix<Complex<double>>(S, 1),
                                          Matrix<Complex<double>>(1, S)};
    for (Index s = 0; s < S; ++s) {
      const DiscreteMode<double> mode = discretize_(time_(0, s) * Lambda(s));
      Complex<double> all = 0;
      for (Index h = 0; h < features(); ++h) all += Complex<double>(parameters_.B(s, h));
      system.Lambda_bar(s) = mode.A_bar;
      system.B_bar(s, 0) = time_(0, s) * mode.gain * all;
    }
    for (Index h = 0; h < features() && length > 0; ++h) {
      for (Index s = 0; s < S; ++s) system.C(0, s) = parameters_.count(s) / 2 * Complex<double>(parameters_.C(h, s));
      const Vector<double> K = kernel::vandermonde(system, length);
      for (Index k = 0; k < length; ++k) response(k, h) = static_cast<T>(K(k));
      response(0, h) += parameters_.D(h);
    }
    return response;
  }

  /// Derivatives by what the layer runs with: see TrainableSSMLayer. In terms of
  ///
  ///     v_k = gain_k (B u)_k,   x_k = A_bar_k x_{k-1} + v_k,   A_bar_k = A_bar(z_k),   z_k = interval_k dt Lambda
  struct Cotangent {
    Array<T> B;            ///< of [Re B, Im B]                              (H, 2 S)
    Array<T> C;            ///< of [2 Re C; -2 Im C], as often as counted    (2 S, H)
    Array<T> D;            ///< (H)
    Array<double> Lambda;  ///< real parts, imaginary parts                  (2, S)
    Array<double> dt;      ///< (S)

    /// Of other sequences, added.
    Cotangent& operator+=(const Cotangent& other) {
      detail::add(B, other.B);
      detail::add(C, other.C);
      detail::add(D, other.D);
      detail::add(Lambda, other.Lambda);
      detail::add(dt, other.dt);
      return *this;
    }
  };
  /// Of no sequence.
  Cotangent cotangent() const {
    return {Array<T>(features(), 2 * modes()), Array<T>(2 * modes(), features()), Array<T>(features()),
            Array<double>(2, modes()), Array<double>(modes())};
  }
  /// Of a sequence from rest whose final state nobody used.
  /// @param u           input                     (L, H)
  /// @param dy          cotangent of the output   (L, H)
  /// @param du          += cotangent of u         (L, H)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @throws            ShapeError if the sizes disagree
  /// @note              O(L P H), about three times `forward`
  void forward_vjp(ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du, Cotangent& cotangent) const {
    State rest = initial_state(), nobody = initial_state();
    forward_vjp(u, rest, dy, nobody, du, cotangent);
  }
  /// Of a sequence from a state. The states before each tile are made first, then tiles run backwards.
  /// @param u           input                     (L, H)
  /// @param before      the state before step 0
  /// @param dy          cotangent of the output   (L, H)
  /// @param dstate      cotangent of the state after the last step; becomes that of `before`
  /// @param du          += cotangent of u         (L, H)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @throws            ShapeError if the sizes disagree
  void forward_vjp(ConstSequence<T> u, const State& before, ConstSequence<T> dy, State& dstate, Sequence<T> du,
                   Cotangent& cotangent) const {
    check(u, dy, before);
    Adjoint adjoint(*this, u, {});
    adjoint(adjoint.trail(before), dy, dstate, du, {}, cotangent);
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
                   Cotangent& cotangent) const {
    detail::require_shape("trail (its states before each tile)", trail.starts, tiles_of(u.length()), 2 * modes());
    Adjoint(*this, u, {})(trail, dy, dstate, du, {}, cotangent);
  }
  /// Of a sequence of uneven samples.
  /// @param u            input                     (L, H)
  /// @param intervals    as `forward` was given    (L)
  /// @param before       the state before step 0
  /// @param dy           cotangent of the output   (L, H)
  /// @param dstate       cotangent of the state after the last step; becomes that of `before`
  /// @param du           += cotangent of u         (L, H)     not dy's memory
  /// @param dintervals   += cotangent of intervals (L), or empty where nobody asks
  /// @param cotangent    += that of the layer's discrete numbers
  /// @throws             ShapeError if the sizes disagree
  void forward_vjp(ConstSequence<T> u, std::span<const T> intervals, const State& before, ConstSequence<T> dy,
                   State& dstate, Sequence<T> du, std::span<T> dintervals, Cotangent& cotangent) const {
    detail::require_size("intervals (a step each)", u.length(), static_cast<Index>(intervals.size()));
    if (!dintervals.empty())
      detail::require_size("cotangents of the intervals", u.length(), static_cast<Index>(dintervals.size()));
    check(u, dy, before);
    Adjoint adjoint(*this, u, intervals);
    adjoint(adjoint.trail(before), dy, dstate, du, dintervals, cotangent);
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
      for (Index h = 0; h < features(); ++h) {
        gradient.B(s, h) += Complex<T>(cotangent.B(h, s), real ? T(0) : cotangent.B(h, S + s));
        gradient.C(h, s) += Complex<T>(count * cotangent.C(s, h), real ? T(0) : -count * cotangent.C(S + s, h));
      }
      if (!(parameters_.Lambda_re(s) > parameters_.Lambda_re_max))
        gradient.Lambda_re(s) += static_cast<T>(cotangent.Lambda(0, s));
      if (!real) gradient.Lambda_im(s) += static_cast<T>(cotangent.Lambda(1, s));
      gradient.log_dt(gradient.log_dt.rows() == 1 ? 0 : s) += static_cast<T>(time_(0, s) * cotangent.dt(s));
    }
    for (Index h = 0; h < features(); ++h) gradient.D(h) += cotangent.D(h);
  }

  /// States of a tile of time.
  struct Tile {
    /// For the sizes given.
    Tile(const S5& layer, Index steps) : states(steps, 2 * layer.modes()), own_step(coefficients, layer.modes()) {}
    Array<T> states;    ///< real parts, imaginary parts              (steps, 2 S)
    Array<X> own_step;  ///< coefficients of a step with its own interval
  };
  /// Buffers of one thread: a tile of states, and the packing of its matrix products.
  class Workspace {
   public:
    /// Buffers for the sizes given.
    Workspace(const S5& layer, Index tile)
        : tile_(layer, tile),
          product_(std::max(2 * layer.modes(), layer.features()), tile, std::max(2 * layer.modes(), layer.features())) {
    }
    /// Bytes held.
    Index bytes() const noexcept {
      return tile_.states.size() * static_cast<Index>(sizeof(T)) +
             tile_.own_step.size() * static_cast<Index>(sizeof(X)) + product_.bytes();
    }

   private:
    friend class S5;
    Tile tile_;
    Gemm<T> product_;  // B u and C x
  };
  /// Workspaces for a number of threads and sequences of up to `length` steps.
  std::vector<Workspace> workspaces(Index threads, Index length) const {
    std::vector<Workspace> work;
    for (Index i = 0; i < threads; ++i) work.emplace_back(*this, steps_of_tile(length));
    return work;
  }
  /// `forward` in given workspaces, at least one for each thread: allocates nothing. Sizes must have been checked. The
  /// states before each tile go to `starts`, if there is one.
  void scan(ConstSequence<T> u, const T* intervals, Sequence<T> y, State& state, Executor& executor,
            std::span<Workspace> work, X* starts = nullptr) const {
    const Index L = u.length(), steps = work.front().tile_.states.rows(), tiles = (L + steps - 1) / steps;
    std::atomic<Index> scanned{0};  // tiles whose scan is done: the state is that behind them
    executor.run(tiles, [&](Index i, Index worker) {
      const Index first = i * steps, count = std::min(steps, L - first);
      Workspace& own = work[static_cast<std::size_t>(worker)];
      drive(u.block(first, count), own);
      for (Index done = scanned.load(std::memory_order_acquire); done < i;
           done = scanned.load(std::memory_order_acquire))
        scanned.wait(done, std::memory_order_acquire);
      if (starts != nullptr) keep_state(state, starts + i * 2 * modes());
      scan_tile(count, intervals == nullptr ? nullptr : intervals + first, state, own.tile_);
      scanned.store(i + 1, std::memory_order_release);
      scanned.notify_all();
      read_out(u.block(first, count), y.block(first, count), own);
    });
  }
  /// What the planner takes a step of all features to cost.
  double ns_per_step(const cost::Table& table) const noexcept {
    const auto S = static_cast<double>(modes()), H = static_cast<double>(features());
    return 4 * table.product * S * H + table.mode_step * S + table.feature_step * H / 16;
  }
  /// @throws ShapeError if the sizes disagree
  void check(ConstSequence<T> u, ConstSequence<T> y, const State& state) const {
    detail::require_same_shape<T>(u, y, features());
    detail::require_shape("state", state.re, modes());
    detail::require_shape("state", state.im, modes());
    detail::require_shape("state's low digits", state.low_re, modes());
    detail::require_shape("state's low digits", state.low_im, modes());
  }

 private:
  using Adjoint = detail::S5Adjoint<T, P, X>;
  friend Adjoint;

  // rows of a step's coefficients, and of the times they are made from (dt, Re Lambda, Im Lambda)
  static constexpr Index coefficients = 5;  // change_re, change_im, gain_re, gain_im, keep
  static constexpr Index stack_modes = 64;  // modes that `step` takes at a time

  Complex<double> Lambda(Index s) const { return {time_(1, s), time_(2, s)}; }
  /// Steps of a tile: its states stay in the second level cache.
  Index tile() const noexcept {
    return std::clamp<Index>((Index{1} << 18) / (2 * modes() * static_cast<Index>(sizeof(T))), 16, 1024);
  }

  Index steps_of_tile(Index length) const noexcept { return std::clamp<Index>(length, 1, tile()); }
  Index tiles_of(Index length) const noexcept { return (length + steps_of_tile(length) - 1) / steps_of_tile(length); }
  void keep_state(const State& state, X* start) const noexcept {
    std::copy(state.im.begin(), state.im.end(), std::copy(state.re.begin(), state.re.end(), start));
  }

  /// Coefficients of modes first .. first + count - 1 for a step that takes `interval` times the layer's own.
  void make_step(double interval, Index first, Index count, X* result) const noexcept {
    for (Index i = 0; i < count; ++i) {
      const double dt = interval * time_(0, first + i);
      const DiscreteMode<double> mode = discretize_(dt * Lambda(first + i));
      const StepFactor factor(mode.Delta);
      result[i] = static_cast<X>(factor.change.real());
      result[count + i] = static_cast<X>(factor.change.imag());
      result[2 * count + i] = static_cast<X>(dt * mode.gain.real());
      result[3 * count + i] = static_cast<X>(dt * mode.gain.imag());
      result[4 * count + i] = static_cast<X>(factor.keep);
    }
  }

  /// v = gain v, then x = A_bar x + v, v = x. What does not fit into x is kept as its low digits, so that a slow mode
  /// loses nothing: A_bar x = keep x + change x, and of x + (change x + v + low) the part that is lost becomes low.
  static void advance_modes(Index count, const X* __restrict step, Index stride, T* __restrict v_re, T* __restrict v_im,
                            X* __restrict x_re, X* __restrict x_im, X* __restrict low_re,
                            X* __restrict low_im) noexcept {
    const X *const a = step, *const b = step + stride, *const gain_re = step + 2 * stride,
                   *const gain_im = step + 3 * stride, *const keep = step + 4 * stride;
    for (Index s = 0; s < count; ++s) {
      const X u_re = static_cast<X>(v_re[s]), u_im = static_cast<X>(v_im[s]), re = x_re[s], im = x_im[s];
      const X drive_re = gain_re[s] * u_re - gain_im[s] * u_im, drive_im = gain_re[s] * u_im + gain_im[s] * u_re;
      x_re[s] = detail::add_keeping_rest(keep[s] * re, (a[s] * re - b[s] * im + drive_re) + low_re[s], low_re[s]);
      x_im[s] = detail::add_keeping_rest(keep[s] * im, (a[s] * im + b[s] * re + drive_im) + low_im[s], low_im[s]);
      v_re[s] = static_cast<T>(x_re[s]);
      v_im[s] = static_cast<T>(x_im[s]);
    }
  }

  void drive(ConstSequence<T> u, Workspace& work) const noexcept {  // states = u [Re B; Im B]^T
    const Index S = modes(), count = u.length();
    T* const driven = work.tile_.states.data();
    std::fill_n(driven, count * 2 * S, T(0));
    work.product_.add_product(2 * S, count, features(), {B_.data(), 2 * S}, {u.data(), u.stride()}, {driven, 2 * S});
  }
  void scan_tile(Index count, const T* intervals, State& state, Tile& tile) const noexcept {
    const Index S = modes();
    const X* step = step_.data();
    for (Index k = 0; k < count; ++k) {
      if (intervals != nullptr) {
        make_step(static_cast<double>(intervals[k]), 0, S, tile.own_step.data());
        step = tile.own_step.data();
      }
      T* const v = tile.states.row(k).data();
      advance_modes(S, step, S, v, v + S, state.re.data(), state.im.data(), state.low_re.data(), state.low_im.data());
    }
  }
  void read_out(ConstSequence<T> u, Sequence<T> y, Workspace& work) const noexcept {  // y = states C^T + D u
    const Index S = modes(), H = features();
    for (Index k = 0; k < u.length(); ++k)
      for (Index h = 0; h < H; ++h) y(k, h) = parameters_.D(h) * u(k, h);
    work.product_.add_product(H, u.length(), 2 * S, {C_.data(), H}, {work.tile_.states.data(), 2 * S},
                              {y.data(), y.stride()});
  }

  void advance(std::span<const T> u_k, std::span<T> y_k, State& state, const double* interval) const noexcept {
    const Index S = modes(), H = features();
    assert(static_cast<Index>(u_k.size()) == H && static_cast<Index>(y_k.size()) == H);
    assert(state.re.rows() == S && state.im.rows() == S);
    std::array<T, stack_modes> v_re, v_im;
    std::array<X, coefficients * stack_modes> own;
    for (Index first = 0; first < S; first += stack_modes) {  // all inputs are read before an output is written
      const Index count = std::min(stack_modes, S - first);
      v_re.fill(0);
      v_im.fill(0);
      for (Index h = 0; h < H; ++h) {
        const T input = u_k[static_cast<std::size_t>(h)];
        const T* const B = &B_(h, first);
        for (Index s = 0; s < count; ++s) {
          v_re[static_cast<std::size_t>(s)] += B[s] * input;
          v_im[static_cast<std::size_t>(s)] += B[S + s] * input;
        }
      }
      if (interval != nullptr) make_step(*interval, first, count, own.data());
      advance_modes(count, interval != nullptr ? own.data() : &step_(0, first), interval != nullptr ? count : S,
                    v_re.data(), v_im.data(), state.re.data() + first, state.im.data() + first,
                    state.low_re.data() + first, state.low_im.data() + first);
    }
    for (Index h = 0; h < H; ++h) {
      auto& y = y_k[static_cast<std::size_t>(h)];
      y = parameters_.D(h) * u_k[static_cast<std::size_t>(h)];
    }
    for (Index s = 0; s < S; ++s) {
      const T re = static_cast<T>(state.re(s)), im = static_cast<T>(state.im(s));
      const T* const C_re = &C_(s, 0);
      const T* const C_im = &C_(S + s, 0);
      for (Index h = 0; h < H; ++h) y_k[static_cast<std::size_t>(h)] += C_re[h] * re + C_im[h] * im;
    }
  }

  Parameters parameters_;
  double rate_;
  double reach_ = 0;                                     // the largest |dt Lambda|
  DiscreteMode<double> (*discretize_)(Complex<double>);  // the method
  // the same, back: (Lambda, dt) of a mode whose B is 1, from A_bar and gain dt
  ModeCotangent<double> (*step_vjp_)(Complex<double>, double, Complex<double>, Complex<double>);
  Array<X> step_;       // (5, S): the layer's own step
  Array<double> time_;  // (3, S): dt, Re Lambda, Im Lambda
  Array<T> B_;          // (H, 2 S): Re B, Im B
  Array<T> C_;          // (2 S, H): [2 Re C; -2 Im C]
};

}  // namespace ssm
