#pragma once

#include "ssm/layer/modal_tile.hpp"

namespace ssm::detail {

/// What modes that do not meet do backwards, a block of T steps at a time: those of one group of features.
///
/// With x_i = a^(i+1) X + B sum_(m <= i) a^(i-m) u_m, X the state before the block and M the conjugate of the cotangent
/// of the one after it,
///
///     U = sum a^(T-1-m) u_m,   D = sum a^i dy_i,   U' = dU/da,   E = d(a D)/da
///     X <- a^T X + B U,        M <- C a D + a^T M,   du_m = Re(M B a^(T-1-m)) + sum_(i >= m) k_(i-m) dy_i
///     dC = a D X + B K(a),     dB = M U + C K(a),    da = C E X + M (T a^(T-1) X + B U') + C B K'(a)
///
/// the cotangents being the conjugates of these. What the steps of a block do to each other goes by the layer's first
/// responses k_i = sum over modes of Re(C B a^i), and by kappa_i = sum_m dy_(m+i) u_m with K(a) = sum kappa_i a^i: the
/// same for all modes. A mode then costs six multiplications and four additions a step, and two multiplications more on
/// the way there, with a table of its T powers; step by step it costs 27 multiplications. Powers are made in fp64 of
/// the coefficients that `forward` runs with, a^T in delta form.
template <std::floating_point T, Index N, std::floating_point X, class Arch>
class ModalBlocks : public ModalTile<T, N, X, Arch> {
  using Tile = ModalTile<T, N, X, Arch>;
  using Tile::add, Tile::add_to, Tile::advance, Tile::bind, Tile::coefficients, Tile::conj, Tile::group, Tile::keep,
      Tile::keeps, Tile::load, Tile::room, Tile::settled, Tile::store, Tile::turn_to, Tile::zero;
  using Tile::b, Tile::c, Tile::change;
  using Tile::M_, Tile::rows_;
  using typename Tile::Pack, typename Tile::Pair, typename Tile::Recurrence;
  static constexpr Index together = 3, swept = 4;  // modes that run at once: there and back; only there
  static constexpr Index reached = 4;              // blocks whose du is made at once

 public:
  static constexpr Index steps = 32;  ///< T

  using typename Tile::Lanes;

  /// Makes room for tiles of so many steps, where there is not enough.
  void fit(const Recurrence& recurrence, Index tile) {
    bind(recurrence);
    room(powers_, M_ * (steps + 1) * 2);
    room(first_, steps);
    room(kappa_, steps);
    room(sums_, (tile / steps + 1) * together * block_rows);
    room(states_, steps * 2);
  }

