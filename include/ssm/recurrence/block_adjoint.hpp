#pragma once

#include "ssm/recurrence/block_lags.hpp"

namespace ssm::detail {

/// Runs the modes of a group of features backwards, a block of T steps at a time. The inputs of the modes must be known
/// (u; with a low-rank part also -s_k, see ModalTile), and the cotangents of their outputs (dy; also those of s_(k+1)).
/// With x_i = a^(i+1) X + B sum_(m <= i) a^(i-m) u_m, X the state before the block and M the conjugate of the
/// cotangent of the one after it,
///
///     U = sum a^(T-1-m) u_m,   D = sum a^i dy_i,   U' = dU/da,   E = d(a D)/da
///     X <- a^T X + B U,        M <- C a D + a^T M,   du_m = Re(M B a^(T-1-m)) + sum_(i >= m) k_(i-m) dy_i
///     dC = a D X + B K(a),     dB = M U + C K(a),    da = C E X + M (T a^(T-1) X + B U') + C B K'(a)
///
/// The cotangents are the conjugates of these; products with B and C are sums over all inputs and outputs. ModalLags
/// computes k and K, the part that stays within a block. Without a low-rank part a mode costs six multiplications and
/// four additions a step, and two multiplications more in the forward sweep, with a table of its T powers; step by step
/// it costs 27 multiplications. include/ssm/README.md derives the equations. Powers are made in fp64 of the
/// coefficients that `forward` runs with, a^T in delta form.
template <Real T, Index N, Real X, class Arch, Index Rank>
class ModalBlocks : public ModalTile<T, N, X, Arch, Rank> {
  using Tile = ModalTile<T, N, X, Arch, Rank>;
  using Tile::advance, Tile::bind, Tile::coefficients, Tile::group, Tile::keep, Tile::keeps, Tile::load, Tile::room,
      Tile::turn_to;
  using Tile::M_, Tile::rank, Tile::rows_;
  using typename Tile::Pack, typename Tile::Pair, typename Tile::Recurrence;
  static constexpr Index steps = ModalLags<T, N, X, Arch, Rank>::steps;  // T
  static constexpr Index together = Pack::registers >= 32 ? 3 : 2;       // modes that run at once, both ways
  static constexpr Index swept = 4;                                      // and only forward
  static constexpr Index reached = 4;                                    // blocks whose du is made at once

 public:
  using typename Tile::Lanes;

  /// Makes room for tiles of so many steps, where there is not enough.
  void fit(const Recurrence& recurrence, Index tile) {
    bind(recurrence);
    room(powers_, M_ * (steps + 1) * 2);
    lags_.fit(recurrence);
    room(sums_, (tile / steps + 1) * together * block_rows());
    room(states_, steps * 2);
  }

  /// Makes the tables of a group.     O(M T)
  void prepare(Index which) noexcept {
    turn_to(which);
    X* const response = lags_.responses();
    std::fill_n(response, steps * group, X(0));
    using Row = std::array<double, std::size_t(group)>;
    Row a_re, a_im, d_re, d_im, CB_re, CB_im, re, im;  // lanes in inner loops: the compiler's to make wide
    for (Index n = 0; n < M_; ++n) {
      const X* const from = coefficients(n);
      X* const table = powers(n);
      for (std::size_t l = 0; l < re.size(); ++l) {
        const auto number = [&](Index row) { return static_cast<double>(from[row * group + Index(l)]); };
        const double kept = keeps(n, Index(l)) ? 1 : 0;
        a_re[l] = number(ModalRows::change) + kept;
        d_re[l] = number(ModalRows::change);  // used where it keeps
        a_im[l] = d_im[l] = number(ModalRows::change + 1);
        const double B_re = number(ModalRows::B), B_im = number(ModalRows::B + 1);
        const double C_re = number(ModalRows::C), C_im = number(ModalRows::C + 1);
        CB_re[l] = B_re * C_re - B_im * C_im;
        CB_im[l] = B_re * C_im + B_im * C_re;
      }
      re.fill(1);
      im.fill(0);
      for (Index i = 0; i < steps; ++i)
        for (std::size_t l = 0; l < re.size(); ++l) {
          table[2 * i * group + Index(l)] = static_cast<X>(re[l]);
          table[(2 * i + 1) * group + Index(l)] = static_cast<X>(im[l]);
          response[i * group + Index(l)] += static_cast<X>(CB_re[l] * re[l] - CB_im[l] * im[l]);
          const double next = re[l] * a_re[l] - im[l] * a_im[l];
          im[l] = re[l] * a_im[l] + im[l] * a_re[l];
          re[l] = next;
        }
      for (Index doubled = 1; doubled < steps; doubled *= 2)  // (1 + d)^2 = 1 + d (2 + d)
        for (std::size_t l = 0; l < re.size(); ++l) {
          const double next = d_re[l] * (2 + d_re[l]) - d_im[l] * d_im[l];
          d_im[l] = 2 * d_im[l] * (1 + d_re[l]);
          d_re[l] = next;
        }
      for (std::size_t l = 0; l < re.size(); ++l) {
        const bool kept = keeps(n, Index(l));
        table[2 * steps * group + Index(l)] = static_cast<X>(kept ? d_re[l] : re[l]);
        table[(2 * steps + 1) * group + Index(l)] = static_cast<X>(kept ? d_im[l] : im[l]);
      }
    }
  }

