#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/core/settle.hpp"
#include "ssm/discretize/mode.hpp"
#include "ssm/layer/state.hpp"
#include "ssm/simd/pack.hpp"
#include "ssm/system/dplr.hpp"

#include <algorithm>
#include <array>

namespace ssm::detail {

/// The recurrence of H systems of diagonal plus low rank form, rank 0 included: S4's and S4D's.
///
///     x_k = keep x_{k-1} + (change x_{k-1} - P_bar s + B_bar u_k), A_bar = keep + change - P_bar Q_bar^T
///     s_r = sum over all N modes of Q_bar_nr x_{k-1,n},            y_k = sum over all N modes of C_n x_k,n + D u_k
///
/// Coefficients are made in fp64 and kept in X, the scalar of the state; keep is 0 or 1, so that what is rounded is
/// small (see StepFactor). Features lie side by side in lanes. Without a low-rank part the modes do not meet: a few of
/// them stay in registers over a block of time, time runs in the inner loop, and the state is x / B_bar there, so that
/// a mode takes six multiplications a step:
///
///     w_k = keep w_{k-1} + (change w_{k-1} + u_k),                 y_k += C_n B_bar_n w_k
///
/// With one, every step passes once over all modes, and gathers the next step's s on the way.
///
/// @tparam N      states, `dynamic` or known at compile time
/// @tparam Arch   instruction set
template <std::floating_point T, Index N, std::floating_point X, class Arch>
class ModalRecurrence {
  using Pack = simd::Pack<X, Arch>;
  static constexpr Index group = simd::group<X>;

 public:
  /// Complex numbers side by side.
  struct Pair {
    Pack re, im;
    /// A group of real parts, then one of imaginary ones.
    static Pair load(const X* from) noexcept { return {Pack::load(from), Pack::load(from + group)}; }
    friend Pair operator*(const Pair& a, const Pair& b) noexcept {
      return {fnma(a.im, b.im, a.re * b.re), fma(a.re, b.im, a.im * b.re)};
    }
  };
  /// Steps that run between two visits of u and y; the states settle after each block.
  static constexpr Index block = 64;
  /// Steps from which on dividing the state by B_bar is less work than multiplying u by it.
  static constexpr Index worth_scaling = 8;

  ModalRecurrence(Index features, Index states, Index rank)
      : states_(states),
        rank_(rank),
        D_((features + group - 1) / group, group),
        coefficients_((features + group - 1) / group, modes_of(states) * (fixed_rows + 4 * rank), group),
        kept_((features + group - 1) / group, modes_of(states)),
        per_B_((features + group - 1) / group, rank == 0 ? 2 * modes_of(states) : 0, group) {}

  /// How often a mode counts in a sum over all of them goes into C and Q_bar.
  void set(Index h, const DiscreteDplrSystem<double>& system, double D) {
    const Index R = rank_;
    D_(h / group, h % group) = static_cast<X>(D);
    for (Index n = 0; n < modes(); ++n) {
      const auto count = static_cast<double>(multiplicity(n, states()));
      const auto put = [&](Index which, Complex<double> value) {
        at(h, n, which) = static_cast<X>(value.real());
        at(h, n, which + 1) = static_cast<X>(value.imag());
      };
      const Complex<double> B = R == 0 ? away_from_zero(system.B_bar(n)) : system.B_bar(n);
      const StepFactor factor(system.Delta(n));
      const auto lane = static_cast<std::uint16_t>(1U << (h % group));
      std::uint16_t& kept = kept_(h / group, n);
      kept = static_cast<std::uint16_t>(factor.keep == 1 ? kept | lane : kept & ~lane);
      put(change_re, factor.change);
      put(b_re, B);
      if (R == 0) {
        const Complex<double> inverse = 1.0 / B;
        per_B_(h / group, 2 * n, h % group) = static_cast<X>(inverse.real());
        per_B_(h / group, 2 * n + 1, h % group) = static_cast<X>(inverse.imag());
      }
      put(c_re, count * system.C(n));
      for (Index r = 0; r < R; ++r) {
        put(fixed_rows + 4 * r, system.P_bar(n, r));
        put(fixed_rows + 4 * r + 2, count * system.Q_bar(n, r));
      }
    }
  }

