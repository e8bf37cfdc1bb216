#pragma once

#include "ssm/core/polynomial.hpp"
#include "ssm/recurrence/modal_tile.hpp"

namespace ssm::detail {

/// Computes how the T steps of a block act on each other: the sums over modes, and over blocks, that are left when the
/// state at the block's beginning and the cotangent at its end are accounted for (see ModalBlocks).
///
///     k_i = sum over modes of Re(C B a^i),           y_m+i gets k_i u_m, du_m gets k_i dy_(m+i)
///     kappa_i = sum over m of dy_(m+i) u_m,          K(a) = sum over i of kappa_i a^i
///     dC gets B K(a),   dB gets C K(a),   da gets C B K'(a)
///
/// With a low-rank part there is a kappa for every pair of an output and an input. It is summed over blocks, tiles and
/// sequences, and turned into cotangents once.
template <Real T, Index N, Real X, class Arch, Index Rank>
class ModalLags : public ModalTile<T, N, X, Arch, Rank> {
  using Tile = ModalTile<T, N, X, Arch, Rank>;
  using Tile::bind, Tile::group, Tile::rank, Tile::room;
  using typename Tile::Pack, typename Tile::Recurrence;

 public:
  static constexpr Index steps = 32;  ///< T

  using typename Tile::Lanes;

  /// Numbers that kappa is, of a feature.
  static Index count(const Recurrence& recurrence) noexcept {
    return (1 + recurrence.rank()) * (1 + recurrence.rank()) * steps;
  }
  /// Makes room where there is not enough.
  void fit(const Recurrence& recurrence) {
    bind(recurrence);
    room(first_, steps);
    room(kappa_, count(recurrence));
  }
  /// k, for the caller to fill.     (T, lanes)
  X* responses() noexcept { return first_.data(); }

  /// The kappa of a tile's whole blocks.
  /// @tparam Reach   without a low-rank part: du gets its share
  template <bool Reach>
  void within(const Lanes& lanes) noexcept {
    if constexpr (Reach) {
      within<true, 1>(lanes, 0, 0);
    } else {
      for (Index out = 0; out <= rank(); ++out) {
        Index in = 0;
        for (; in + 1 <= rank(); in += 2) within<false, 2>(lanes, out, in);
        if (in <= rank()) within<false, 1>(lanes, out, in);
      }
    }
  }
  /// Adds the tile's kappa to that of all.     (count, lanes)
  void add_to(double* all) const noexcept {
    for (Index i = 0; i < (1 + rank()) * (1 + rank()) * steps * group; ++i)
      all[i] += static_cast<double>(kappa_.data()[i]);
  }
  /// Adds what the kappa of any number of sequences is to the cotangents of feature h's a, B and C.     O(M T)
  static void backwards(const Recurrence& recurrence, const Array<double>& kappa, Index h,
                        DiscreteDplrSystem<double>& cotangent) {
    const Index which = h / group, lane = h % group, M = recurrence.modes(), ways = 1 + recurrence.rank();
    const auto number = [&](Index n, Index row) {
      const auto part = [&](Index r) { return static_cast<double>(recurrence.coefficients().number(h, n, r)); };
      return Complex<double>(part(row), part(row + 1));
    };
    PolynomialAtPoints K(M);
    for (Index n = 0; n < M; ++n)
      K.set(n, number(n, ModalRows::change) + (recurrence.coefficients().keeps(h, n) ? 1.0 : 0.0));
    for (Index out = 0; out < ways; ++out)
      for (Index in = 0; in < ways; ++in) {
        K.evaluate(steps, [&](Index i) { return kappa(which, (out * ways + in) * steps + i, lane); });
        auto *const dC = out == 0 ? cotangent.C.data() : cotangent.Q_bar.col(out - 1).data(),
                    *const dB = in == 0 ? cotangent.B_bar.data() : cotangent.P_bar.col(in - 1).data();
        for (Index n = 0; n < M; ++n) {
          const Complex<double> B = number(n, ModalRows::in(in)), C = number(n, ModalRows::out(out));
          dC[n] += std::conj(plain_product(B, K.value(n)));
          dB[n] += std::conj(plain_product(C, K.value(n)));
          cotangent.Delta(n) += std::conj(plain_product(plain_product(B, C), K.slope(n)));
        }
      }
  }

 private:
  /// Handles one output and `Ins` inputs from this one on: four lags and four steps at a time, in registers.
  template <bool Reach, Index Ins>
  void within(const Lanes& lanes, Index out, Index in) noexcept {
    constexpr Index some = 4;
    const auto kappas = [&](Index which, Index lag) {
      return kappa_.data() + ((out * (1 + rank()) + in + which) * steps + lag) * group + lanes.first;
    };
    for (Index lag = 0; lag < steps; lag += some) {
      std::array<Pack, some> response, kappa, other;  // other: of the second way in
      for (Index i = 0; i < some; ++i) {
        if constexpr (Reach) response[std::size_t(i)] = Pack::load(first_.data() + lanes.first + (lag + i) * group);
        kappa[std::size_t(i)] = other[std::size_t(i)] = Pack(X(0));
      }
      for (Index block = 0; block + steps <= lanes.steps; block += steps)
        for (Index m = 0; m < steps - lag; m += some) {
          const Index at = (block + m) * group;
          const X *const dys = lanes.out(out) + at + lag * group, *const us = lanes.in(in) + at,
                         *const others = lanes.in(in + Ins - 1) + at;
          X* const dus = lanes.du + at;
          std::array<Pack, some> du;
          if constexpr (Reach)
            for (Index j = 0; j < some; ++j) du[std::size_t(j)] = Pack::load(dus + j * group);
          const auto meet = [&](Index i, Index j) {
            const Pack dy = Pack::load(dys + (i + j) * group);
            kappa[std::size_t(i)] = fma(dy, Pack::load(us + j * group), kappa[std::size_t(i)]);
            if constexpr (Ins == 2)
              other[std::size_t(i)] = fma(dy, Pack::load(others + j * group), other[std::size_t(i)]);
            if constexpr (Reach) du[std::size_t(j)] = fma(dy, response[std::size_t(i)], du[std::size_t(j)]);
          };
          const bool last = m + lag + some == steps;  // what comes after the block is for later
          for (Index i = 0; i < some; ++i)
            for (Index j = 0; j < some; ++j)
              if (i + j < some || !last) meet(i, j);
          if constexpr (Reach)
            for (Index j = 0; j < some; ++j) du[std::size_t(j)].store(dus + j * group);
        }
      for (Index i = 0; i < some; ++i) {
        kappa[std::size_t(i)].store(kappas(0, lag + i));
        if constexpr (Ins == 2) other[std::size_t(i)].store(kappas(1, lag + i));
      }
    }
  }

  Array<X> first_;  // k
  Array<X> kappa_;  // of a tile
};

}  // namespace ssm::detail
