#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/core/settle.hpp"
#include "ssm/discretize/mode.hpp"
#include "ssm/recurrence/modal_turn.hpp"
#include "ssm/recurrence/state.hpp"
#include "ssm/simd/pack.hpp"
#include "ssm/simd/prefetch.hpp"
#include "ssm/system/dplr.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace ssm::detail {

/// Runs H systems of diagonal plus low rank form, rank 0 included: S4's and S4D's recurrence.
///
///     x_k = A_bar x_{k-1} - P_bar s_k + B_bar u_k,                 A_bar = 1 + Delta, mode by mode
///     s_k,r = sum over all N modes of Q_bar_nr x_{k-1,n},          y_k = sum over all N modes of C_n x_k,n + D u_k
///
/// The state is kept as x = B_bar (X + d). X stays as it is over a block of steps; d is what has come since and is
/// small where a mode is slow, so that little is lost when it is rounded:
///
///     d_k = f d_{k-1} + (u_k + c) - (P_bar / B_bar) s_k,           c = (A_bar - 1) X,   f = A_bar rounded
///     y_k = D u_k + 2 Re(C B_bar X) + 2 Re(C B_bar d_k)            the second term is one number a block
///     s_k = Q_bar B_bar X + Q_bar B_bar d_{k-1}                    likewise
///
/// After each block d goes into X, and what does not fit into X stays in d; see ModalTurn, which also makes up for the
/// rounding of f. A mode takes six multiply-adds and an addition a step. Where a block begins is kept in the state, so
/// that a sequence in pieces of any length, down to single steps, gives the bits of the whole.
///
/// Features lie side by side in lanes. Without a low-rank part the modes do not meet: a few of them stay in registers
/// while time runs in the inner loop. With one, every step passes once over all modes.
///
/// @tparam N      states, `dynamic` or known at compile time
/// @tparam Arch   instruction set
template <Real T, Index N, Real X, class Arch>
class ModalRecurrence {
  using Pack = simd::Pack<X, Arch>;
  static constexpr Index group = simd::group<X>;

 public:
  /// Complex numbers side by side.
  struct Pair {
    Pack re, im;
    /// Loads a group of real parts, then one of imaginary ones.
    static Pair load(const X* from) noexcept { return {Pack::load(from), Pack::load(from + group)}; }
    void store(X* to) const noexcept {
      re.store(to);
      im.store(to + group);
    }
    friend Pair operator*(const Pair& a, const Pair& b) noexcept {
      return {fnma(a.im, b.im, a.re * b.re), fma(a.re, b.im, a.im * b.re)};
    }
    /// a b + c
    friend Pair fma(const Pair& a, const Pair& b, const Pair& c) noexcept {
      return {fma(a.re, b.re, fnma(a.im, b.im, c.re)), fma(a.re, b.im, fma(a.im, b.re, c.im))};
    }
    /// sum + Re(a b)
    friend Pack add_real(Pack sum, const Pair& a, const Pair& b) noexcept {
      return fma(a.re, b.re, fnma(a.im, b.im, sum));
    }
  };
  /// Steps of a block.
  static constexpr Index block = ModalTurn::block;

  ModalRecurrence(Index features, Index states, Index rank)
      : features_(features),
        states_(states),
        rank_(rank),
        D_((features + group - 1) / group, group),
        coefficients_((features + group - 1) / group, modes_of(states) * (fixed_rows + 4 * rank), group),
        kept_((features + group - 1) / group, modes_of(states)),
        running_((features + group - 1) / group, modes_of(states) * running_rows(), group),
        turning_((features + group - 1) / group, modes_of(states) * turning_rows, group),
        units_((features + group - 1) / group, modes_of(states) * unit_rows, group) {}

