#pragma once

#include "ssm/core/executor.hpp"
#include "ssm/core/intervals.hpp"
#include "ssm/core/settle.hpp"
#include "ssm/discretize/modal.hpp"
#include "ssm/recurrence/state.hpp"
#include "ssm/recurrence/step_work.hpp"
#include "ssm/simd/product.hpp"

#include <atomic>
#include <cassert>
#include <vector>

namespace ssm::detail {

/// Form of the direct term D of a MimoScan.
enum class Direct {
  vector,  ///< a number for each, inputs being as many as outputs
  matrix   ///< a matrix
};

/// States before each tile of time of a run of MimoScan.
template <Real X>
struct MimoCheckpoints {
  Array<X> starts;  ///< real parts, imaginary parts     (tiles, 2 S)
};

/// The scan of one diagonal system of S modes, with a number of inputs and one of outputs: what S5 runs on.
///
///     v_k = gain_k (B u)_k,   x_k = A_bar_k x_{k-1} + v_k,   y_k = Re(C x_k) + D u_k
///
/// D is a vector, of as many direct terms as there are inputs and outputs, or a matrix.
///
/// A_bar_k and gain_k are functions of interval_k dt Lambda. Time is cut into tiles: B u of a tile is one real matrix
/// product on stacked parts [Re B; Im B], the scan runs over it in place, C x is another product, [Re C, -Im C].
///
/// @tparam T   scalar of the data
/// @tparam X   scalar of the state
template <Real T, Real X>
class MimoScan {
 public:
  /// State that is carried from step to step.
  using State = MimoState<X>;
  /// Rows of the coefficients of a step: change_re, change_im, gain_re, gain_im, keep.
  static constexpr Index coefficients = 5;

  /// Makes a scan of zeros; the functions below set its numbers.
  /// @param modes     S
  /// @param inputs    numbers of an input
  /// @param outputs   numbers of an output
  /// @param direct    whether D is a vector (then inputs are as many as outputs) or a matrix
  /// @param method    how every step is discretized
  MimoScan(Index modes, Index inputs, Index outputs, Direct direct, ModalDiscretization method)
      : method_(method),
        step_(coefficients, modes),
        time_(3, modes),
        direct_(direct),
        B_(inputs, 2 * modes),
        C_(2 * modes, outputs),
        D_(inputs, direct == Direct::matrix ? outputs : 1) {}

  /// Sets the time step and the eigenvalue of mode s.
  /// @throws DomainError if dt is not positive and finite, or a coefficient of the step is not finite
  void set_step(Index s, double dt, Complex<double> Lambda) {
    require_positive("dt", dt);
    time_(0, s) = dt;
    time_(1, s) = Lambda.real();
    time_(2, s) = Lambda.imag();
    std::array<X, coefficients> own{};
    make_step(1, s, 1, own.data());
    for (Index row = 0; row < coefficients; ++row) {
      const X value = own[static_cast<std::size_t>(row)];
      if (!std::isfinite(value))
        throw DomainError(
            message("mode ", s, ": expected a step of finite numbers, got ", value, " from dt Lambda = ", dt * Lambda));
      step_(row, s) = value;
    }
    reach_ = std::max(reach_, dt * std::abs(Lambda));
  }
  /// Sets what leads from input i to mode s.
  void set_input(Index s, Index i, Complex<T> B) {
    B_(i, s) = B.real();
    B_(i, modes() + s) = B.imag();
  }
  /// Sets what leads from mode s to output o.
  void set_output(Index s, Index o, Complex<T> C) {
    C_(s, o) = C.real();
    C_(modes() + s, o) = -C.imag();
  }
  /// Sets a direct term: from input i to output o where D is a matrix, else of both, o being 0.
  void set_direct(Index i, Index o, T D) { D_(i, o) = D; }

  /// Numbers of an input.
  Index inputs() const noexcept { return B_.rows(); }
  /// Numbers of an output.
  Index outputs() const noexcept { return C_.columns(); }
  /// Form of D.
  Direct direct() const noexcept { return direct_; }
  /// S
  Index modes() const noexcept { return step_.columns(); }
  /// The largest |dt Lambda|.
  double reach() const noexcept { return reach_; }
  /// Time step of mode s, in seconds.
  double dt(Index s) const noexcept { return time_(0, s); }
  /// Eigenvalue of mode s, in 1/s.
  Complex<double> Lambda(Index s) const noexcept { return {time_(1, s), time_(2, s)}; }
  /// Discretizes z = dt Lambda.
  DiscreteMode<double> discretized(Complex<double> z) const { return discretize_mode(method_, z); }
  /// Derivatives of a mode's discretization, from those of A_bar and of gain dt, B being 1.
  ModeCotangent<double> step_vjp(Complex<double> Lambda, double dt, Complex<double> dA_bar,
                                 Complex<double> dgain) const {
    return discretize_mode_vjp(method_, Lambda, Complex<double>(1), dt, dA_bar, dgain);
  }
  /// Coefficients of the layer's own step.     (5, S)
  const X* step() const noexcept { return step_.data(); }
  /// [Re B, Im B]       (inputs, 2 S)
  const simd::Panels<T>& B() const noexcept { return B_; }
  /// [Re C; -Im C]      (2 S, outputs)
  const simd::Panels<T>& C() const noexcept { return C_; }
  /// Direct terms, (inputs); or the transpose of D, (inputs, outputs).
  const Array<T>& D() const noexcept { return D_; }