  /// Makes the tables of a group.     O(M T)
  void prepare(Index which) noexcept {
    turn_to(which);
    std::fill(first_.begin(), first_.end(), X(0));
    using Row = std::array<double, std::size_t(group)>;
    Row a_re, a_im, d_re, d_im, CB_re, CB_im, re, im;  // lanes in inner loops: the compiler's to make wide
    for (Index n = 0; n < M_; ++n) {
      const X* const from = coefficients(n);
      X* const table = powers(n);
      for (std::size_t l = 0; l < re.size(); ++l) {
        const auto number = [&](Index row) { return static_cast<double>(from[row * group + Index(l)]); };
        const double kept = keeps(n, Index(l)) ? 1 : 0;
        a_re[l] = number(change) + kept;
        d_re[l] = number(change);  // used where it keeps
        a_im[l] = d_im[l] = number(change + 1);
        CB_re[l] = number(b) * number(c) - number(b + 1) * number(c + 1);
        CB_im[l] = number(b) * number(c + 1) + number(b + 1) * number(c);
      }
      re.fill(1);
      im.fill(0);
      for (Index i = 0; i < steps; ++i)
        for (std::size_t l = 0; l < re.size(); ++l) {
          table[2 * i * group + Index(l)] = static_cast<X>(re[l]);
          table[(2 * i + 1) * group + Index(l)] = static_cast<X>(im[l]);
          first_(i, Index(l)) += static_cast<X>(CB_re[l] * re[l] - CB_im[l] * im[l]);
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
  /// A tile backwards, all lanes of it: adds to du, sums and kappa; lambda becomes the cotangent of `start`. Between
  /// modes it calls meanwhile(part, parts).
  template <class Meanwhile>
  void backwards(const Lanes& tile, double* kappa, Meanwhile meanwhile) noexcept {
    for (Index lane = 0; lane < group; lane += Pack::size) {
      const Lanes lanes = tile.from(lane);
      within(lanes, tile.steps / steps * steps);
      Index n = 0;
      for (; n + together <= M_; n += together) {
        if (lane == 0) meanwhile(n / together, M_ / together);
        there_and_back<together>(lanes, n);
      }
      if (n + 2 == M_) there_and_back<2>(lanes, n);
      if (n + 1 == M_) there_and_back<1>(lanes, n);
    }
    for (Index i = 0; i < steps * group; ++i) kappa[i] += static_cast<double>(kappa_.data()[i]);
  }
  /// Adds what the kappa of any number of sequences is to the cotangents of feature h's a, B and C.     O(M T)
  static void add_lags(const Recurrence& recurrence, const Array<double>& kappa, Index h,
                       DiscreteDplrSystem<double>& cotangent) {
    const Index which = h / group, lane = h % group, M = recurrence.modes();
    using Numbers = Eigen::Array<Complex<double>, Eigen::Dynamic, 1>;
    Numbers a(M), B(M), C(M), K = Numbers::Zero(M), slope = K;
    for (Index n = 0; n < M; ++n) {
      const X* const from = recurrence.coefficients(which) + n * recurrence.rows() * group + lane;
      const auto number = [&](Index row) {
        return Complex<double>(static_cast<double>(from[row * group]), static_cast<double>(from[(row + 1) * group]));
      };
      a(n) = number(change) + ((recurrence.kept(which)[n] >> lane & 1) != 0 ? 1.0 : 0.0);
      B(n) = number(b);
      C(n) = number(c);
    }
    for (Index i = steps - 1; i >= 0; --i) {  // Horner, and its derivative
      slope = slope * a + K;
      K = K * a + kappa(which, i, lane);
    }
    cotangent.C.array() += (B * K).conjugate().transpose();
    cotangent.B_bar.array() += (C * K).conjugate();
    cotangent.Delta.array() += (B * C * slope).conjugate();
  }

 private:
  /// a^0 .. a^(T-1), then a^T, less one where it keeps.
  X* powers(Index n) noexcept { return powers_.data() + n * (steps + 1) * 2 * group; }
  const X* powers(Index n) const noexcept { return powers_.data() + n * (steps + 1) * 2 * group; }

  /// What the steps of a block do to each other: four lags and four steps at a time, in registers.
  void within(const Lanes& lanes, Index whole) noexcept {
    constexpr Index some = 4;
    for (Index lag = 0; lag < steps; lag += some) {
      std::array<Pack, some> response, kappa;
      for (Index i = 0; i < some; ++i) {
        response[std::size_t(i)] = Pack::load(first_.data() + lanes.first + (lag + i) * group);
        kappa[std::size_t(i)] = Pack(X(0));
      }
      for (Index block = 0; block < whole; block += steps)
        for (Index m = 0; m < steps - lag; m += some) {
          const X *const dys = lanes.dy + (block + lag + m) * group, *const us = lanes.u + (block + m) * group;
          X* const dus = lanes.du + (block + m) * group;
          std::array<Pack, some> du;
          for (Index j = 0; j < some; ++j) du[std::size_t(j)] = Pack::load(dus + j * group);
          const auto meet = [&](Index i, Index j) {
            const Pack dy = Pack::load(dys + (i + j) * group);
            kappa[std::size_t(i)] = fma(dy, Pack::load(us + j * group), kappa[std::size_t(i)]);
            du[std::size_t(j)] = fma(dy, response[std::size_t(i)], du[std::size_t(j)]);
          };
          const bool last = m + lag + some == steps;  // what comes after the block is for later
          for (Index i = 0; i < some; ++i)
            for (Index j = 0; j < some; ++j)
              if (i + j < some || !last) meet(i, j);
          for (Index j = 0; j < some; ++j) du[std::size_t(j)].store(dus + j * group);
        }
      for (Index i = 0; i < some; ++i) kappa[std::size_t(i)].store(kappa_.data() + lanes.first + (lag + i) * group);
    }
  }

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
                             load(coefficients(n + m) + lanes.first, b),
                             load(lanes.start, 2 * (n + m)),
                             zero(),
                             keep(n + m, lanes),
                             table};
    }
    for (Index from = 0; from + steps <= lanes.steps; from += steps) {
      for (Mode& mode : all) mode.U = zero();
      for (Index i = 0; i < steps; ++i) {
        const Pack u = Pack::load(lanes.u + (from + steps - 1 - i) * group);
        for (Mode& mode : all) mode.U = add(mode.U, u, load(mode.powers, 2 * i));
      }
      for (Mode& mode : all) mode.x = settled(advance(mode.keep, mode.jump, mode.x, mode.B * mode.U));
    }
    for (Index m = 0; m < Modes; ++m) store(all[std::size_t(m)].x, lanes.start + 2 * (n + m) * group);
  }