  /// The states at `start` move over whole blocks, all lanes of them. Between modes it calls meanwhile(part, parts).
  template <class Meanwhile>
  void sweep(const Lanes& tile, Meanwhile meanwhile) noexcept {
    for (Index lane = 0; lane < group; lane += Pack::size) {
      const Lanes lanes = tile.from(lane);
      Index n = 0;
      for (; n + swept <= M_; n += swept) {
        if (lane == 0) meanwhile(n / swept, M_ / swept);
        there<swept>(lanes, n);
      }
      for (; n < M_; ++n) there<1>(lanes, n);
    }
  }
  /// A tile backwards, all lanes of it: adds to sums, kappa and, without a low-rank part, to du; lambda becomes the
  /// cotangent of `start`. Between modes it calls meanwhile(part, parts).
  template <class Meanwhile>
  void backwards(const Lanes& tile, double* kappa, const Meanwhile& meanwhile) noexcept {
    for (Index lane = 0; lane < group; lane += Pack::size) {
      const auto at_first = [&](Index part, Index parts) {
        if (lane == 0) meanwhile(part, parts);
      };
      const Lanes lanes = tile.from(lane);
      if (rank() == 0)
        backwards<1>(lanes, at_first);
      else if constexpr (Rank != 0)
        rank() == 1 ? backwards<2>(lanes, at_first) : backwards<most>(lanes, at_first);
    }
    lags_.add_to(kappa);
  }

 private:
  static constexpr Index most = max_rank + 1;
  /// Number of inputs of the modes, and of outputs: fixed at compile time, or 1 + R.
  template <Index Ways = most>
  Index ways() const noexcept {
    return Ways == most ? 1 + rank() : Ways;
  }

  template <Index Ways, class Meanwhile>
  void backwards(const Lanes& lanes, const Meanwhile& meanwhile) noexcept {
    lags_.template within<Ways == 1>(lanes);
    Index n = 0;
    for (; n + together <= M_; n += together) {
      meanwhile(n / together, M_ / together);
      both_sweeps<Ways, together>(lanes, n);
    }
    if (n + 2 == M_) both_sweeps<Ways, 2>(lanes, n);
    if (n + 1 == M_) both_sweeps<Ways, 1>(lanes, n);
  }

  /// a^0 .. a^(T-1), then a^T, less one where it keeps.
  X* powers(Index n) noexcept { return powers_.data() + n * (steps + 1) * 2 * group; }
  const X* powers(Index n) const noexcept { return powers_.data() + n * (steps + 1) * 2 * group; }