  /// Sets feature h. How often a mode counts in a sum over all of them goes into C and Q_bar.
  /// @throws DomainError if a number is not finite in X
  void set(Index h, const DiscreteDplrSystem<double>& system, double D) {
    const Index R = rank_, lane = h % group;
    D_(h / group, lane) = static_cast<X>(D);
    std::uint64_t mark = static_cast<std::uint64_t>(h) + 1;
    for (Index n = 0; n < modes(); ++n) {
      const auto count = static_cast<double>(multiplicity(n, states()));
      const auto put = [&](Index which, Complex<double> value) {
        at(h, n, which) = static_cast<X>(value.real());
        at(h, n, which + 1) = static_cast<X>(value.imag());
      };
      const StepFactor factor(system.Delta(n));
      const auto bit = static_cast<std::uint16_t>(1U << lane);
      std::uint16_t& kept = kept_(h / group, n);
      kept = static_cast<std::uint16_t>(factor.keep == 1 ? kept | bit : kept & ~bit);
      put(change_re, factor.change);
      put(b_re, system.B_bar(n));
      put(c_re, count * system.C(n));
      for (Index r = 0; r < R; ++r) {
        put(fixed_rows + 4 * r, system.P_bar(n, r));
        put(fixed_rows + 4 * r + 2, count * system.Q_bar(n, r));
      }

      const Complex<double> B = away_from_zero(system.B_bar(n)), per_B = 1.0 / B;
      const auto turn = ModalTurn::of<X>(system.Delta(n), factor.keep == 1);
      bool representable = true;
      const auto into = [&](Array<X>& array, Index row, Complex<double> value) {
        for (const double part : {value.real(), value.imag()}) {
          array(h / group, row, lane) = static_cast<X>(part);
          representable = representable && std::isfinite(array(h / group, row, lane));
          mark = (mark ^ std::bit_cast<std::uint64_t>(part)) * 0x9E3779B97F4A7C15U;
          mark ^= mark >> 29U;
          ++row;
        }
      };
      const Index run = n * running_rows(), at_turn = n * turning_rows;
      into(running_, run + f_re, turn.factor);
      into(running_, run + out_re, count * plain_product(system.C(n), B));
      for (Index r = 0; r < R; ++r) {
        into(running_, run + first_rank + 4 * r, plain_product(system.P_bar(n, r), per_B));
        into(running_, run + first_rank + 4 * r + 2, count * plain_product(system.Q_bar(n, r), B));
      }
      into(turning_, at_turn + drift_re, turn.drift);
      into(turning_, at_turn + of_held_re, turn.of_held);
      into(turning_, at_turn + of_moving_re, turn.of_moving);
      into(units_, n * unit_rows + unit_re, B);
      into(units_, n * unit_rows + per_unit_re, per_B);
      turning_(h / group, at_turn + holds, lane) = factor.keep == 1 ? X(1) : X(0);
      if (!representable)
        throw DomainError(message("feature ", h, ", mode ", n, ": expected numbers that ",
                                  sizeof(X) == 4 ? "float" : "double", " can hold, got A_bar - 1 = ", system.Delta(n),
                                  ", B_bar = ", system.B_bar(n), ", C = ", system.C(n)));
    }
    owner_ ^= mark;
  }

  Index rank() const noexcept { return rank_; }
  Index modes() const noexcept { return modes_of(states()); }
  /// Number of rows of a mode's coefficients, as the backward run reads them: change, B_bar, C, then P_bar and Q_bar
  /// for each rank; real and imaginary parts.
  Index rows() const noexcept { return fixed_rows + 4 * rank_; }
  /// Coefficients of a group of features, (M, rows, lanes).
  const X* coefficients(Index which) const noexcept { return &coefficients_(which, 0, 0); }
  /// Which lanes of each mode keep, (M) bit masks: A_bar = keep + change.
  const std::uint16_t* kept(Index which) const noexcept { return &kept_(which, 0); }
  /// D of a group of features, (lanes).
  const X* direct(Index which) const noexcept { return &D_(which, 0); }

  /// Returns a state at rest.
  ModalState<X> rest() const { return {features_, modes(), rank_}; }

  /// Features from `first`, a multiple of the group, as many as u has. u and y may be the same.      O(N R L) each
  void operator()(Index first, ConstSequence<T> u, Sequence<T> y, ModalState<X>& state) const noexcept {
    if (u.length() == 0) return;
    const auto groups = [&](auto visit) {
      for (Index done = 0; done < u.features(); done += group)
        visit((first + done) / group, std::min(group, u.features() - done), done);
    };
    groups([&](Index which, Index, Index) { adopt(which, state.group(which)); });
    for (Index k = 0, steps = 0; k < u.length();
         k += steps) {  // all features of a block of time: it stays in the cache
      // groups of one call have come equally far, unless the caller ran some of them alone: the nearest end counts
      steps = u.length() - k;
      groups([&](Index which, Index, Index) { steps = std::min(steps, block - *state.group(which).phase); });
      const auto from = [&](Index first_step, Index done, Index count) {
        return Block{u.data() + first_step * u.stride() + done, y.data() + first_step * y.stride() + done, u.stride(),
                     y.stride(), std::min(count, u.length() - first_step)};
      };
      groups([&](Index which, Index lanes, Index done) {
        run_block(which, lanes, from(k, done, steps), from(std::min(k + steps, u.length()), done, block),
                  state.group(which));
      });
    }
  }

