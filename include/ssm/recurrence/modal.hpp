#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/core/settle.hpp"
#include "ssm/recurrence/modal_coefficients.hpp"
#include "ssm/recurrence/modal_lanes.hpp"

#include <algorithm>
#include <array>

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
/// while time runs in the inner loop. With one, every step passes once over all modes. Where a group has one or two
/// features for eight lanes, their modes lie side by side instead; see NarrowBlock. A single step passes over all modes
/// in either case: there is no time to stay in registers for (measured: 0.75 to 0.86 of the time at AVX2 and AVX-512).
///
/// @tparam N      states, `dynamic` or known at compile time
/// @tparam Arch   instruction set
/// @tparam Rank   rank of the low-rank part, `dynamic` or known at compile time
template <Real T, Index N, Real X, class Arch, Index Rank = dynamic>
class ModalRecurrence {
  using Pack = simd::Pack<X, Arch>;
  static constexpr Index group = simd::group<X>;

  using Pair = simd::ComplexPack<X, Arch>;
  using Narrow = NarrowBlock<X, Arch, Rank>;
  using Lanes = ModalLanes<X, N, Arch, Rank>;
  static constexpr Index moving_rows = ModalState<X>::moving_rows, held_rows = ModalState<X>::held_rows;

 public:
  /// Steps of a block.
  static constexpr Index block = ModalTurn<X>::block;

  ModalRecurrence(Index features, Index states, Index rank)
      : features_(features), coefficients_(features, modes_of(states), rank) {}

  /// Sets feature h, for all h, to the system that discrete(h) returns and to D(h).
  /// @throws DomainError if a number is not finite in X
  void set(auto&& discrete, std::span<const T> D) {
    std::vector<DiscreteDplrSystem<double>> systems;
    std::array<X, std::size_t(group)> direct{};
    for (Index first = 0; first < features_; first += group) {
      systems.clear();
      for (Index h = first; h < std::min(first + group, features_); ++h) {
        direct[systems.size()] = static_cast<X>(D[static_cast<std::size_t>(h)]);
        systems.push_back(discrete(h));
      }
      coefficients_.template set<Arch>(first / group, systems, {direct.data(), systems.size()});
    }
  }
  /// Coefficients as they lie.
  const ModalCoefficients<X>& coefficients() const noexcept { return coefficients_; }

  Index rank() const noexcept { return Rank == dynamic ? coefficients_.rank() : Rank; }
  Index modes() const noexcept { return N == dynamic ? coefficients_.modes() : modes_of(N); }

  /// Returns how many lanes a step takes, those that hold no feature included.
  double lanes() const noexcept {
    const Index rest = features_ % group, whole = features_ - rest;
    constexpr Index size = Pack::size;
    const double beside = Narrow::pays(rest, modes()) ? Narrow::packs * static_cast<double>(rest * size)
                                                      : static_cast<double>((rest + size - 1) / size * size);
    return static_cast<double>(whole) + beside;
  }

  /// Returns a state at rest, in this recurrence's units: there is nothing to adopt, which a short sequence would notice.
  ModalState<X> rest() const {
    ModalState<X> all(features_, modes(), rank());
    for (Index which = 0; which * group < features_; ++which) {
      const Group own = all.group(which);
      *own.owner = coefficients_.mark();
      for (Index n = 0; n < modes(); ++n)
        std::copy_n(coefficients_.units(which) + (n * UnitRows::count + UnitRows::unit) * group, held_rows * group,
                    own.units + n * held_rows * group);
    }
    return all;
  }

  /// Features from `first`, a multiple of the group, as many as u has. u and y may be the same.      O(N R L) each
  void operator()(Index first, ConstSequence<T> u, Sequence<T> y, ModalState<X>& state) const noexcept {
    if (u.length() == 0) return;
    const auto groups = [&](auto visit) {
      for (Index done = 0; done < u.features(); done += group) {
        const Index which = (first + done) / group;
        visit(which, std::min(group, u.features() - done), done, state.group(which));
      }
    };
    const auto from = [&](Index first_step, Index done, Index count) {
      return Block{u.data() + first_step * u.stride() + done, y.data() + first_step * y.stride() + done, u.stride(),
                   y.stride(), std::min(count, u.length() - first_step)};
    };
    if (u.length() == 1)  // a step: nothing is to be asked for ahead
      return groups([&](Index which, Index lanes, Index done, const Group& own) {
        if (!is_own(own)) adopt(which, own);
        run_block(which, lanes, from(0, done, 1), Block{}, own);
      });
    // groups of one call have come equally far, unless the caller ran some of them alone: the nearest end counts
    Index reach = block;
    groups([&](Index which, Index, Index, const Group& own) {
      if (!is_own(own)) adopt(which, own);
      reach = std::min(reach, block - *own.phase);
    });
    for (Index k = 0, steps = 0; k < u.length();
         k += steps) {  // all features of a block of time: it stays in the cache
      steps = std::min(reach, u.length() - k);
      reach = block;
      groups([&](Index which, Index lanes, Index done, const Group& own) {
        run_block(which, lanes, from(k, done, steps), from(std::min(k + steps, u.length()), done, block), own);
        reach = std::min(reach, block - *own.phase);
      });
    }
  }

