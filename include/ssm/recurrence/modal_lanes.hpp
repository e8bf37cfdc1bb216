#pragma once

#include "ssm/core/settle.hpp"
#include "ssm/recurrence/modal_coefficients.hpp"
#include "ssm/recurrence/narrow.hpp"
#include "ssm/recurrence/state.hpp"
#include "ssm/simd/complex_pack.hpp"
#include "ssm/simd/prefetch.hpp"

#include <array>

namespace ssm::detail {

/// Lanes of a group of features over a block of time: the inner loops of ModalRecurrence, which says what they compute.
/// Pointers are to the first lane; rows are a group apart.
///
/// @tparam N      states, `dynamic` or known at compile time
/// @tparam Rank   rank of the low-rank part, `dynamic` or known at compile time
template <Real X, Index N, class Arch, Index Rank>
struct ModalLanes {
  using Pack = simd::Pack<X, Arch>;
  using Pair = simd::ComplexPack<X, Arch>;
  static constexpr Index group = simd::group<X>, block = ModalTurn<X>::block;
  static constexpr Index moving_rows = ModalState<X>::moving_rows, held_rows = ModalState<X>::held_rows;

  const X *running, *turning;  ///< coefficients, see ModalCoefficients
  Index all_modes, all_ranks;  ///< M and R
  Index steps;                 ///< of the block
  const X* u;                  ///< inputs
  X* y;                        ///< outputs, added to
  X *moving, *held, *heads;    ///< see ModalState::Group

  /// M.
  Index modes() const noexcept { return N == dynamic ? all_modes : modes_of(N); }
  /// R.
  Index rank() const noexcept { return Rank == dynamic ? all_ranks : Rank; }
  /// The lanes from this one on.
  ModalLanes from(Index lane) const noexcept {
    return {running + lane, turning + lane, all_modes,     all_ranks,   steps,
            u + lane,       y + lane,       moving + lane, held + lane, heads + lane};
  }

  /// Systems whose modes nothing joins: some modes of all lanes over all steps, then the next ones, so that a cache line of
  /// coefficients is used up while it is near.
  template <bool Turns>
  void modes_over_time(Index lanes, const auto& next) const noexcept {
    constexpr Index together = 4;
    const Index whole = modes() / together * together;
    std::array<Pack, std::size_t(group / Pack::size)> base;
    base.fill(Pack(X(0)));
    const auto run = [&]<Index Modes>(Index n, std::integral_constant<Index, Modes>) {
      for (Index lane = 0; lane < lanes; lane += Pack::size)
        from(lane).template over_time<Modes, Turns>(n, base[static_cast<std::size_t>(lane / Pack::size)]);
    };
    for (Index n = 0; n < whole; n += together) {
      next.prefetch(n / together, whole / together);
      run(n, std::integral_constant<Index, together>());
    }
    for (Index n = whole; n < modes(); ++n) run(n, std::integral_constant<Index, 1>());
    if constexpr (Turns)
      for (Index lane = 0; lane < lanes; lane += Pack::size)
        base[static_cast<std::size_t>(lane / Pack::size)].store(heads + lane);
  }

  /// Asks for what the next modes and the end of the block will read, evenly over the block's steps, while `Modes` modes
  /// from n on are in registers: it comes from the second level cache, in bursts that a processor does not foresee.
  template <Index Modes>
  class Ahead {
   public:
    Ahead(const ModalLanes& lanes, Index n, Index modes) noexcept
        : running_(lanes.running + (n + Modes < modes ? n + Modes : 0) * RunningRows::count(0) * group),
          moving_(lanes.moving + (n + Modes < modes ? n + Modes : 0) * moving_rows * group),
          turning_(lanes.turning + n * TurningRows::count * group),
          held_(lanes.held + n * held_rows * group) {}
    /// Asks for the share of step k.
    void operator()(Index k) const noexcept {
      simd::prefetch(running_ + k * share(RunningRows::count(0)));
      simd::prefetch(moving_ + k * share(moving_rows));
      simd::prefetch(turning_ + k * share(TurningRows::count));
      simd::prefetch(held_ + k * share(held_rows));
    }

   private:
    static constexpr Index share(Index rows) { return Modes * rows * group / block; }
    const X *running_, *moving_, *turning_, *held_;
  };

  /// Whether the states and coefficients of four modes find room in registers: there are 32 of them, not 16.
  static constexpr bool many_registers = Pack::registers >= 32;