  /// One feature, mode by mode and step by step, by the definition: what the lanes are held to.
  void reference(Index h, ConstSequence<T> u, Sequence<T> y, ModalState<X>& state) const noexcept {
    std::array<X, std::size_t(max_rank)> s;
    for (Index k = 0; k < u.length(); ++k) {
      const X input = static_cast<X>(u(k, 0));
      X output = D_(h / group, h % group) * input;
      for (Index r = 0; r < rank_; ++r) {
        X sum = 0;
        for (Index n = 0; n < modes(); ++n) {
          const Complex<X> x = state.x(h, n);
          sum += at(h, n, fixed_rows + 4 * r + 2) * x.real() - at(h, n, fixed_rows + 4 * r + 3) * x.imag();
        }
        s[static_cast<std::size_t>(r)] = sum;
      }
      for (Index n = 0; n < modes(); ++n) {
        const Complex<X> x = state.x(h, n);
        const X re = x.real(), im = x.imag(), a = at(h, n, change_re), b = at(h, n, change_im);
        X next_re = a * re - b * im + at(h, n, b_re) * input, next_im = a * im + b * re + at(h, n, b_im) * input;
        for (Index r = 0; r < rank_; ++r) {
          const X sum = s[static_cast<std::size_t>(r)];
          next_re -= at(h, n, fixed_rows + 4 * r) * sum;
          next_im -= at(h, n, fixed_rows + 4 * r + 1) * sum;
        }
        next_re = detail::settle(keeps(h, n) ? re + next_re : next_re);
        next_im = detail::settle(keeps(h, n) ? im + next_im : next_im);
        state.set(h, n, {next_re, next_im});
        output += at(h, n, c_re) * next_re - at(h, n, c_im) * next_im;
      }
      y(k, 0) = static_cast<T>(output);
    }
  }

 private:
  // rows of a mode for the backward run, then p_re p_im q_re q_im for each rank
  enum Coefficient : Index { change_re, change_im, b_re, b_im, c_re, c_im, fixed_rows };
  // rows of a mode in every step: f, C B_bar, then P_bar / B_bar and Q_bar B_bar for each rank
  enum Running : Index { f_re, f_im, out_re, out_im, first_rank };
  // rows of a mode after every block
  enum Turning : Index { drift_re, drift_im, of_held_re, of_held_im, of_moving_re, of_moving_im, holds, turning_rows };
  // rows of a mode for a state that comes from elsewhere
  enum Unit : Index { unit_re, unit_im, per_unit_re, per_unit_im, unit_rows };
  using Group = typename ModalState<X>::Group;

  static Pack settle(Pack x) noexcept {
    constexpr X grid = settling_grid<X>;
    return (x + Pack(grid)) - Pack(grid);
  }
  static Pair settle(Pair x) noexcept { return {settle(x.re), settle(x.im)}; }
  /// B_bar, or next to nothing where it is nothing: states are divided by it.
  static Complex<double> away_from_zero(Complex<double> B) {
    constexpr double least = sizeof(X) == 4 ? 1e-30 : 1e-200;
    return std::abs(B) < least ? Complex<double>(least) : B;
  }
  Index states() const noexcept { return N == dynamic ? states_ : N; }
  Index running_rows() const noexcept { return first_rank + 4 * rank_; }
  X& at(Index h, Index n, Index which) noexcept { return coefficients_(h / group, n * rows() + which, h % group); }
  X at(Index h, Index n, Index which) const noexcept { return coefficients_(h / group, n * rows() + which, h % group); }
  bool keeps(Index h, Index n) const noexcept { return (kept_(h / group, n) >> (h % group) & 1) != 0; }