  /// Runs one feature mode by mode and step by step, by the definition. Tests hold the lanes to it.
  void reference(Index h, ConstSequence<T> u, Sequence<T> y, ModalState<X>& state) const noexcept {
    const auto at = [&](Index n, Index row) { return coefficients_.number(h, n, row); };
    std::array<X, std::size_t(max_rank)> s;
    for (Index k = 0; k < u.length(); ++k) {
      const X input = static_cast<X>(u(k, 0));
      X output = coefficients_.direct(h / group)[h % group] * input;
      for (Index r = 0; r < rank(); ++r) {
        X sum = 0;
        for (Index n = 0; n < modes(); ++n) {
          const Complex<X> x = state.x(h, n);
          sum += at(n, ModalRows::out(1 + r)) * x.real() - at(n, ModalRows::out(1 + r) + 1) * x.imag();
        }
        s[static_cast<std::size_t>(r)] = detail::settle(sum);
      }
      for (Index n = 0; n < modes(); ++n) {
        const Complex<X> x = state.x(h, n);
        const X re = x.real(), im = x.imag(), a = at(n, ModalRows::change), b = at(n, ModalRows::change + 1);
        X next_re = a * re - b * im + at(n, ModalRows::B) * input,
          next_im = a * im + b * re + at(n, ModalRows::B + 1) * input;
        for (Index r = 0; r < rank(); ++r) {
          const X sum = s[static_cast<std::size_t>(r)];
          next_re -= at(n, ModalRows::in(1 + r)) * sum;
          next_im -= at(n, ModalRows::in(1 + r) + 1) * sum;
        }
        next_re = detail::settle(coefficients_.keeps(h, n) ? re + next_re : next_re);
        next_im = detail::settle(coefficients_.keeps(h, n) ? im + next_im : next_im);
        state.set(h, n, {next_re, next_im});
        output += at(n, ModalRows::C) * next_re - at(n, ModalRows::C + 1) * next_im;
      }
      y(k, 0) = static_cast<T>(output);
    }
  }

 private:
  using Group = typename ModalState<X>::Group;

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
    const X *const D = coefficients_.direct(which), *const base = state.heads;
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
    const Lanes all{coefficients_.running(which),
                    coefficients_.turning(which),
                    modes(),
                    rank(),
                    now.steps,
                    buffer.u.data(),
                    buffer.y.data(),
                    state.moving,
                    state.held,
                    state.heads};
    if (Narrow::pays(std::min(group, features_ - which * group), modes())) {
      for (Index lane = 0; lane < lanes; ++lane) all.from(lane).alone();
      if (turns)
        for (Index lane = 0; lane < lanes; lane += Pack::size) all.from(lane).end_block();
    } else if (Rank != 0 || now.steps == 1) {
      // two packs at once where a group has them: two chains of sums, and a cache line is used up while it is near
      Index lane = 0;
      if constexpr (group >= 2 * Pack::size)
        for (; lane + Pack::size < lanes; lane += 2 * Pack::size) all.from(lane).template by_rank<2>(next, turns);
      for (; lane < lanes; lane += Pack::size) all.from(lane).template by_rank<1>(next, turns);
    } else if constexpr (Rank == 0) {
      turns ? all.template modes_over_time<true>(lanes, next) : all.template modes_over_time<false>(lanes, next);
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

  /// Returns whether this recurrence ran the state last, and nobody has set it since.
  bool is_own(const Group& state) const noexcept {
    return *state.owner == coefficients_.mark() && *state.phase >= 0 && *state.phase < block;
  }
  /// Takes on another state: in units of its own, at the beginning of a block.
  void adopt(Index which, const Group& state) const noexcept {
    *state.owner = coefficients_.mark();
    *state.phase = 0;
    for (Index lane = 0; lane < group; lane += Pack::size) {
      const Index R = rank();
      std::array<Pack, std::size_t(1 + 2 * max_rank)> heads;
      heads.fill(Pack(X(0)));
      const auto add = [&](Index head, const X* factor, const Pair& value) {
        Pack& sum = heads[static_cast<std::size_t>(head)];
        sum = add_real(sum, Pair::load(factor), value);
      };
      for (Index n = 0; n < modes(); ++n) {
        X *const held = state.held + n * held_rows * group + lane,
                 *const unit = state.units + n * held_rows * group + lane,
                 *const moving = state.moving + n * moving_rows * group + lane;
        const X *const by = coefficients_.turning(which) + n * TurningRows::count * group + lane,
                       *const own = coefficients_.units(which) + n * UnitRows::count * group + lane,
                       *const run = coefficients_.running(which) + n * RunningRows::count(R) * group + lane;
        const Pair x = (Pair::load(held) + Pair::load(moving)) * Pair::load(unit);
        const Pair w = x * Pair::load(own + UnitRows::per_unit * group);
        const Pack keeps = Pack::load(by + TurningRows::holds * group);
        const Pair kept{keeps * w.re, keeps * w.im};
        kept.store(held);
        Pair::load(own + UnitRows::unit * group).store(unit);
        Pair{w.re - kept.re, w.im - kept.im}.store(moving);
        (kept * Pair::load(by + TurningRows::drift * group)).store(moving + 2 * group);
        add(0, run + RunningRows::out * group, kept);
        for (Index r = 0; r < R; ++r) {
          const X* const Q = run + (RunningRows::Q + RunningRows::per_rank * r) * group;
          add(1 + r, Q, kept);
          add(1 + R + r, Q, w);
        }
      }
      for (Index head = 0; head < 1 + 2 * R; ++head)
        heads[static_cast<std::size_t>(head)].store(state.heads + head * group + lane);
    }
  }

  Index features_;
  ModalCoefficients<X> coefficients_;
};

}  // namespace ssm::detail