  /// The states at `start` move over whole blocks.
  template <Index Modes>
  void there(const Lanes& lanes, Index n) noexcept {
    struct Mode {
      Pair jump, B, x, U;
      typename Tile::Mask keep;
      const X* powers;
    };
    std::array<Mode, std::size_t(Modes)> all;
    for (Index m = 0; m < Modes; ++m) {
      const X* const table = powers(n + m) + lanes.first;
      all[std::size_t(m)] = {load(table, 2 * steps),
                             load(coefficients(n + m) + lanes.first, ModalRows::B),
                             load(lanes.start, 2 * (n + m)),
                             Pair::zero(),
                             keep(n + m, lanes),
                             table};
    }
    for (Index from = 0; from + steps <= lanes.steps; from += steps) {
      for (Mode& mode : all) mode.U = Pair::zero();
      for (Index i = 0; i < steps; ++i) {
        const Pack u = Pack::load(lanes.u + (from + steps - 1 - i) * group);
        for (Mode& mode : all) mode.U = fma(u, load(mode.powers, 2 * i), mode.U);
      }
      for (Mode& mode : all) mode.x = settle(advance(mode.keep, mode.jump, mode.x, mode.B * mode.U));
    }
    for (Index m = 0; m < Modes; ++m) all[std::size_t(m)].x.store(lanes.start + 2 * (n + m) * group);
  }

  /// Runs a few modes over a tile: the sums of all blocks, the states forward from block to block, the cotangents
  /// backward, then du.
  template <Index Ways, Index Modes>
  void both_sweeps(const Lanes& lanes, Index n) noexcept {
    const Index blocks = lanes.steps / steps;
    for (Index j = 0; j < blocks; ++j)
      for (Index way = 0; way < ways<Ways>(); ++way)
        sum_block<Modes>(lanes, n, j, way, block_sums<Ways>(lanes, 0, j) + way * way_rows * group,
                         block_rows<Ways>() * group);
    forward_sweep<Ways, Modes>(lanes, n, blocks);
    if (lanes.steps % steps > 0)
      for (Index m = 0; m < Modes; ++m) rest_backwards(lanes, n + m, load(block_sums<Ways>(lanes, m, blocks), x));
    for (Index m = 0; m < Modes; ++m) backward_sweep<Ways>(lanes, n + m, m, blocks);
    if constexpr (Ways == 1) {
      Index j = 0;
      for (; j + reached <= blocks; j += reached) add_du<Modes, reached>(lanes, n, j);
      for (; j < blocks; ++j) add_du<Modes, 1>(lanes, n, j);
    }
  }
  /// Rows of a block's sums: x, which becomes M B in the backward sweep; then for each input and output U, D, E, and V
  /// for U'.
  enum { x = 0, U = 2, D = 4, E = 6, V = 8, way_rows = 8 };
  template <Index Ways = most>
  Index block_rows() const noexcept {
    return 2 + ways<Ways>() * way_rows;
  }
  /// Returns the sums of block j, for mode m of those that run at once.
  template <Index Ways>
  X* block_sums(const Lanes& lanes, Index m, Index j) noexcept {
    return sums_.data() + (j * together + m) * block_rows<Ways>() * group + lanes.first;
  }