  /// A block of time of one group of features.
  struct Block {
    const T* u;
    T* y;
    Index u_stride, y_stride, steps;
    /// Asks for a share of it, `part` of `parts`, while the block before it is computed: its rows are further apart
    /// than a processor guesses.
    void prefetch(Index part, Index parts) const noexcept {
      if (steps == 0) return;
      for (Index k = steps * part / parts; k < steps * (part + 1) / parts; ++k) {
        simd::prefetch(u + k * u_stride);
        simd::prefetch(y + k * y_stride);
      }
    }
  };

  /// u and y of a group over a block of time, lanes side by side.
  struct Buffer {
    alignas(simd::group_bytes) std::array<X, std::size_t(block* group)> u, y;
  };

  void run_block(Index which, Index lanes, const Block& now, const Block& next, const Group& state) const noexcept {
    Buffer buffer;
    const X *const D = &D_(which, 0), *const base = state.heads;
    const auto begin = [&](Index at, Pack input) {  // y = D u + what X gives
      const Index lane = at % group;
      fma(Pack::load(D + lane), input, Pack::load(base + lane)).store(buffer.y.data() + at);
    };
    const bool whole = std::same_as<T, X> && lanes == group;  // rows are lanes as they lie
    for (Index k = 0; k < now.steps; ++k) {
      const T* const row = now.u + k * now.u_stride;
      X* const u = buffer.u.data() + k * group;
      if constexpr (std::same_as<T, X>)
        if (whole) {
          for (Index lane = 0; lane < group; lane += Pack::size) {
            const Pack input = Pack::load(row + lane);
            input.store(u + lane);
            begin(k * group + lane, input);
          }
          continue;
        }
      for (Index lane = 0; lane < lanes; ++lane) u[lane] = static_cast<X>(row[lane]);
      for (Index lane = lanes; lane < group; ++lane) u[lane] = 0;
    }
    if (!whole)
      for (Index at = 0; at < now.steps * group; at += Pack::size) begin(at, Pack::load(buffer.u.data() + at));
    const bool turns = *state.phase + now.steps >= block;
    for (Index lane = 0; lane < lanes; lane += Pack::size) {
      const Lanes all{&running_(which, 0, lane), &turning_(which, 0, lane), now.steps,         buffer.u.data() + lane,
                      buffer.y.data() + lane,    state.moving + lane,       state.held + lane, state.heads + lane};
      switch (rank_) {
        case 0:
          turns ? modes_over_time<true>(all, next) : modes_over_time<false>(all, next);
          break;
        case 1:
          step_by_step<1>(all, next, turns);
          break;
        case 2:
          step_by_step<2>(all, next, turns);
          break;
        default:
          step_by_step<max_rank>(all, next, turns);
      }
    }
    *state.phase = turns ? 0 : *state.phase + now.steps;
    for (Index k = 0; k < now.steps; ++k) {
      T* const row = now.y + k * now.y_stride;
      const X* const y = buffer.y.data() + k * group;
      if constexpr (std::same_as<T, X>)
        if (whole) {
          for (Index lane = 0; lane < group; lane += Pack::size) Pack::load(y + lane).store(row + lane);
          continue;
        }
      for (Index lane = 0; lane < lanes; ++lane) row[lane] = static_cast<T>(y[lane]);
    }
  }

  /// Some lanes of a group over a block of time: pointers to the first of them, rows a group apart.
  struct Lanes {
    const X *running, *turning;
    Index steps;
    const X* u;
    X* y;
    X *moving, *held, *heads;  ///< see ModalState::Group
  };
  static constexpr Index moving_rows = ModalState<X>::moving_rows, held_rows = ModalState<X>::held_rows;

  template <bool Turns>
  void modes_over_time(Lanes lanes, const Block& next) const noexcept {
    constexpr Index together = 4;
    const Index whole = modes() / together * together;
    Pack base(X(0));
    for (Index n = 0; n < whole; n += together) {
      next.prefetch(n / together, whole / together);
      over_time<together, Turns>(lanes, n, base);
    }
    for (Index n = whole; n < modes(); ++n) over_time<1, Turns>(lanes, n, base);
    if constexpr (Turns) base.store(lanes.heads);
  }