  /// A few modes over a tile: the sums of all blocks, then the states from block to block, there and back, then du.
  template <Index Modes>
  void there_and_back(const Lanes& lanes, Index n) noexcept {
    const Index blocks = lanes.steps / steps;
    for (Index j = 0; j < blocks; ++j) sum_block<Modes>(lanes, n, j);
    pass_there<Modes>(lanes, n, blocks);
    if (lanes.steps % steps > 0)
      for (Index m = 0; m < Modes; ++m)
        rest_backwards(lanes, n + m, load(block_sums(lanes, m) + blocks * next_block, x));
    for (Index m = 0; m < Modes; ++m) pass_back(lanes, n + m, block_sums(lanes, m), blocks);
    Index j = 0;
    for (; j + reached <= blocks; j += reached) add_du<Modes, reached>(lanes, n, j);
    for (; j < blocks; ++j) add_du<Modes, 1>(lanes, n, j);
  }
  enum { U = 0, D = 2, E = 4, V = 6, x = 8, block_rows = 10 };  // V for U'; x becomes M B on the way back
  /// Of the first block, of mode m of those that run at once; the next block's are `together` times block_rows on.
  X* block_sums(const Lanes& lanes, Index m) noexcept { return sums_.data() + m * block_rows * group + lanes.first; }
  static constexpr Index next_block = together * block_rows * group;