  /// U, D, E and U' of block j. With W_i = sum_(m >= i) a^m u_(T-2-m), U is u_(T-1) + a W_0 and U' the sum of all W_i;
  /// with D_i = sum_(m >= i) a^m dy_m, D is D_0 and E the sum of all D_i: half of the work is additions.
  template <Index Modes>
  void sum_block(const Lanes& lanes, Index n, Index j, Index way, X* to, Index next) noexcept {
    struct Mode {
      Pair W, D, E, V;
    };
    std::array<Mode, std::size_t(Modes)> all;
    const Index block = j * steps * group;
    const X *const us = lanes.in(way) + block, *const dys = lanes.out(way) + block;
    const X* const table = powers(n) + lanes.first;
    constexpr Index next_mode = (steps + 1) * 2 * group;
    const Pack last_dy = Pack::load(dys + (steps - 1) * group);
    for (Index m = 0; m < Modes; ++m) {
      const Pair power = load(table + m * next_mode, 2 * (steps - 1));
      const Pair first{last_dy * power.re, last_dy * power.im};
      all[std::size_t(m)] = {Pair::zero(), first, first, Pair::zero()};
    }
    for (Index i = steps - 2; i >= 0; --i) {
      const Pack u = Pack::load(us + (steps - 2 - i) * group), dy = Pack::load(dys + i * group);
      for (Index m = 0; m < Modes; ++m) {
        Mode& mode = all[std::size_t(m)];
        const Pair power = load(table + m * next_mode, 2 * i);
        mode.W = fma(u, power, mode.W);
        mode.D = fma(dy, power, mode.D);
        mode.V = mode.V + mode.W;
        mode.E = mode.E + mode.D;
      }
    }
    const Pair last_u{Pack::load(us + (steps - 1) * group), Pack(X(0))};
    for (Index m = 0; m < Modes; ++m) {
      const Mode& mode = all[std::size_t(m)];
      fma(load(table + m * next_mode, 2), mode.W, last_u).store(to + U * group);
      mode.D.store(to + D * group);
      mode.E.store(to + E * group);
      mode.V.store(to + V * group);
      to += next;
    }
  }
  /// x before each block, and after the last. Modes run side by side, since each waits for its own block before.
  template <Index Ways, Index Modes>
  void forward_sweep(const Lanes& lanes, Index n, Index blocks) noexcept {
    struct Mode {
      Pair jump, B, state;
      typename Tile::Mask keep;
    };
    std::array<Mode, std::size_t(Modes)> all;
    for (Index m = 0; m < Modes; ++m)
      all[std::size_t(m)] = {load(powers(n + m) + lanes.first, 2 * steps),
                             load(coefficients(n + m) + lanes.first, ModalRows::B), load(lanes.start, 2 * (n + m)),
                             keep(n + m, lanes)};
    for (Index j = 0; j <= blocks; ++j)
      for (Index m = 0; m < Modes; ++m) {
        Mode& mode = all[std::size_t(m)];
        X* const sums = block_sums<Ways>(lanes, m, j);
        mode.state.store(sums + x * group);
        if (j == blocks) continue;
        Pair v = mode.B * load(sums, U);
        for (Index way = 1; way < ways<Ways>(); ++way)
          v = fma(load(coefficients(n + m) + lanes.first, ModalRows::in(way)), load(sums, way * way_rows + U), v);
        mode.state = settle(advance(mode.keep, mode.jump, mode.state, v));
      }
  }
  /// M of a mode from block to block, and what the coefficients get of it.
  /// @tparam Ways   what enters and leaves, or the most there is
  template <Index Ways>
  void backward_sweep(const Lanes& lanes, Index n, Index m, Index blocks) noexcept {
    const X *const table = powers(n) + lanes.first, *const from = coefficients(n) + lanes.first;
    const Pair a = load(table, 2), B = load(from, ModalRows::B), jump = load(table, 2 * steps);
    const auto kept = keep(n, lanes);
    struct Way {
      Pair Ca, DX, EX, MU, MV;
    };
    std::array<Way, std::size_t(Ways)> all;
    for (Index way = 0; way < ways<Ways>(); ++way)
      all[std::size_t(way)] = {load(from, ModalRows::out(way)) * a, Pair::zero(), Pair::zero(), Pair::zero(),
                               Pair::zero()};
    Pair M = conj(load(lanes.lambda, 2 * n)), MX = Pair::zero();
    for (Index j = blocks - 1; j >= 0; --j) {
      X* const sums = block_sums<Ways>(lanes, m, j);
      const Pair state = load(sums, x);
      Pair sent = Pair::zero();
      for (Index i = 0; i < ways<Ways>(); ++i) {
        Way& way = all[std::size_t(i)];
        const X* const own = sums + i * way_rows * group;
        const Pair d = load(own, D);
        way.DX = fma(d, state, way.DX);
        way.EX = fma(load(own, E), state, way.EX);
        way.MU = fma(M, load(own, U), way.MU);
        way.MV = fma(M, load(own, V), way.MV);
        sent = i == 0 ? way.Ca * d : fma(way.Ca, d, sent);
      }
      MX = fma(M, state, MX);
      (M * B).store(sums + x * group);
      M = settle(advance(kept, jump, M, sent));
    }
    conj(M).store(lanes.lambda + 2 * n * group);
    X* const to = lanes.sums + n * rows_ * group;
    const auto put = [&](Index row, Pair value) { conj(value).add_to(to + row * group); };
    const Pair last_power = load(table, 2 * (steps - 1));
    const Pack count(static_cast<X>(steps));
    Pair da = MX * Pair{count * last_power.re, count * last_power.im};
    for (Index i = 0; i < ways<Ways>(); ++i) {
      const Way& way = all[std::size_t(i)];
      put(ModalRows::out(i), a * way.DX);
      put(ModalRows::in(i), way.MU);
      da = fma(load(from, ModalRows::in(i)), way.MV, fma(load(from, ModalRows::out(i)), way.EX, da));
    }
    put(ModalRows::change, da);
  }
  /// Adds to du of some blocks what comes from later blocks.
  template <Index Modes, Index Blocks>
  void add_du(const Lanes& lanes, Index n, Index first) noexcept {
    std::array<std::array<Pair, std::size_t(Modes)>, std::size_t(Blocks)> MB;
    for (Index j = 0; j < Blocks; ++j)
      for (Index m = 0; m < Modes; ++m)
        MB[std::size_t(j)][std::size_t(m)] = load(block_sums<1>(lanes, m, first + j), x);
    const X* const table = powers(n) + lanes.first;
    constexpr Index next_mode = (steps + 1) * 2 * group;
    for (Index i = 0; i < steps; ++i) {
      std::array<Pair, std::size_t(Modes)> power;
      for (Index m = 0; m < Modes; ++m) power[std::size_t(m)] = load(table + m * next_mode, 2 * i);
      for (Index j = 0; j < Blocks; ++j) {
        X* const to = lanes.du + ((first + j + 1) * steps - 1 - i) * group;
        Pack du = Pack::load(to);
        for (Index m = 0; m < Modes; ++m) {
          const Pair &by = power[std::size_t(m)], &mode = MB[std::size_t(j)][std::size_t(m)];
          du = fma(mode.re, by.re, fnma(mode.im, by.im, du));
        }
        du.store(to);
      }
    }
  }