  /// `Modes` modes from n on in registers, over all steps; their share is added to y.
  /// @tparam Turns   whether the block ends after these steps; then base += Re(C B_bar X)
  template <Index Modes, bool Turns>
  void over_time(Lanes lanes, Index n, [[maybe_unused]] Pack& base) const noexcept {
    struct Mode {
      Pair d, c, f, out;
    };
    std::array<Mode, std::size_t(Modes)> all;
    for (Index m = 0; m < Modes; ++m) {
      const X* const from = lanes.running + (n + m) * first_rank * group;
      const X* const moving = lanes.moving + (n + m) * moving_rows * group;
      all[static_cast<std::size_t>(m)] = {Pair::load(moving), Pair::load(moving + 2 * group), Pair::load(from),
                                          Pair::load(from + out_re * group)};
    }
    for (Index k = 0; k < lanes.steps; ++k) {
      const Pack input = Pack::load(lanes.u + k * group);
      Pack output = Pack::load(lanes.y + k * group);
      for (Mode& mode : all) {
        mode.d = fma(mode.f, mode.d, Pair{mode.c.re + input, mode.c.im});
        output = add_real(output, mode.out, mode.d);
      }
      output.store(lanes.y + k * group);
    }
    for (Index m = 0; m < Modes; ++m) {
      Mode& mode = all[static_cast<std::size_t>(m)];
      if constexpr (Turns) {
        base = add_real(base, mode.out, turn(lanes, n + m, mode.d));
      } else {
        mode.d.store(lanes.moving + (n + m) * moving_rows * group);
      }
    }
  }

  /// Ends a block for mode n: d goes into X. Stores X, what is left as d, and c; returns X.
  static Pair turn(const Lanes& lanes, Index n, Pair d) noexcept {
    const X* const by = lanes.turning + n * turning_rows * group;
    X *const moving = lanes.moving + n * moving_rows * group, *const held = lanes.held + n * held_rows * group;
    const Pair before = Pair::load(held);
    // multiples of the settling grid's last digit, and so are the sums of them below
    const Pair more =
        settle(fma(Pair::load(by + of_held_re * group), before, fma(Pair::load(by + of_moving_re * group), d, d)));
    const Pack keeps = Pack::load(by + holds * group);
    const auto into = [&keeps](Pack x, Pack r, Pack& left) {
      const Pack sum = x + r, low = r - (sum - x), kept = keeps * sum;
      left = low + (sum - kept);
      return kept;
    };
    Pair left, now{into(before.re, more.re, left.re), into(before.im, more.im, left.im)};
    now.store(held);
    left.store(moving);
    (Pair::load(by + drift_re * group) * now).store(moving + 2 * group);
    return now;
  }

  /// All modes in every step; Rank is the rank, or the largest there is.
  template <int Rank>
  void step_by_step(Lanes lanes, const Block& next, bool turns) const noexcept {
    const Index M = modes(), R = Rank == max_rank ? rank_ : Rank, rows = first_rank + 4 * R;
    std::array<Pack, std::size_t(Rank)> s, base, sum;
    for (Index r = 0; r < R; ++r) {
      base[static_cast<std::size_t>(r)] = Pack::load(lanes.heads + (1 + r) * group);
      s[static_cast<std::size_t>(r)] = Pack::load(lanes.heads + (1 + rank_ + r) * group);
    }
    // sum += Re(Q x), rank by rank
    const auto gather = [&](const X* from, const Pair& x, std::array<Pack, std::size_t(Rank)>& to) {
      for (Index r = 0; r < R; ++r)
        to[static_cast<std::size_t>(r)] =
            add_real(to[static_cast<std::size_t>(r)], Pair::load(from + (first_rank + 4 * r + 2) * group), x);
    };
    for (Index k = 0; k < lanes.steps; ++k) {
      next.prefetch(k, lanes.steps);
      const Pack input = Pack::load(lanes.u + k * group);
      Pack output = Pack::load(lanes.y + k * group);
      sum = base;
      for (Index n = 0; n < M; ++n) {
        const X* const from = lanes.running + n * rows * group;
        X* const moving = lanes.moving + n * moving_rows * group;
        const Pair c = Pair::load(moving + 2 * group);
        Pair drive{c.re + input, c.im};
        for (Index r = 0; r < R; ++r) {
          const Pair P = Pair::load(from + (first_rank + 4 * r) * group);
          drive = {fnma(P.re, s[static_cast<std::size_t>(r)], drive.re),
                   fnma(P.im, s[static_cast<std::size_t>(r)], drive.im)};
        }
        const Pair d = fma(Pair::load(from), Pair::load(moving), drive);
        d.store(moving);
        output = add_real(output, Pair::load(from + out_re * group), d);
        gather(from, d, sum);
      }
      s = sum;
      output.store(lanes.y + k * group);
    }
    if (turns) {
      Pack heard(X(0));
      base.fill(Pack(X(0)));
      sum.fill(Pack(X(0)));
      for (Index n = 0; n < M; ++n) {
        const X* const from = lanes.running + n * rows * group;
        const X* const moving = lanes.moving + n * moving_rows * group;
        const Pair held = turn(lanes, n, Pair::load(moving));
        heard = add_real(heard, Pair::load(from + out_re * group), held);
        gather(from, held, base);
        gather(from, Pair::load(moving), sum);
      }
      heard.store(lanes.heads);
      for (Index r = 0; r < R; ++r)
        s[static_cast<std::size_t>(r)] = base[static_cast<std::size_t>(r)] + sum[static_cast<std::size_t>(r)];
    }
    for (Index r = 0; r < R; ++r) {
      base[static_cast<std::size_t>(r)].store(lanes.heads + (1 + r) * group);
      s[static_cast<std::size_t>(r)].store(lanes.heads + (1 + rank_ + r) * group);
    }
  }

