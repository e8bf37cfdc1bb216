#pragma once

#include "ssm/recurrence/modal.hpp"

namespace ssm::detail {

/// Common base of the backward runs of a ModalRecurrence: complex numbers in lanes, the coefficients of a group of
/// features, and one tile of time.
template <Real T, Index N, Real X, class Arch, Index Rank>
class ModalTile {
 public:
  /// Some lanes of a group over a tile; rows are a group apart.
  struct Lanes {
    Index first, steps;
    X* start;          ///< the states before the tile; of a sweep: and after it
    X *u, *dy, *du;    ///< (steps)
    X *lambda, *sums;  ///< cotangents: of the states after the tile, then before it; += of the coefficients
    X *s, *ds;         ///< with a low-rank part: -s_k, and the cotangent of s_(k+1)     (R, steps)
    Index next_rank;   ///< numbers from one rank's to the next's

    /// Lanes from this one on.
    Lanes from(Index lane) const noexcept {
      return {lane,          steps,       start + lane, u + lane,  dy + lane, du + lane,
              lambda + lane, sums + lane, s + lane,     ds + lane, next_rank};
    }
    /// Inputs of all modes: u, then -s of each rank.     (steps)
    X* in(Index which) const noexcept { return which == 0 ? u : s + (which - 1) * next_rank; }
    /// Cotangents of their outputs: dy, then that of the next s of each rank.     (steps)
    X* out(Index which) const noexcept { return which == 0 ? dy : ds + (which - 1) * next_rank; }
  };

 protected:
  using Recurrence = ModalRecurrence<T, N, X, Arch, Rank>;
  using Pack = simd::Pack<X, Arch>;
  using Pair = simd::ComplexPack<X, Arch>;
  using Mask = typename Pack::Mask;
  static constexpr Index group = simd::group<X>;
  void bind(const Recurrence& recurrence) noexcept {
    recurrence_ = &recurrence;
    M_ = recurrence.modes();
    all_ranks_ = recurrence.rank();
    rows_ = ModalRows::count(all_ranks_);
  }
  /// Rows of lanes, where there are not enough.
  static void room(auto& array, Index rows) {
    if (array.rows() < rows) array = std::remove_cvref_t<decltype(array)>(rows, group);
  }
  /// The group whose turn it is.
  void turn_to(Index which) noexcept {
    coefficients_ = recurrence_->coefficients().equations(which);
    kept_ = recurrence_->coefficients().keep_masks(which);
  }
  /// The coefficients of some lanes, as values: what is stored in a loop might be this object's members.
  struct Modes {
    const X* first;
    Index next, lane;
    const std::uint16_t* kept;

    const X* operator[](Index n) const noexcept { return first + n * next; }
    Mask keep(Index n) const noexcept { return Mask(std::uint32_t{kept[n]} >> lane); }
  };
  Modes modes(const Lanes& lanes) const noexcept {
    return {coefficients_ + lanes.first, rows_ * group, lanes.first, kept_};
  }
  const X* coefficients(Index n) const noexcept { return coefficients_ + n * rows_ * group; }
  bool keeps(Index n, Index lane) const noexcept { return (kept_[n] >> lane & 1) != 0; }
  Mask keep(Index n, const Lanes& lanes) const noexcept { return modes(lanes).keep(n); }

  static Pair load(const X* from, Index row) noexcept { return Pair::load(from + row * group); }
  /// keep x + a x + v
  static Pair advance(Mask keep, Pair a, Pair x, Pair v) noexcept { return Pair::add_where(keep, x, fma(a, x, v)); }

  /// R.
  Index rank() const noexcept { return Rank == dynamic ? all_ranks_ : Rank; }

  const Recurrence* recurrence_ = nullptr;
  Index M_ = 0, rows_ = 0;

 private:
  Index all_ranks_ = 0;
  const X* coefficients_ = nullptr;
  const std::uint16_t* kept_ = nullptr;
};

}  // namespace ssm::detail