  /// The steps after the last whole block, one by one, from the state before them; sums are stored.
  void rest_backwards(const Lanes& lanes, Index n, Pair start) noexcept {
    const Index from = lanes.steps / steps * steps, count = lanes.steps - from;
    X* const states = states_.data() + lanes.first;
    const X* const own = coefficients(n) + lanes.first;
    const Pair a = load(own, ModalRows::change), B = load(own, ModalRows::B);
    const auto kept = keep(n, lanes);
    Pair state = start;
    for (Index k = 0; k < count; ++k) {
      Pair v = Pair::zero();
      for (Index way = 0; way < ways(); ++way)
        v = fma(Pack::load(lanes.in(way) + (from + k) * group), load(own, ModalRows::in(way)), v);
      state = advance(kept, a, state, v);
      state.store(states + 2 * k * group);
    }
    Pair M = conj(load(lanes.lambda, 2 * n)), da = Pair::zero();
    std::array<Pair, std::size_t(max_rank + 1)> dB, dC;
    dB.fill(Pair::zero());
    dC.fill(Pair::zero());
    for (Index k = count - 1; k >= 0; --k) {
      for (Index way = 0; way < ways(); ++way) {
        const Pack dy = Pack::load(lanes.out(way) + (from + k) * group);
        M = fma(dy, load(own, ModalRows::out(way)), M);
        dC[std::size_t(way)] = fma(dy, load(states, 2 * k), dC[std::size_t(way)]);
      }
      da = fma(M, k > 0 ? load(states, 2 * k - 2) : start, da);
      for (Index way = 0; way < ways(); ++way)
        dB[std::size_t(way)] = fma(Pack::load(lanes.in(way) + (from + k) * group), M, dB[std::size_t(way)]);
      X* const du = lanes.du + (from + k) * group;
      if (rank() == 0) fma(M.re, B.re, fnma(M.im, B.im, Pack::load(du))).store(du);
      M = advance(kept, a, M, Pair::zero());
    }
    conj(settle(M)).store(lanes.lambda + 2 * n * group);
    X* const to = lanes.sums + n * rows_ * group;
    conj(da).store(to + ModalRows::change * group);
    for (Index way = 0; way < ways(); ++way) {
      conj(dB[std::size_t(way)]).store(to + ModalRows::in(way)*group);
      conj(dC[std::size_t(way)]).store(to + ModalRows::out(way) * group);
    }
  }

  ModalLags<T, N, X, Arch, Rank> lags_;
  Array<X> powers_;  // of each mode
  Array<X> sums_;    // of each block, of the modes that run at once
  Array<X> states_;  // of what is left of a block
};

}  // namespace ssm::detail