  /// @throws ShapeError if the sizes disagree, or D is a matrix and y is u's memory
  void check(ConstSequence<T> u, ConstSequence<T> y, const State& state) const {
    check_sizes(u, y, state);
    if (direct_ == Direct::matrix && u.length() > 0 && y.data() == u.data())
      throw ShapeError("memory of y: expected its own where D is a matrix, got that of u");
  }
  /// @throws ShapeError if the sizes disagree
  void check_sizes(ConstSequence<T> u, ConstSequence<T> y, const State& state) const {
    require_size("features of u", inputs(), u.features());
    require_size("features of y", outputs(), y.features());
    require_size("length of y (that of u is expected)", u.length(), y.length());
    require_shape("state", state.re, modes());
    require_shape("state", state.im, modes());
    require_shape("state's low digits", state.low_re, modes());
    require_shape("state's low digits", state.low_im, modes());
  }

  /// Scratch memory of one thread: a tile of time.
  struct Workspace {
    /// Makes zeros of these sizes.
    Workspace(Index steps, Index modes) : states(steps, 2 * modes), own_step(coefficients, modes) {}
    /// Bytes held.
    Index bytes() const noexcept {
      return states.size() * static_cast<Index>(sizeof(T)) + own_step.size() * static_cast<Index>(sizeof(X));
    }
    Array<T> states;    ///< real parts, imaginary parts              (steps, 2 S)
    Array<X> own_step;  ///< coefficients of a step with its own interval
  };
  /// Workspaces for a number of threads and sequences of up to `length` steps.
  std::vector<Workspace> workspaces(Index threads, Index length) const {
    std::vector<Workspace> work;
    for (Index i = 0; i < threads; ++i) work.emplace_back(steps_of_tile(length), modes());
    return work;
  }
  /// Steps of a tile of a sequence: its states stay in the second level cache.
  Index steps_of_tile(Index length) const noexcept {
    const Index most = std::clamp<Index>((Index{1} << 18) / (2 * modes() * static_cast<Index>(sizeof(T))), 16, 1024);
    return std::clamp<Index>(length, 1, most);
  }
  /// Tiles of a sequence.
  Index tiles_of(Index length) const noexcept { return (length + steps_of_tile(length) - 1) / steps_of_tile(length); }
  /// Returns how often a step runs each kind of inner loop.
  StepWork work_per_step() const noexcept {
    const auto S = static_cast<double>(modes()), all = static_cast<double>(inputs() + outputs());
    return {.features = all / 32, .modes = S, .products = 2 * S * all};
  }
  /// Writes a state as numbers: real parts, imaginary parts.      (2 S)
  void keep_state(const State& state, X* start) const noexcept {
    std::copy(state.im.begin(), state.im.end(), std::copy(state.re.begin(), state.re.end(), start));
  }

  /// Runs a sequence in given workspaces, at least one for each thread: allocates nothing. Sizes must have been
  /// checked. The states before each tile go to `starts`, if there is one.
  void operator()(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, State& state, Executor& executor,
                  std::span<Workspace> work, X* starts = nullptr) const {
    const Index L = u.length(), steps = work.front().states.rows(), tiles = (L + steps - 1) / steps;
    std::atomic<Index> scanned{0};  // tiles whose scan is done: the state is that behind them
    executor.run(tiles, [&](Index i, Index worker) {
      const Index first = i * steps, count = std::min(steps, L - first);
      Workspace& tile = work[static_cast<std::size_t>(worker)];
      drive(u.block(first, count), tile);
      for (Index done = scanned.load(std::memory_order_acquire); done < i;
           done = scanned.load(std::memory_order_acquire))
        scanned.wait(done, std::memory_order_acquire);
      if (starts != nullptr) keep_state(state, starts + i * 2 * modes());
      scan_tile(count, intervals.part(first, count), state, tile);
      scanned.store(i + 1, std::memory_order_release);
      scanned.notify_all();
      read_out(u.block(first, count), y.block(first, count), tile);
    });
  }
  /// Computes one time step, of `interval` times the layer's own if it is given. All inputs are read before an output
  /// is written.
  void advance(std::span<const T> u_k, std::span<T> y_k, State& state, const double* interval) const noexcept {
    const Index S = modes();
    assert(static_cast<Index>(u_k.size()) == inputs() && static_cast<Index>(y_k.size()) == outputs());
    assert(direct_ == Direct::vector || u_k.data() != y_k.data());
    assert(state.re.rows() == S && state.im.rows() == S);
    std::array<T, stack_modes> v_re, v_im;
    std::array<X, coefficients * stack_modes> own;
    for (Index first = 0; first < S; first += stack_modes) {
      const Index count = std::min(stack_modes, S - first);
      const auto some = [&](auto& of) { return std::span(of.data(), static_cast<std::size_t>(count)); };
      v_re.fill(0);
      v_im.fill(0);
      B_.add_row(0, u_k, first, some(v_re));
      B_.add_row(0, u_k, S + first, some(v_im));
      if (interval != nullptr) make_step(*interval, first, count, own.data());
      advance_modes(count, interval != nullptr ? own.data() : &step_(0, first), interval != nullptr ? count : S,
                    v_re.data(), v_im.data(), state.re.data() + first, state.im.data() + first,
                    state.low_re.data() + first, state.low_im.data() + first);
    }
    write_direct(u_k.data(), y_k.data());
    for (Index first = 0; first < S; first += stack_modes) {
      const auto count = static_cast<std::size_t>(std::min(stack_modes, S - first));
      const auto converted = [&](const Array<X>& of, auto& to) {
        std::transform(of.data() + first, of.data() + first + count, to.data(), [](X x) { return static_cast<T>(x); });
        return std::span<const T>(to.data(), count);
      };
      C_.add_row(first, converted(state.re, v_re), 0, y_k);
      C_.add_row(S + first, converted(state.im, v_im), 0, y_k);
    }
  }

