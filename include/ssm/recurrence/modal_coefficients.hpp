#pragma once

#include "ssm/core/array.hpp"
#include "ssm/discretize/mode.hpp"
#include "ssm/recurrence/modal_turn.hpp"
#include "ssm/simd/pack.hpp"
#include "ssm/system/dplr.hpp"

#include <bit>
#include <cstdint>

namespace ssm::detail {

/// Rows of a mode's coefficients as the equations have them, which the backward run and the reference read. A row is a
/// group of lanes; a complex number takes two rows, real parts before imaginary ones.
struct ModalRows {
  static constexpr Index change = 0;    ///< A_bar, less 1 where the mode is slow
  static constexpr Index B = 2;         ///< B_bar
  static constexpr Index C = 4;         ///< C, times how often the mode counts
  static constexpr Index P = 6;         ///< P_bar of rank 0
  static constexpr Index Q = 8;         ///< Q_bar of rank 0, times how often the mode counts
  static constexpr Index per_rank = 4;  ///< rows from one rank's to the next's
  /// Number of rows.
  static constexpr Index count(Index rank) noexcept { return P + per_rank * rank; }
  /// Factor of input `which`: u, then -s of each rank.
  static constexpr Index in(Index which) noexcept { return which == 0 ? B : P + per_rank * (which - 1); }
  /// Factor towards output `which`: y, then s of each rank.
  static constexpr Index out(Index which) noexcept { return which == 0 ? C : Q + per_rank * (which - 1); }
};
/// Rows of a mode that every step reads: of a state in units of B_bar.
struct RunningRows {
  static constexpr Index f = 0;         ///< A_bar rounded
  static constexpr Index out = 2;       ///< C B_bar
  static constexpr Index P = 4;         ///< P_bar / B_bar of rank 0
  static constexpr Index Q = 6;         ///< Q_bar B_bar of rank 0
  static constexpr Index per_rank = 4;  ///< rows from one rank's to the next's
  /// Number of rows.
  static constexpr Index count(Index rank) noexcept { return P + per_rank * rank; }
};
/// Rows of a mode that the end of a block reads; see ModalTurn.
struct TurningRows {
  static constexpr Index drift = 0;      ///< A_bar - 1
  static constexpr Index of_held = 2;    ///< what X turns into X
  static constexpr Index of_moving = 4;  ///< what d turns into X
  static constexpr Index holds = 6;      ///< 1 where X is kept over a block, 0 where it is not
  static constexpr Index count = 7;      ///< number of rows
};
/// Rows of a mode that a state from elsewhere is converted by.
struct UnitRows {
  static constexpr Index unit = 0;      ///< B_bar, or next to nothing where it is nothing
  static constexpr Index per_unit = 2;  ///< its inverse
  static constexpr Index count = 4;     ///< number of rows
};

/// Coefficients of a ModalRecurrence of H features: the only place that lays them out. Features lie in groups of lanes.
template <Real X>
class ModalCoefficients {
  static constexpr Index group = simd::group<X>;

 public:
  ModalCoefficients(Index features, Index modes, Index rank)
      : modes_(modes),
        rank_(rank),
        direct_(groups(features), group),
        equations_(groups(features), modes * ModalRows::count(rank), group),
        keeps_(groups(features), modes),
        running_(groups(features), modes * RunningRows::count(rank), group),
        turning_(groups(features), modes * TurningRows::count, group),
        units_(groups(features), modes * UnitRows::count, group) {}

  Index modes() const noexcept { return modes_; }
  Index rank() const noexcept { return rank_; }
  /// Number that tells these coefficients from others: a checksum.
  std::uint64_t mark() const noexcept { return mark_; }