  /// `Modes` modes from n on over all steps; their share is added to y. With few registers the states alone stay there,
  /// and a coefficient that is fetched serves two steps: one step for each took as long as its loads did.
  /// @tparam Turns   whether the block ends after these steps; then base += Re(C B_bar X)
  template <Index Modes, bool Turns>
  void over_time(Index n, [[maybe_unused]] Pack& base) const noexcept {
    struct Mode {
      Pair f, out, c;
    };
    X* const d_of = moving + n * moving_rows * group;
    const auto mode = [&](Index m) {
      const X* const by = running + (n + m) * RunningRows::count(0) * group;
      return Mode{Pair::load(by), Pair::load(by + RunningRows::out * group),
                  Pair::load(d_of + (m * moving_rows + 2) * group)};
    };
    std::array<Pair, std::size_t(Modes)> d;
    [[maybe_unused]] std::array<Mode, std::size_t(Modes)> kept;
    for (Index m = 0; m < Modes; ++m) {
      d[static_cast<std::size_t>(m)] = Pair::load(d_of + m * moving_rows * group);
      if constexpr (many_registers) kept[static_cast<std::size_t>(m)] = mode(m);
    }
    const auto run = [&]<Index Steps>(Index k, std::integral_constant<Index, Steps>) {
      std::array<Pack, std::size_t(Steps)> output;
      for (Index i = 0; i < Steps; ++i) output[static_cast<std::size_t>(i)] = Pack::load(y + (k + i) * group);
      for (std::size_t m = 0; m < std::size_t(Modes); ++m) {
        Mode now;
        if constexpr (many_registers) {
          now = kept[m];
        } else {
          now = mode(static_cast<Index>(m));
          now.f = in_registers(now.f);
        }
        for (Index i = 0; i < Steps; ++i) {
          d[m] = fma(now.f, d[m], Pair{now.c.re + Pack::load(u + (k + i) * group), now.c.im});
          Pack& sum = output[static_cast<std::size_t>(i)];
          sum = add_real(sum, now.out, d[m]);
        }
      }
      for (Index i = 0; i < Steps; ++i) output[static_cast<std::size_t>(i)].store(y + (k + i) * group);
    };
    const Ahead<Modes> ahead(*this, n, modes());
    constexpr std::integral_constant<Index, many_registers ? 1 : 2> at_once;
    Index k = 0;
    for (; k + at_once <= steps; k += at_once) {
      if constexpr (Turns) ahead(k);
      run(k, at_once);
    }
    for (; k < steps; ++k) run(k, std::integral_constant<Index, 1>());
    for (Index m = 0; m < Modes; ++m) {
      const Pair& end = d[static_cast<std::size_t>(m)];
      if constexpr (Turns) {
        base = add_real(base, mode(m).out, turn(n + m, end));
      } else {
        end.store(d_of + m * moving_rows * group);
      }
    }
  }

  /// Ends a block for mode n: d goes into X. Stores X, what is left as d, and c; returns X.
  Pair turn(Index n, Pair d) const noexcept {
    const X* const by = turning + n * TurningRows::count * group;
    X *const d_of = moving + n * moving_rows * group, *const X_of = held + n * held_rows * group;
    const Pair before = Pair::load(X_of);
    // multiples of the settling grid's last digit, and so are the sums of them below
    const Pair more = settle(fma(Pair::load(by + TurningRows::of_held * group), before,
                                 fma(Pair::load(by + TurningRows::of_moving * group), d, d)));
    const Pack keeps = Pack::load(by + TurningRows::holds * group);
    const auto into = [&keeps](Pack x, Pack r, Pack& left) {
      const Pack sum = x + r, low = r - (sum - x), kept = keeps * sum;
      left = low + (sum - kept);
      return kept;
    };
    Pair left, now{into(before.re, more.re, left.re), into(before.im, more.im, left.im)};
    now.store(X_of);
    left.store(d_of);
    (Pair::load(by + TurningRows::drift * group) * now).store(d_of + 2 * group);
    return now;
  }