  /// U, D, E and U' of block j. With W_i = sum_(m >= i) a^m u_(T-2-m), U is u_(T-1) + a W_0 and U' the sum of all W_i;
  /// with D_i = sum_(m >= i) a^m dy_m, D is D_0 and E the sum of all D_i: half of the work is additions.
  template <Index Modes>
  void sum_block(const Lanes& lanes, Index n, Index j) noexcept {
    struct Mode {
      Pair W, D, E, V;
    };
    std::array<Mode, std::size_t(Modes)> all;
    const Index block = j * steps * group;
    const X *const us = lanes.u + block, *const dys = lanes.dy + block;
    const X* const table = powers(n) + lanes.first;
    constexpr Index next_mode = (steps + 1) * 2 * group;
    const Pack last_dy = Pack::load(dys + (steps - 1) * group);
    for (Index m = 0; m < Modes; ++m) {
      const Pair power = load(table + m * next_mode, 2 * (steps - 1));
      const Pair first{last_dy * power.re, last_dy * power.im};
      all[std::size_t(m)] = {zero(), first, first, zero()};
    }
    for (Index i = steps - 2; i >= 0; --i) {
      const Pack u = Pack::load(us + (steps - 2 - i) * group), dy = Pack::load(dys + i * group);
      for (Index m = 0; m < Modes; ++m) {
        Mode& mode = all[std::size_t(m)];
        const Pair power = load(table + m * next_mode, 2 * i);
        mode.W = add(mode.W, u, power);
        mode.D = add(mode.D, dy, power);
        mode.V = add(mode.V, mode.W);
        mode.E = add(mode.E, mode.D);
      }
    }
    const Pair last_u{Pack::load(us + (steps - 1) * group), Pack(X(0))};
    for (Index m = 0; m < Modes; ++m) {
      X* const to = block_sums(lanes, m) + j * next_block;
      const Mode& mode = all[std::size_t(m)];
      store(add(last_u, load(table + m * next_mode, 2), mode.W), to + U * group);
      store(mode.D, to + D * group);
      store(mode.E, to + E * group);
      store(mode.V, to + V * group);
    }
  }
  /// x before each block, and after the last. Modes run side by side, since each waits for its own block before.
  template <Index Modes>
  void pass_there(const Lanes& lanes, Index n, Index blocks) noexcept {
    struct Mode {
      Pair jump, B, state;
      typename Tile::Mask keep;
    };
    std::array<Mode, std::size_t(Modes)> all;
    for (Index m = 0; m < Modes; ++m)
      all[std::size_t(m)] = {load(powers(n + m) + lanes.first, 2 * steps), load(coefficients(n + m) + lanes.first, b),
                             load(lanes.start, 2 * (n + m)), keep(n + m, lanes)};
    for (Index j = 0; j <= blocks; ++j)
      for (Index m = 0; m < Modes; ++m) {
        Mode& mode = all[std::size_t(m)];
        X* const sums = block_sums(lanes, m) + j * next_block;
        store(mode.state, sums + x * group);
        if (j < blocks) mode.state = settled(advance(mode.keep, mode.jump, mode.state, mode.B * load(sums, U)));
      }
  }
  /// M from block to block, and what the coefficients get of it.
  void pass_back(const Lanes& lanes, Index n, X* sums, Index blocks) noexcept {
    const X *const table = powers(n) + lanes.first, *const from = coefficients(n) + lanes.first;
    const Pair B = load(from, b), C = load(from, c), Ca = C * load(table, 2), jump = load(table, 2 * steps);
    const auto kept = keep(n, lanes);
    Pair M = conj(load(lanes.lambda, 2 * n)), DX = zero(), EX = zero(), MU = zero(), MV = zero(), MX = zero();
    sums += blocks * next_block;
    for (Index j = blocks - 1; j >= 0; --j) {
      sums -= next_block;
      const Pair state = load(sums, x), d = load(sums, D);
      DX = add(DX, d, state);
      EX = add(EX, load(sums, E), state);
      MU = add(MU, M, load(sums, U));
      MV = add(MV, M, load(sums, V));
      MX = add(MX, M, state);
      store(M * B, sums + x * group);
      M = settled(advance(kept, jump, M, Ca * d));
    }
    store(conj(M), lanes.lambda + 2 * n * group);
    X* const to = lanes.sums + n * rows_ * group;
    const auto put = [&](Index row, Pair value) { add_to(to + row * group, conj(value)); };
    const Pair last_power = load(table, 2 * (steps - 1));
    const Pack count(static_cast<X>(steps));
    put(c, load(table, 2) * DX);
    put(b, MU);
    put(change, add(add(C * EX, B, MV), {count * last_power.re, count * last_power.im}, MX));
  }
  /// What later blocks send to the inputs of some blocks.
  template <Index Modes, Index Blocks>
  void add_du(const Lanes& lanes, Index n, Index first) noexcept {
    std::array<std::array<Pair, std::size_t(Modes)>, std::size_t(Blocks)> MB;
    for (Index j = 0; j < Blocks; ++j)
      for (Index m = 0; m < Modes; ++m)
        MB[std::size_t(j)][std::size_t(m)] = load(block_sums(lanes, m) + (first + j) * next_block, x);
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
    const Pair a = load(own, change), B = load(own, b), C = load(own, c);
    const auto kept = keep(n, lanes);
    Pair state = start;
    for (Index k = 0; k < count; ++k) {
      const Pack u = Pack::load(lanes.u + (from + k) * group);
      state = advance(kept, a, state, {B.re * u, B.im * u});
      store(state, states + 2 * k * group);
    }
    Pair M = conj(load(lanes.lambda, 2 * n)), da = zero(), dB = zero(), dC = zero();
    for (Index k = count - 1; k >= 0; --k) {
      const Pack dy = Pack::load(lanes.dy + (from + k) * group);
      X* const du = lanes.du + (from + k) * group;
      M = add(M, dy, C);
      dC = add(dC, dy, load(states, 2 * k));
      da = add(da, M, k > 0 ? load(states, 2 * k - 2) : start);
      dB = add(dB, Pack::load(lanes.u + (from + k) * group), M);
      fma(M.re, B.re, fnma(M.im, B.im, Pack::load(du))).store(du);
      M = advance(kept, a, M, zero());
    }
    store(conj(settled(M)), lanes.lambda + 2 * n * group);
    X* const to = lanes.sums + n * rows_ * group;
    store(conj(da), to + change * group);
    store(conj(dB), to + b * group);
    store(conj(dC), to + c * group);
  }

  Array<X> powers_;  // of each mode
  Array<X> first_;   // k
  Array<X> kappa_;   // of a tile
  Array<X> sums_;    // of each block, of the modes that run at once
  Array<X> states_;  // of what is left of a block
};

}  // namespace ssm::detail
