#pragma once

#include "ssm/recurrence/modal_coefficients.hpp"
#include "ssm/recurrence/state.hpp"
#include "ssm/simd/complex_pack.hpp"

namespace ssm::detail {

/// One feature over a block of time, with modes side by side where a ModalRecurrence has features: what a layer of a few
/// features, a single channel of sound, leaves of the lanes is then used as well.
///
/// The feature's numbers are brought together before the block and its state is put back after it: 8 numbers a mode and
/// four more for each rank, once a block or a call. Sums over modes are in an order of their own, the same for every cut
/// of a sequence.
///
/// @tparam Rank   rank of the low-rank part, `dynamic` or known at compile time
template <Real X, class Arch, Index Rank>
class NarrowBlock {
  using Pack = simd::Pack<X, Arch>;
  using Pair = simd::ComplexPack<X, Arch>;
  static constexpr Index group = simd::group<X>, size = Pack::size;

 public:
  /// The largest number of modes there is room for.
  static constexpr Index most_modes = 128;
  /// Whether so many features of a group are better run one by one (measured at eight lanes: one and two are, four not).
  static constexpr bool pays(Index features, Index modes) {
    return features <= 2 && 4 * features <= size && modes <= most_modes;
  }
  /// Cost of one of them, in packs of features (measured: 0.38 to 0.5, at eight and sixteen lanes).
  static constexpr double packs = 0.4;

  /// Brings together the numbers of one lane.
  /// @param running   its coefficients, RunningRows a mode
  /// @param moving    its state, d and c a mode
  /// @param modes     M, at most most_modes
  /// @param rank      R
  NarrowBlock(const X* running, const X* moving, Index modes, Index rank) noexcept
      : modes_(modes), padded_((modes + size - 1) / size * size), rank_(rank) {
    const Index rows = RunningRows::count(rank);
    for (Index n = 0; n < padded_; ++n) {
      for (Index row = 0; row < rows; ++row) put(row, n, n < modes ? running[(n * rows + row) * group] : X(0));
      for (Index row = 0; row < state_rows; ++row)
        put(rows + row, n, n < modes ? moving[(n * state_rows + row) * group] : X(0));
    }
  }

  /// Runs steps: y += Re(C B_bar d), d = f d + c + u, and -P_bar s where there is a low-rank part, s = base + Re(Q d).
  /// All numbers of the lane are a group apart.
  /// @param u       inputs
  /// @param y       outputs, added to
  /// @param steps   how many, at most a block
  /// @param base    what X gives to s, rank by rank
  /// @param s       s of the step before; set to that of the last
  void run(const X* u, X* y, Index steps, const X* base, X* s) noexcept {
    if constexpr (Rank != 0)
      if (rank_ > 0) return joined(u, y, steps, base, s);
    std::array<Pack, std::size_t(block)> sums;
    sums.fill(Pack(X(0)));
    Index n = 0;
    for (; n + 4 * size <= padded_; n += 4 * size) over_time<4>(n, u, steps, sums.data());
    for (; n < padded_; n += size) over_time<1>(n, u, steps, sums.data());
    for (Index k = 0; k < steps; ++k) y[k * group] += sum(sums[static_cast<std::size_t>(k)]);
  }
  /// Puts d back.
  void put_back(X* moving) const noexcept {
    const Index d = RunningRows::count(rank_);
    for (Index n = 0; n < modes_; ++n)
      for (Index part = 0; part < 2; ++part) moving[(n * state_rows + part) * group] = row(d + part)[n];
  }

 private:
  static constexpr Index state_rows = ModalState<X>::moving_rows, block = ModalTurn<X>::block;
  static constexpr Index most_rows = RunningRows::count(max_rank) + state_rows;

  const X* row(Index which) const noexcept { return numbers_.data() + which * most_modes; }
  X* row(Index which) noexcept { return numbers_.data() + which * most_modes; }
  void put(Index which, Index n, X value) noexcept { row(which)[n] = value; }
  Pair pair(Index which, Index n) const noexcept {
    return {Pack::load(row(which) + n), Pack::load(row(which + 1) + n)};
  }
  void put(Index which, Index n, const Pair& value) noexcept {
    value.re.store(row(which) + n);
    value.im.store(row(which + 1) + n);
  }
  static X sum(Pack pack) noexcept {
    std::array<X, std::size_t(size)> lanes;
    pack.store(lanes.data());
    for (Index half = size / 2; half > 0; half /= 2)
      for (Index i = 0; i < half; ++i) lanes[static_cast<std::size_t>(i)] += lanes[static_cast<std::size_t>(i + half)];
    return lanes[0];
  }

  template <Index Packs>
  void over_time(Index n, const X* u, Index steps, Pack* sums) noexcept {
    const Index d_row = RunningRows::count(0);
    std::array<Pair, std::size_t(Packs)> d;
    for (Index p = 0; p < Packs; ++p) d[static_cast<std::size_t>(p)] = pair(d_row, n + p * size);
    for (Index k = 0; k < steps; ++k) {
      const Pack input(u[k * group]);
      Pack output = sums[k];
      for (Index p = 0; p < Packs; ++p) {
        const Index at = n + p * size;
        const Pair c = pair(d_row + 2, at);
        Pair& now = d[static_cast<std::size_t>(p)];
        now = fma(pair(RunningRows::f, at), now, Pair{c.re + input, c.im});
        output = add_real(output, pair(RunningRows::out, at), now);
      }
      sums[k] = output;
    }
    for (Index p = 0; p < Packs; ++p) put(d_row, n + p * size, d[static_cast<std::size_t>(p)]);
  }

  void joined(const X* u, X* y, Index steps, const X* base, X* s) noexcept {
    const Index d_row = RunningRows::count(rank_);
    for (Index k = 0; k < steps; ++k) {
      const Pack input(u[k * group]);
      Pack output(X(0));
      std::array<Pack, std::size_t(max_rank)> sums;
      sums.fill(Pack(X(0)));
      for (Index n = 0; n < padded_; n += size) {
        const Pair c = pair(d_row + 2, n);
        Pair drive{c.re + input, c.im};
        for (Index r = 0; r < rank_; ++r) {
          const Pair P = pair(RunningRows::P + RunningRows::per_rank * r, n);
          const Pack before(s[r * group]);
          drive = {fnma(P.re, before, drive.re), fnma(P.im, before, drive.im)};
        }
        const Pair d = fma(pair(RunningRows::f, n), pair(d_row, n), drive);
        put(d_row, n, d);
        output = add_real(output, pair(RunningRows::out, n), d);
        for (Index r = 0; r < rank_; ++r) {
          Pack& all = sums[static_cast<std::size_t>(r)];
          all = add_real(all, pair(RunningRows::Q + RunningRows::per_rank * r, n), d);
        }
      }
      y[k * group] += sum(output);
      for (Index r = 0; r < rank_; ++r)
        s[r * group] = detail::settle(base[r * group] + sum(sums[static_cast<std::size_t>(r)]));
    }
  }

  Index modes_, padded_, rank_;
  alignas(64) std::array<X, std::size_t(most_rows* most_modes)> numbers_;
};

}  // namespace ssm::detail