  /// Coefficients of modes first .. first + count - 1 for a step that takes `interval` times the layer's own.
  void make_step(double interval, Index first, Index count, X* result) const noexcept {
    for (Index i = 0; i < count; ++i) {
      const double dt = interval * time_(0, first + i);
      const DiscreteMode<double> mode = discretized(dt * Lambda(first + i));
      const StepFactor factor(mode.Delta);
      result[i] = static_cast<X>(factor.change.real());
      result[count + i] = static_cast<X>(factor.change.imag());
      result[2 * count + i] = static_cast<X>(dt * mode.gain.real());
      result[3 * count + i] = static_cast<X>(dt * mode.gain.imag());
      result[4 * count + i] = static_cast<X>(factor.keep);
    }
  }
  /// Sets the states of a tile to B u.
  void drive(ConstSequence<T> u, Workspace& tile) const noexcept {
    const auto driven = simd::matrix(tile.states).middle_rows(0, u.length());
    std::fill_n(driven.data, driven.rows * driven.columns, T(0));
    B_.add_product(driven, simd::matrix(u));
  }
  /// Runs the scan over a tile whose states hold B u.
  void scan_tile(Index count, Intervals<T> intervals, State& state, Workspace& tile) const noexcept {
    const Index S = modes();
    const X* step = step_.data();
    for (Index k = 0; k < count; ++k) {
      if (!intervals.empty()) {
        make_step(intervals[k], 0, S, tile.own_step.data());
        step = tile.own_step.data();
      }
      T* const v = tile.states.row(k).data();
      advance_modes(S, step, S, v, v + S, state.re.data(), state.im.data(), state.low_re.data(), state.low_im.data());
    }
  }

 private:
  static constexpr Index stack_modes = 64;  // modes that `advance` takes at a time

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

  void write_direct(const T* u_k, T* y_k) const noexcept {  // y_k = D u_k
    const Index H = outputs();
    if (direct_ == Direct::vector) {
      for (Index h = 0; h < H; ++h) y_k[h] = D_(h) * u_k[h];
      return;
    }
    std::fill_n(y_k, H, T(0));
    for (Index i = 0; i < inputs(); ++i)
      for (Index h = 0; h < H; ++h) y_k[h] += D_(i, h) * u_k[i];
  }
  void read_out(ConstSequence<T> u, Sequence<T> y, Workspace& tile) const noexcept {  // y = states C^T + D u
    if (direct_ == Direct::vector) {
      for (Index k = 0; k < u.length(); ++k) write_direct(&u(k, 0), &y(k, 0));
    } else {
      for (Index k = 0; k < u.length(); ++k) std::fill_n(&y(k, 0), outputs(), T(0));
      simd::add_product(simd::matrix(y), simd::matrix(u), simd::matrix(D_));
    }
    C_.add_product(simd::matrix(y), simd::matrix(tile.states).middle_rows(0, u.length()));
  }

  ModalDiscretization method_;
  Array<X> step_;       // (5, S): the layer's own step
  Array<double> time_;  // (3, S): dt, Re Lambda, Im Lambda
  Direct direct_;
  simd::Panels<T> B_;  // (inputs, 2 S): Re B, Im B
  simd::Panels<T> C_;  // (2 S, outputs): [Re C; -Im C]
  Array<T> D_;         // (inputs), or D^T (inputs, outputs)
  double reach_ = 0;   // the largest |dt Lambda|
};

}  // namespace ssm::detail