  /// Systems whose modes a low-rank part joins, and single steps of all: step_by_step for the rank.
  template <Index Packs>
  void by_rank(const auto& next, bool turns) const noexcept {
    if constexpr (Rank == 0) {
      step_by_step<0, Packs>(next, turns);
    } else {
      switch (rank()) {
        case 1:
          return step_by_step<1, Packs>(next, turns);
        case 2:
          return step_by_step<2, Packs>(next, turns);
        default:
          return step_by_step<max_rank, Packs>(next, turns);
      }
    }
  }
  /// Passes over all modes in every step.
  /// @tparam Ranks   the rank, or the largest there is
  template <int Ranks, Index Packs>
  void step_by_step(const auto& next, bool turns) const noexcept {
    constexpr Index size = Pack::size;
    const Index M = modes(), R = Ranks == max_rank ? rank() : Ranks, rows = RunningRows::count(R);
    using Sums = std::array<Pack, std::size_t(Ranks)>;
    std::array<Sums, std::size_t(Packs)> all_s, all_base;
    for (Index p = 0; p < Packs; ++p)
      for (Index r = 0; r < R; ++r) {
        const X* const head = heads + (1 + r) * group + p * size;
        all_base[static_cast<std::size_t>(p)][static_cast<std::size_t>(r)] = Pack::load(head);
        all_s[static_cast<std::size_t>(p)][static_cast<std::size_t>(r)] = Pack::load(head + R * group);
      }
    // sum += Re(Q x), rank by rank
    const auto gather = [&](const X* by, const Pair& x, Sums& to) {
      for (Index r = 0; r < R; ++r)
        to[static_cast<std::size_t>(r)] = add_real(
            to[static_cast<std::size_t>(r)], Pair::load(by + (RunningRows::Q + RunningRows::per_rank * r) * group), x);
    };
    for (Index k = 0; k < steps; ++k) {
      next.prefetch(k, steps);
      std::array<Pack, std::size_t(Packs)> input, output;
      for (Index p = 0; p < Packs; ++p) {
        input[static_cast<std::size_t>(p)] = Pack::load(u + k * group + p * size);
        output[static_cast<std::size_t>(p)] = Pack::load(y + k * group + p * size);
      }
      std::array<Sums, std::size_t(Packs)> sums = all_base;
      for (Index n = 0; n < M; ++n)
        for (Index p = 0; p < Packs; ++p) {
          const Sums& s = all_s[static_cast<std::size_t>(p)];
          const X* const by = running + n * rows * group + p * size;
          X* const d_of = moving + n * moving_rows * group + p * size;
          const Pair c = Pair::load(d_of + 2 * group);
          Pair drive{c.re + input[static_cast<std::size_t>(p)], c.im};
          for (Index r = 0; r < R; ++r) {
            const Pair P = Pair::load(by + (RunningRows::P + RunningRows::per_rank * r) * group);
            drive = {fnma(P.re, s[static_cast<std::size_t>(r)], drive.re),
                     fnma(P.im, s[static_cast<std::size_t>(r)], drive.im)};
          }
          const Pair d = fma(in_registers(Pair::load(by)), in_registers(Pair::load(d_of)), drive);
          d.store(d_of);
          Pack& sum = output[static_cast<std::size_t>(p)];
          sum = add_real(sum, Pair::load(by + RunningRows::out * group), d);
          gather(by, d, sums[static_cast<std::size_t>(p)]);
        }
      for (Index p = 0; p < Packs; ++p)
        for (Index r = 0; r < R; ++r)
          all_s[static_cast<std::size_t>(p)][static_cast<std::size_t>(r)] =
              settle(sums[static_cast<std::size_t>(p)][static_cast<std::size_t>(r)]);
      for (Index p = 0; p < Packs; ++p) output[static_cast<std::size_t>(p)].store(y + k * group + p * size);
    }
    for (Index p = 0; p < Packs; ++p) {
      for (Index r = 0; r < R; ++r)
        all_s[static_cast<std::size_t>(p)][static_cast<std::size_t>(r)].store(heads + (1 + R + r) * group + p * size);
      if (turns) from(p * size).end_block();
    }
  }

  /// Ends a block for all modes of a pack: what X and what is left of d give to y and to s.
  void end_block() const noexcept {
    const Index R = rank(), rows = RunningRows::count(R);
    Pack heard(X(0));
    std::array<Pack, std::size_t(max_rank)> base, sum;
    base.fill(Pack(X(0)));
    sum.fill(Pack(X(0)));
    for (Index n = 0; n < modes(); ++n) {
      const X* const by = running + n * rows * group;
      const X* const of_mode = moving + n * moving_rows * group;
      const Pair now = turn(n, Pair::load(of_mode));
      heard = add_real(heard, Pair::load(by + RunningRows::out * group), now);
      for (Index r = 0; r < R; ++r) {
        const Pair Q = Pair::load(by + (RunningRows::Q + RunningRows::per_rank * r) * group);
        base[static_cast<std::size_t>(r)] = add_real(base[static_cast<std::size_t>(r)], Q, now);
        sum[static_cast<std::size_t>(r)] = add_real(sum[static_cast<std::size_t>(r)], Q, Pair::load(of_mode));
      }
    }
    heard.store(heads);
    for (Index r = 0; r < R; ++r) {
      base[static_cast<std::size_t>(r)].store(heads + (1 + r) * group);
      settle(base[static_cast<std::size_t>(r)] + sum[static_cast<std::size_t>(r)]).store(heads + (1 + R + r) * group);
    }
  }

  /// Runs the first lane alone, with modes side by side.
  void alone() const noexcept {
    NarrowBlock<X, Arch, Rank> one(running, moving, modes(), rank());
    one.run(u, y, steps, heads + group, heads + (1 + rank()) * group);
    one.put_back(moving);
  }
};

}  // namespace ssm::detail
