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
///     x_k = keep x_{k-1} + change x_{k-1} - P_bar s + B_bar u_k,   keep + change = 1 + Delta
///     s_r = sum over all N modes of Q_bar_nr x_{k-1,n},            y_k = sum over all N modes of C_n x_k,n + D u_k
///
/// Coefficients are made in fp64 and kept in X, the scalar of the state. Features lie side by side in lanes. Without a
/// low-rank part the modes do not meet: a few of them stay in registers over a block of time, and time runs in the
/// inner loop. With one, every step passes once over all modes, and gathers the next step's s on the way.
///
/// @tparam N      states, `dynamic` or known at compile time
/// @tparam Arch   instruction set
template <std::floating_point T, Index N, std::floating_point X, class Arch>
class ModalRecurrence {
  using Pack = simd::Pack<X, Arch>;
  static constexpr Index group = simd::group<X>;

 public:
  /// Steps that run between two visits of u and y; the states settle after each block.
  static constexpr Index block = 64;

  ModalRecurrence(Index features, Index states, Index rank)
      : states_(states),
        rank_(rank),
        D_((features + group - 1) / group, group),
        coefficients_((features + group - 1) / group, modes_of(states) * (fixed_rows + 4 * rank), group) {}

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
      const StepFactor factor(system.Delta(n));
      at(h, n, keep) = static_cast<X>(factor.keep);
      put(change_re, factor.change);
      put(b_re, system.B_bar(n));
      put(c_re, count * system.C(n));
      for (Index r = 0; r < R; ++r) {
        put(fixed_rows + 4 * r, system.P_bar(n, r));
        put(fixed_rows + 4 * r + 2, count * system.Q_bar(n, r));
      }
    }
  }

  Index rank() const noexcept { return rank_; }

  /// Features from `first`, a multiple of the group, as many as u has. u and y may be the same.      O(N R L) each
  void operator()(Index first, ConstSequence<T> u, Sequence<T> y, ModalState<X>& state) const noexcept {
    for (Index k = 0; k < u.length(); k += block) {  // all features of a block of time: it stays in the cache
      const Index steps = std::min(block, u.length() - k);
      for (Index done = 0; done < u.features(); done += group)
        run_block((first + done) / group, std::min(group, u.features() - done), steps, u.data() + k * u.stride() + done,
                  u.stride(), y.data() + k * y.stride() + done, y.stride(), state);
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
        state.re(h, n) = settle(at(h, n, keep) * re + next_re);
        state.im(h, n) = settle(at(h, n, keep) * im + next_im);
        output += at(h, n, c_re) * state.re(h, n) - at(h, n, c_im) * state.im(h, n);
      }
      y(k, 0) = static_cast<T>(output);
    }
  }

 private:
  enum Coefficient : Index {
    keep,
    change_re,
    change_im,
    b_re,
    b_im,
    c_re,
    c_im,
    fixed_rows
  };  // then p_re p_im q_re q_im for each rank

  Index states() const noexcept { return N == dynamic ? states_ : N; }
  Index modes() const noexcept { return modes_of(states()); }
  Index rows() const noexcept { return fixed_rows + 4 * rank_; }
  X& at(Index h, Index n, Index which) noexcept { return coefficients_(h / group, n * rows() + which, h % group); }
  X at(Index h, Index n, Index which) const noexcept { return coefficients_(h / group, n * rows() + which, h % group); }

  /// u and y of a group over a block of time, lanes side by side.
  struct Buffer {
    alignas(simd::group_bytes) std::array<X, std::size_t(block* group)> u, y;
  };

  void run_block(Index which, Index lanes, Index steps, const T* in, Index in_stride, T* out, Index out_stride,
                 ModalState<X>& state) const noexcept {
    Buffer buffer;
    const X* const D = &D_(which, 0);
    for (Index k = 0; k < steps; ++k) {
      X* const u = buffer.u.data() + k * group;
      X* const y = buffer.y.data() + k * group;
      for (Index lane = 0; lane < lanes; ++lane) u[lane] = static_cast<X>(in[k * in_stride + lane]);
      for (Index lane = lanes; lane < group; ++lane) u[lane] = 0;
      for (Index lane = 0; lane < group; ++lane) y[lane] = D[lane] * u[lane];
    }
    X* const x = state.group(which);
    for (Index lane = 0; lane < lanes; lane += Pack::size) run_lanes(which, lane, steps, buffer, x);
    for (Index i = 0; i < 2 * group * modes(); ++i) x[i] = settle(x[i]);
    for (Index k = 0; k < steps; ++k)
      for (Index lane = 0; lane < lanes; ++lane)
        out[k * out_stride + lane] = static_cast<T>(buffer.y[static_cast<std::size_t>(k * group + lane)]);
  }

  void run_lanes(Index which, Index lane, Index steps, Buffer& buffer, X* x) const noexcept {
    const X* const c = &coefficients_(which, 0, lane);
    const X* const u = buffer.u.data() + lane;
    X* const y = buffer.y.data() + lane;
    switch (rank_) {
      case 0: {
        constexpr Index together = 4;
        const Index whole = modes() / together * together;
        for (Index n = 0; n < whole; n += together) over_time<together>(c, n, u, y, steps, x + lane);
        for (Index n = whole; n < modes(); ++n) over_time<1>(c, n, u, y, steps, x + lane);
        return;
      }
      case 1:
        return step_by_step<1>(c, u, y, steps, x + lane);
      case 2:
        return step_by_step<2>(c, u, y, steps, x + lane);
      default:
        return step_by_step<max_rank>(c, u, y, steps, x + lane);
    }
  }

  /// `Modes` modes from n on in registers, over all steps; their share is added to y.
  template <Index Modes>
  void over_time(const X* coefficients, Index n, const X* u, X* y, Index steps, X* x) const noexcept {
    std::array<Pack, std::size_t(Modes)> re, im;
    const auto c = [&](std::size_t m, Index which) {
      return Pack::load(coefficients + ((n + static_cast<Index>(m)) * fixed_rows + which) * group);
    };
    X* const first = x + 2 * n * group;
    for (std::size_t m = 0; m < std::size_t(Modes); ++m) {
      re[m] = Pack::load(first + 2 * static_cast<Index>(m) * group);
      im[m] = Pack::load(first + (2 * static_cast<Index>(m) + 1) * group);
    }
    for (Index k = 0; k < steps; ++k) {
      const Pack input = Pack::load(u + k * group);
      Pack output = Pack::load(y + k * group);
      for (std::size_t m = 0; m < std::size_t(Modes); ++m) {
        const Pack a = c(m, change_re), b = c(m, change_im), kept = c(m, keep);
        const Pack drive_re = fma(kept, re[m], c(m, b_re) * input), drive_im = fma(kept, im[m], c(m, b_im) * input);
        const Pack next_re = fma(a, re[m], fnma(b, im[m], drive_re));
        im[m] = fma(a, im[m], fma(b, re[m], drive_im));
        re[m] = next_re;
        output = fma(c(m, c_re), re[m], fnma(c(m, c_im), im[m], output));
      }
      output.store(y + k * group);
    }
    for (std::size_t m = 0; m < std::size_t(Modes); ++m) {
      re[m].store(first + 2 * static_cast<Index>(m) * group);
      im[m].store(first + (2 * static_cast<Index>(m) + 1) * group);
    }
  }

  /// All modes in every step; Rank is the rank, or the largest there is.
  template <int Rank>
  void step_by_step(const X* coefficients, const X* u, X* y, Index steps, X* x) const noexcept {
    const Index M = modes(), R = Rank == max_rank ? rank_ : Rank;
    std::array<Pack, std::size_t(Rank)> s, next_s;
    s.fill(Pack(X(0)));
    for (Index n = 0; n < M; ++n) {
      const X* const c = coefficients + n * rows() * group;
      gather(c, R, Pack::load(x + 2 * n * group), Pack::load(x + (2 * n + 1) * group), s);
    }
    for (Index k = 0; k < steps; ++k) {
      const Pack input = Pack::load(u + k * group);
      Pack output = Pack::load(y + k * group);
      next_s.fill(Pack(X(0)));
      for (Index n = 0; n < M; ++n) {
        const X* const c = coefficients + n * rows() * group;
        const auto load = [&](Index which) { return Pack::load(c + which * group); };
        const Pack re = Pack::load(x + 2 * n * group), im = Pack::load(x + (2 * n + 1) * group);
        const Pack a = load(change_re), b = load(change_im), kept = load(keep);
        Pack drive_re = fma(kept, re, load(b_re) * input), drive_im = fma(kept, im, load(b_im) * input);
        for (Index r = 0; r < R; ++r) {
          drive_re = fnma(load(fixed_rows + 4 * r), s[static_cast<std::size_t>(r)], drive_re);
          drive_im = fnma(load(fixed_rows + 4 * r + 1), s[static_cast<std::size_t>(r)], drive_im);
        }
        const Pack next_re = fma(a, re, fnma(b, im, drive_re)), next_im = fma(a, im, fma(b, re, drive_im));
        next_re.store(x + 2 * n * group);
        next_im.store(x + (2 * n + 1) * group);
        output = fma(load(c_re), next_re, fnma(load(c_im), next_im, output));
        gather(c, R, next_re, next_im, next_s);
      }
      s = next_s;
      output.store(y + k * group);
    }
  }

  /// s_r += Re(Q_r x) of one mode.
  template <std::size_t Rank>
  static void gather(const X* c, Index R, Pack re, Pack im, std::array<Pack, Rank>& s) noexcept {
    for (Index r = 0; r < R; ++r) {
      Pack& sum = s[static_cast<std::size_t>(r)];
      sum = fma(Pack::load(c + (fixed_rows + 4 * r + 2) * group), re,
                fnma(Pack::load(c + (fixed_rows + 4 * r + 3) * group), im, sum));
    }
  }

  Index states_, rank_;
  Array<X> D_;             // (groups, lanes)
  Array<X> coefficients_;  // (groups, M (7 + 4R), lanes)
};

}  // namespace ssm::detail
