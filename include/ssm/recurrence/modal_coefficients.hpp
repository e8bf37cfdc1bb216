#pragma once

#include "ssm/core/array.hpp"
#include "ssm/discretize/mode.hpp"
#include "ssm/recurrence/modal_turn.hpp"
#include "ssm/simd/pack.hpp"
#include "ssm/system/dplr.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

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

  /// Sets a group of features, the last of which may have fewer than it has lanes. How often a mode counts in a sum
  /// over all of them goes into C and Q_bar.
  /// @tparam Arch   instruction set
  /// @throws DomainError if a number is not finite in X
  template <class Arch>
  void set(Index which, const std::vector<DiscreteDplrSystem<double>>& systems, std::span<const X> D) {
    std::ranges::copy(D, &direct_(which, 0));
    for (Index h = which * group; const auto& system : systems) mark_ += checksum(h++, system);
    for (Index n = 0; n < modes_; ++n) {
      ComplexLanes<X> Delta;
      unsigned held = 0;
      for (Index lane = 0; const auto& system : systems) {
        Delta.set(lane, system.Delta(n));
        held |= unsigned{StepFactor(system.Delta(n)).keep == 1} << lane++;
      }
      keeps_(which, n) = static_cast<std::uint16_t>(held);
      const auto turn = ModalTurn<X>::template of<Arch>(Delta, held);
      for (Index lane = 0; const auto& system : systems) set(which, lane++, n, system, turn);
    }
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
  /// Sets mode n of one feature.
  void set(Index which, Index lane, Index n, const DiscreteDplrSystem<double>& system, const ModalTurn<X>& turn) {
    const auto count = static_cast<double>(multiplicity(n, system.states));
    const Complex<double> B = away_from_zero(system.B_bar(n)), per_B = plain_quotient<double>(1, B);
    const StepFactor factor(system.Delta(n));
    X* const equation = &equations_(which, n * ModalRows::count(rank_), lane);
    X* const run = &running_(which, n * RunningRows::count(rank_), lane);
    X* const turns = &turning_(which, n * TurningRows::count, lane);
    X* const units = &units_(which, n * UnitRows::count, lane);
    struct Number {
      X* row;
      Complex<double> value;
    };
    X none = 0;  // NaN once a number is not finite
    const auto put = [&none](auto... numbers) {
      for (const Number& number : {numbers...}) {
        number.row[0] = static_cast<X>(number.value.real());
        number.row[group] = static_cast<X>(number.value.imag());
        none += 0 * number.row[0] + 0 * number.row[group];
      }
    };
    put(Number{equation + ModalRows::change * group, factor.change},
        Number{equation + ModalRows::B * group, system.B_bar(n)},
        Number{equation + ModalRows::C * group, count * system.C(n)},
        Number{run + RunningRows::f * group, turn.factor[lane]},
        Number{run + RunningRows::out * group, count * plain_product(system.C(n), B)},
        Number{turns + TurningRows::drift * group, turn.drift[lane]},
        Number{turns + TurningRows::of_held * group, turn.of_held[lane]},
        Number{turns + TurningRows::of_moving * group, turn.of_moving[lane]}, Number{units + UnitRows::unit * group, B},
        Number{units + UnitRows::per_unit * group, per_B});
    for (Index r = 0; r < rank_; ++r) {
      X* const of_rank = run + RunningRows::per_rank * r * group;
      put(Number{equation + ModalRows::in(1 + r) * group, system.P_bar(n, r)},
          Number{equation + ModalRows::out(1 + r) * group, count * system.Q_bar(n, r)},
          Number{of_rank + RunningRows::P * group, plain_product(system.P_bar(n, r), per_B)},
          Number{of_rank + RunningRows::Q * group, count * plain_product(system.Q_bar(n, r), B)});
    }
    turns[TurningRows::holds * group] = static_cast<X>(factor.keep);
    if (!std::isfinite(none))
      throw DomainError(message("feature ", which * group + lane, ", mode ", n, ": expected numbers that ",
                                sizeof(X) == 4 ? "float" : "double", " can hold, got A_bar - 1 = ", system.Delta(n),
                                ", B_bar = ", system.B_bar(n), ", C = ", system.C(n)));
  }
  /// A sum of products with odd weights, which need not wait for each other.
  static std::uint64_t checksum(Index h, const DiscreteDplrSystem<double>& system) noexcept {
    std::uint64_t sum = 0, weight = static_cast<std::uint64_t>(h) * 2 + 1;
    const auto add = [&](const auto& numbers) {
      for (Index i = 0; i < numbers.size(); ++i)
        for (const double part : {numbers.data()[i].real(), numbers.data()[i].imag()}) {
          const auto bits = std::bit_cast<std::uint64_t>(part);
          sum += (bits ^ bits >> 32U) * (weight += 2 * 0x9E3779B97F4A7C15U);
        }
    };
    add(system.Delta);
    add(system.B_bar);
    add(system.C);
    add(system.P_bar);
    add(system.Q_bar);
    return sum;
  }
  static Index groups(Index features) noexcept { return (features + group - 1) / group; }
  /// B_bar, or next to nothing where it is nothing: states are divided by it.
  static Complex<double> away_from_zero(Complex<double> B) {
    constexpr double least = sizeof(X) == 4 ? 1e-30 : 1e-200;
    return std::max(std::abs(B.real()), std::abs(B.imag())) < least ? Complex<double>(least) : B;
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