  Index rank() const noexcept { return rank_; }
  Index modes() const noexcept { return modes_of(states()); }
  /// Rows of a mode's coefficients: change, B_bar, C, then P_bar and Q_bar for each rank; real and imaginary parts.
  Index rows() const noexcept { return fixed_rows + 4 * rank_; }
  /// Coefficients of a group of features, (M, rows, lanes).
  const X* coefficients(Index which) const noexcept { return &coefficients_(which, 0, 0); }
  /// Which lanes of each mode keep, (M) bit masks.
  const std::uint16_t* kept(Index which) const noexcept { return &kept_(which, 0); }
  /// D of a group of features, (lanes).
  const X* direct(Index which) const noexcept { return &D_(which, 0); }

  /// Features from `first`, a multiple of the group, as many as u has. u and y may be the same.      O(N R L) each
  void operator()(Index first, ConstSequence<T> u, Sequence<T> y, ModalState<X>& state) const noexcept {
    for (Index k = 0; k < u.length(); k += block) {  // all features of a block of time: it stays in the cache
      const auto from = [&](Index first_step, Index done) {
        return Block{u.data() + first_step * u.stride() + done, y.data() + first_step * y.stride() + done, u.stride(),
                     y.stride(), std::min(block, u.length() - first_step)};
      };
      for (Index done = 0; done < u.features(); done += group)
        run_block((first + done) / group, std::min(group, u.features() - done), from(k, done),
                  from(std::min(k + block, u.length()), done), state);
    }
  }

  /// One feature, mode by mode and step by step: what the other is held to.
  void reference(Index h, ConstSequence<T> u, Sequence<T> y, ModalState<X>& state) const noexcept {
    std::array<X, std::size_t(max_rank)> s;
    for (Index k = 0; k < u.length(); ++k) {
      const X input = static_cast<X>(u(k, 0));
      X output = D_(h / group, h % group) * input;
      for (Index r = 0; r < rank_; ++r) {
        X sum = 0;
        for (Index n = 0; n < modes(); ++n)
          sum += at(h, n, fixed_rows + 4 * r + 2) * state.re(h, n) - at(h, n, fixed_rows + 4 * r + 3) * state.im(h, n);
        s[static_cast<std::size_t>(r)] = sum;
      }
      for (Index n = 0; n < modes(); ++n) {
        const X re = state.re(h, n), im = state.im(h, n), a = at(h, n, change_re), b = at(h, n, change_im);
        X next_re = a * re - b * im + at(h, n, b_re) * input, next_im = a * im + b * re + at(h, n, b_im) * input;
        for (Index r = 0; r < rank_; ++r) {
          const X sum = s[static_cast<std::size_t>(r)];
          next_re -= at(h, n, fixed_rows + 4 * r) * sum;
          next_im -= at(h, n, fixed_rows + 4 * r + 1) * sum;
        }
        state.re(h, n) = detail::settle(keeps(h, n) ? re + next_re : next_re);
        state.im(h, n) = detail::settle(keeps(h, n) ? im + next_im : next_im);
        output += at(h, n, c_re) * state.re(h, n) - at(h, n, c_im) * state.im(h, n);
      }
      y(k, 0) = static_cast<T>(output);
    }
  }

 private:
  enum Coefficient : Index {
    change_re,
    change_im,
    b_re,
    b_im,
    c_re,
    c_im,
    fixed_rows
  };  // then p_re p_im q_re q_im for each rank

  static Pack settle(Pack x) noexcept {
    constexpr X grid = settling_grid<X>;
    return (x + Pack(grid)) - Pack(grid);
  }
  /// B_bar, or next to nothing where it is nothing: states are divided by it.
  static Complex<double> away_from_zero(Complex<double> B) {
    constexpr double least = sizeof(X) == 4 ? 1e-30 : 1e-200;
    return std::abs(B) < least ? Complex<double>(least) : B;
  }
  Index states() const noexcept { return N == dynamic ? states_ : N; }
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