  /// Takes on a state that this recurrence has not run before, or that was set since: in its own units, at the
  /// beginning of a block.
  void adopt(Index which, const Group& state) const noexcept {
    if (*state.owner == owner_ && *state.phase >= 0 && *state.phase < block) return;
    *state.owner = owner_;
    *state.phase = 0;
    const Index R = rank_;
    std::fill_n(state.heads, (1 + 2 * R) * group, X(0));
    for (Index n = 0; n < modes(); ++n) {
      X *const held = state.held + n * held_rows * group, *const moving = state.moving + n * moving_rows * group,
               *const unit = state.units + n * held_rows * group;
      const auto by = [&](Index row, Index lane) { return turning_(which, n * turning_rows + row, lane); };
      const auto own = [&](Index row, Index lane) { return units_(which, n * unit_rows + row, lane); };
      const auto run = [&](Index row, Index lane) { return running_(which, n * running_rows() + row, lane); };
      for (Index lane = 0; lane < group; ++lane) {
        const auto number = [lane](const X* from) { return Complex<X>(from[lane], from[group + lane]); };
        const Complex<X> x = plain_product(Complex<X>(number(held) + number(moving)), number(unit));
        const Complex<X> w = plain_product(x, Complex<X>(own(per_unit_re, lane), own(per_unit_im, lane)));
        const X keeps = by(holds, lane);
        const Complex<X> kept(keeps * w.real(), keeps * w.imag()), left = w - kept;
        const Complex<X> c = plain_product(kept, Complex<X>(by(drift_re, lane), by(drift_im, lane)));
        const auto put = [lane](X* to, Complex<X> value) {
          to[lane] = value.real();
          to[group + lane] = value.imag();
        };
        put(held, kept);
        put(unit, {own(unit_re, lane), own(unit_im, lane)});
        put(moving, left);
        put(moving + 2 * group, c);
        const auto add = [&](Index head, Index row, Complex<X> by_what) {
          state.heads[head * group + lane] += run(row, lane) * by_what.real() - run(row + 1, lane) * by_what.imag();
        };
        add(0, out_re, kept);
        for (Index r = 0; r < R; ++r) {
          add(1 + r, first_rank + 4 * r + 2, kept);
          add(1 + R + r, first_rank + 4 * r + 2, w);
        }
      }
    }
  }

  Index features_, states_, rank_;
  std::uint64_t owner_ = 0;    // what tells this recurrence's states from another's
  Array<X> D_;                 // (groups, lanes)
  Array<X> coefficients_;      // (groups, M (6 + 4R), lanes)
  Array<std::uint16_t> kept_;  // a bit for each lane            (groups, M)
  Array<X> running_;           // (groups, M (4 + 4R), lanes)
  Array<X> turning_;           // (groups, M 7, lanes)
  Array<X> units_;             // (groups, M 4, lanes)
};

}  // namespace ssm::detail