  /// Sets feature h. How often a mode counts in a sum over all of them goes into C and Q_bar.
  /// @throws DomainError if a number is not finite in X
  void set(Index h, const DiscreteDplrSystem<double>& system, double D) {
    const Index which = h / group, lane = h % group;
    direct_(which, lane) = static_cast<X>(D);
    std::uint64_t mark = static_cast<std::uint64_t>(h) + 1;
    for (Index n = 0; n < modes_; ++n) {
      const auto count = static_cast<double>(multiplicity(n, system.states));
      const StepFactor factor(system.Delta(n));
      const auto bit = static_cast<std::uint16_t>(1U << lane);
      std::uint16_t& keeps = keeps_(which, n);
      keeps = static_cast<std::uint16_t>(factor.keep == 1 ? keeps | bit : keeps & ~bit);
      const auto put = [&](Array<X>& array, Index row, Complex<double> value) {
        array(which, row, lane) = static_cast<X>(value.real());
        array(which, row + 1, lane) = static_cast<X>(value.imag());
        return std::isfinite(array(which, row, lane)) && std::isfinite(array(which, row + 1, lane));
      };
      const Index equation = n * ModalRows::count(rank_);
      put(equations_, equation + ModalRows::change, factor.change);
      put(equations_, equation + ModalRows::B, system.B_bar(n));
      put(equations_, equation + ModalRows::C, count * system.C(n));
      for (Index r = 0; r < rank_; ++r) {
        put(equations_, equation + ModalRows::in(1 + r), system.P_bar(n, r));
        put(equations_, equation + ModalRows::out(1 + r), count * system.Q_bar(n, r));
      }

      const Complex<double> B = away_from_zero(system.B_bar(n)), per_B = 1.0 / B;
      const auto turn = ModalTurn::of<X>(system.Delta(n), factor.keep == 1);
      bool representable = true;
      const auto derived = [&](Array<X>& array, Index row, Complex<double> value) {
        representable = put(array, row, value) && representable;
        for (const double part : {value.real(), value.imag()}) {
          mark = (mark ^ std::bit_cast<std::uint64_t>(part)) * 0x9E3779B97F4A7C15U;
          mark ^= mark >> 29U;
        }
      };
      const Index run = n * RunningRows::count(rank_), turns = n * TurningRows::count, units = n * UnitRows::count;
      derived(running_, run + RunningRows::f, turn.factor);
      derived(running_, run + RunningRows::out, count * plain_product(system.C(n), B));
      for (Index r = 0; r < rank_; ++r) {
        const Index of_rank = run + RunningRows::per_rank * r;
        derived(running_, of_rank + RunningRows::P, plain_product(system.P_bar(n, r), per_B));
        derived(running_, of_rank + RunningRows::Q, count * plain_product(system.Q_bar(n, r), B));
      }
      derived(turning_, turns + TurningRows::drift, turn.drift);
      derived(turning_, turns + TurningRows::of_held, turn.of_held);
      derived(turning_, turns + TurningRows::of_moving, turn.of_moving);
      derived(units_, units + UnitRows::unit, B);
      derived(units_, units + UnitRows::per_unit, per_B);
      turning_(which, turns + TurningRows::holds, lane) = factor.keep == 1 ? X(1) : X(0);
      if (!representable)
        throw DomainError(message("feature ", h, ", mode ", n, ": expected numbers that ",
                                  sizeof(X) == 4 ? "float" : "double", " can hold, got A_bar - 1 = ", system.Delta(n),
                                  ", B_bar = ", system.B_bar(n), ", C = ", system.C(n)));
    }
    mark_ ^= mark;
  }

  /// Coefficients of a group of features as the equations have them.   (M, ModalRows, lanes)
  const X* equations(Index which) const noexcept { return &equations_(which, 0, 0); }
  /// Which lanes of each mode keep, as bit masks: A_bar = keep + change.   (M)
  const std::uint16_t* keep_masks(Index which) const noexcept { return &keeps_(which, 0); }
  /// D of a group of features.   (lanes)
  const X* direct(Index which) const noexcept { return &direct_(which, 0); }
  /// Coefficients that every step reads.   (M, RunningRows, lanes)
  const X* running(Index which) const noexcept { return &running_(which, 0, 0); }
  /// Coefficients that the end of a block reads.   (M, TurningRows, lanes)
  const X* turning(Index which) const noexcept { return &turning_(which, 0, 0); }
  /// Coefficients that convert a state from elsewhere.   (M, UnitRows, lanes)
  const X* units(Index which) const noexcept { return &units_(which, 0, 0); }

  /// A real number of the equations.
  X number(Index h, Index n, Index row) const noexcept {
    return equations_(h / group, n * ModalRows::count(rank_) + row, h % group);
  }
  /// Returns whether mode n of feature h keeps: A_bar = 1 + change.
  bool keeps(Index h, Index n) const noexcept { return (keeps_(h / group, n) >> (h % group) & 1) != 0; }

 private:
  static Index groups(Index features) noexcept { return (features + group - 1) / group; }
  /// B_bar, or next to nothing where it is nothing: states are divided by it.
  static Complex<double> away_from_zero(Complex<double> B) {
    constexpr double least = sizeof(X) == 4 ? 1e-30 : 1e-200;
    return std::abs(B) < least ? Complex<double>(least) : B;
  }

  Index modes_, rank_;
  std::uint64_t mark_ = 0;
  Array<X> direct_;             // (groups, lanes)
  Array<X> equations_;          // (groups, M (6 + 4R), lanes)
  Array<std::uint16_t> keeps_;  // a bit for each lane            (groups, M)
  Array<X> running_;            // (groups, M (4 + 4R), lanes)
  Array<X> turning_;            // (groups, M 7, lanes)
  Array<X> units_;              // (groups, M 4, lanes)
};

}  // namespace ssm::detail