  void run_block(Index which, Index lanes, const Block& now, const Block& next, ModalState<X>& state) const noexcept {
    Buffer buffer;
    const auto fill = [&](Index count) {
      const X* const D = &D_(which, 0);
      for (Index k = 0; k < now.steps; ++k) {
        X* const u = buffer.u.data() + k * group;
        X* const y = buffer.y.data() + k * group;
        for (Index lane = 0; lane < count; ++lane) u[lane] = static_cast<X>(now.u[k * now.u_stride + lane]);
        for (Index lane = count; lane < group; ++lane) u[lane] = 0;
        for (Index lane = 0; lane < group; lane += Pack::size)
          (Pack::load(D + lane) * Pack::load(u + lane)).store(y + lane);
      }
    };
    const auto empty = [&](Index count) {
      for (Index k = 0; k < now.steps; ++k)
        for (Index lane = 0; lane < count; ++lane)
          now.y[k * now.y_stride + lane] = static_cast<T>(buffer.y[static_cast<std::size_t>(k * group + lane)]);
    };
    lanes == group ? fill(group) : fill(lanes);  // a number that the compiler knows
    for (Index lane = 0; lane < lanes; lane += Pack::size)
      run_lanes({&coefficients_(which, 0, lane), rank_ == 0 ? &per_B_(which, 0, lane) : nullptr, &kept_(which, 0), lane,
                 now.steps, buffer.u.data() + lane, buffer.y.data() + lane, state.group(which) + lane},
                next);
    lanes == group ? empty(group) : empty(lanes);
  }

  /// Some lanes of a group over a block of time: pointers to the first of them, rows a group apart.
  struct Lanes {
    const X* coefficients;
    const X* per_B;
    const std::uint16_t* kept;
    Index first, steps;
    const X* u;
    X* y;
    X* x;
    typename Pack::Mask keep(Index n) const noexcept { return typename Pack::Mask(std::uint32_t{kept[n]} >> first); }
  };

  void run_lanes(Lanes lanes, const Block& next) const noexcept {
    switch (rank_) {
      case 0:
        if (lanes.steps < worth_scaling) return modes_over_time<false>(lanes, next);
        return modes_over_time<true>(lanes, next);
      case 1:
        return step_by_step<1>(lanes, next);
      case 2:
        return step_by_step<2>(lanes, next);
      default:
        return step_by_step<max_rank>(lanes, next);
    }
  }
  template <bool Scaled>
  void modes_over_time(Lanes lanes, const Block& next) const noexcept {
    constexpr Index together = 4;
    const Index whole = modes() / together * together;
    for (Index n = 0; n < whole; n += together) {
      next.prefetch(n / together, whole / together);
      over_time<together, Scaled>(lanes, n);
    }
    for (Index n = whole; n < modes(); ++n) over_time<1, Scaled>(lanes, n);
  }

  /// `Modes` modes from n on in registers, over all steps; their share is added to y.
  /// @tparam Scaled   whether the state is divided by B_bar meanwhile
  template <Index Modes, bool Scaled>
  void over_time(Lanes lanes, Index n) const noexcept {
    struct Mode {
      Pair x, change, b, c;
      typename Pack::Mask kept;
    };
    std::array<Mode, std::size_t(Modes)> all;
    X* const x = lanes.x + 2 * n * group;
    for (Index m = 0; m < Modes; ++m) {
      const X* const from = lanes.coefficients + (n + m) * fixed_rows * group;
      const auto load = [from](Index row) { return Pair::load(from + row * group); };
      Mode& mode = all[static_cast<std::size_t>(m)];
      mode = {Pair::load(x + 2 * m * group), load(change_re), load(b_re), load(c_re), lanes.keep(n + m)};
      if constexpr (Scaled) {
        mode.x = mode.x * Pair::load(lanes.per_B + 2 * (n + m) * group);
        mode.c = mode.c * mode.b;
      }
    }
    for (Index k = 0; k < lanes.steps; ++k) {
      const Pack input = Pack::load(lanes.u + k * group);
      Pack output = Pack::load(lanes.y + k * group);
      for (Mode& mode : all) {
        const auto& [re, im] = mode.x;
        const auto& [a, b] = mode.change;
        const Pack drive_re = Scaled ? fma(a, re, input) : fma(mode.b.re, input, a * re);
        const Pack drive_im = Scaled ? a * im : fma(mode.b.im, input, a * im);
        mode.x = {Pack::add_where(mode.kept, re, fnma(b, im, drive_re)),
                  Pack::add_where(mode.kept, im, fma(b, re, drive_im))};
        output = fma(mode.c.re, mode.x.re, fnma(mode.c.im, mode.x.im, output));
      }
      output.store(lanes.y + k * group);
    }
    for (Index m = 0; m < Modes; ++m) {
      Mode& mode = all[static_cast<std::size_t>(m)];
      if constexpr (Scaled) mode.x = mode.x * mode.b;
      settle(mode.x.re).store(x + 2 * m * group);
      settle(mode.x.im).store(x + (2 * m + 1) * group);
    }
  }

  /// All modes in every step; Rank is the rank, or the largest there is.
  template <int Rank>
  void step_by_step(Lanes lanes, const Block& next) const noexcept {
    const Index M = modes(), R = Rank == max_rank ? rank_ : Rank;
    X* const x = lanes.x;
    std::array<Pack, std::size_t(Rank)> s, next_s;
    s.fill(Pack(X(0)));
    for (Index n = 0; n < M; ++n) {
      const X* const c = lanes.coefficients + n * rows() * group;
      gather(c, R, Pair::load(x + 2 * n * group), s);
    }
    for (Index k = 0; k < lanes.steps; ++k) {
      next.prefetch(k, lanes.steps);
      const Pack input = Pack::load(lanes.u + k * group);
      Pack output = Pack::load(lanes.y + k * group);
      next_s.fill(Pack(X(0)));
      for (Index n = 0; n < M; ++n) {
        const X* const c = lanes.coefficients + n * rows() * group;
        const auto load = [c](Index row) { return Pair::load(c + row * group); };
        const auto [re, im] = Pair::load(x + 2 * n * group);
        const auto [a, b] = load(change_re);
        const auto B = load(b_re);
        Pack drive_re = B.re * input, drive_im = B.im * input;
        for (Index r = 0; r < R; ++r) {
          const auto P = load(fixed_rows + 4 * r);
          drive_re = fnma(P.re, s[static_cast<std::size_t>(r)], drive_re);
          drive_im = fnma(P.im, s[static_cast<std::size_t>(r)], drive_im);
        }
        const auto keep = lanes.keep(n);
        const Pair moved{Pack::add_where(keep, re, fma(a, re, fnma(b, im, drive_re))),
                         Pack::add_where(keep, im, fma(a, im, fma(b, re, drive_im)))};
        moved.re.store(x + 2 * n * group);
        moved.im.store(x + (2 * n + 1) * group);
        const auto C = load(c_re);
        output = fma(C.re, moved.re, fnma(C.im, moved.im, output));
        if (k + 1 < lanes.steps) gather(c, R, moved, next_s);
      }
      s = next_s;
      output.store(lanes.y + k * group);
    }
    for (Index i = 0; i < 2 * M; ++i) settle(Pack::load(x + i * group)).store(x + i * group);
  }

  /// s_r += Re(Q_r x) of one mode.
  template <std::size_t Rank>
  static void gather(const X* c, Index R, const Pair& x, std::array<Pack, Rank>& s) noexcept {
    for (Index r = 0; r < R; ++r) {
      const auto Q = Pair::load(c + (fixed_rows + 4 * r + 2) * group);
      Pack& sum = s[static_cast<std::size_t>(r)];
      sum = fma(Q.re, x.re, fnma(Q.im, x.im, sum));
    }
  }

  Index states_, rank_;
  Array<X> D_;                 // (groups, lanes)
  Array<X> coefficients_;      // (groups, M (6 + 4R), lanes)
  Array<std::uint16_t> kept_;  // a bit for each lane            (groups, M)
  Array<X> per_B_;             // 1 / B_bar       (groups, 2 M, lanes)     of rank 0
};

}  // namespace ssm::detail
