#pragma once

#include "ssm/layer/modal_recurrence.hpp"

#include <vector>

namespace ssm::detail {

/// Cotangents of what a ModalRecurrence runs with, over any number of sequences: in fp64, and as its coefficients lie.
struct ModalCotangent {
  Array<double> coefficients;  ///< of change, B_bar, C, P_bar, Q_bar   (groups, M (6 + 4 R), lanes)
  Array<double> D;             ///< of D                                (groups, lanes)

  /// Of other sequences, added.
  ModalCotangent& operator+=(const ModalCotangent& other) {
    add(coefficients, other.coefficients);
    add(D, other.D);
    return *this;
  }
};

/// The recurrence of ModalRecurrence backwards: cotangents of its coefficients, of u and of the state before.
///
///     lambda_k = conj(C) dy_k + conj(A_bar) lambda_{k+1} + conj(Q_bar) ds_{k+1},    ds_k = -sum Re(conj(P_bar)
///     lambda_k) du_k = D dy_k + sum Re(conj(B_bar) lambda_k),          dA_bar = sum lambda_k conj(x_{k-1}) dB_bar =
///     sum lambda_k u_k,   dC = sum dy_k conj(x_k),   dP_bar = -sum lambda_k s_k,   dQ_bar = sum ds_k conj(x_{k-1})
///
/// over the modes that are kept, how often one counts being in C and Q_bar. The states are made again: those before
/// each tile of time first, then, from the last tile to the first, those within it. From rest, and where the state's
/// own cotangent is not asked for, modes without a low-rank part run as w = x / B_bar, which spares a quarter of the
/// work.
template <std::floating_point T, Index N, std::floating_point X, class Arch>
class ModalAdjoint {
  using Recurrence = ModalRecurrence<T, N, X, Arch>;
  using Pack = simd::Pack<X, Arch>;
  using Pair = typename Recurrence::Pair;
  using Mask = typename Pack::Mask;
  static constexpr Index group = simd::group<X>, pack = Pack::size;
  static constexpr Index together = 2, swept = 4;  // modes that run at once: there and back; only there

 public:
  ModalAdjoint(const Recurrence& recurrence, Index length)
      : recurrence_(recurrence),
        M_(recurrence.modes()),
        R_(recurrence.rank()),
        rows_(recurrence.rows()),
        tile_(R_ == 0 ? 256 : std::clamp<Index>(settled(length), 64, 256)),
        u_(buffer(tile_)),
        dy_(buffer(tile_)),
        du_(buffer(tile_)),
        states_(buffer((tile_ + 1) * 2 * (R_ == 0 ? together : M_))),
        starts_(buffer((length + tile_ - 1) / tile_ * 2 * M_)),
        lambda_(buffer(2 * M_)),
        sums_(buffer(M_ * rows_)),
        totals_(M_ * rows_, group),
        s_(buffer(tile_ * std::max<Index>(R_, 1))) {}

  /// Features first .. first + count - 1, count being u's: a group or what is left of one.
  /// @param before   state before step 0, or none: rest
  /// @param after    cotangent of the state after the last step, becomes that of the state before the first; or none
  void operator()(Index first, ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du, const ModalState<X>* before,
                  ModalState<X>* after, ModalCotangent& cotangent) {
    const Index which = first / group, L = u.length(), tiles = (L + tile_ - 1) / tile_, size = 2 * M_ * group;
    if (L == 0) return;  // the cotangent after no step is that before it
    X* const starts = starts_.data();
    std::fill_n(starts, size, X(0));
    if (before != nullptr) std::copy_n(before->group(which), size, starts);
    std::fill(lambda_.begin(), lambda_.end(), X(0));
    if (after != nullptr) std::copy_n(after->group(which), size, lambda_.data());
    std::fill(totals_.begin(), totals_.end(), 0.0);
    const bool scaled = R_ == 0 && before == nullptr && after == nullptr;
    for (Index i = 0; i + 1 < tiles; ++i) {
      gather(u.block(i * tile_, tile_), u_);
      std::copy_n(starts + i * size, size, starts + (i + 1) * size);
      for (Index lane = 0; lane < group; lane += pack) {
        const Lanes lanes = view(which, lane, i + 1, tile_);
        scaled ? sweep<true>(lanes) : sweep<false>(lanes);
      }
    }
    for (Index i = tiles - 1; i >= 0; --i) {
      const Index from = i * tile_, steps = std::min(tile_, L - from);
      gather(u.block(from, steps), u_);
      gather(dy.block(from, steps), dy_);
      direct(which, steps, cotangent);
      std::fill(sums_.begin(), sums_.end(), X(0));
      for (Index lane = 0; lane < group; lane += pack) {
        const Lanes lanes = view(which, lane, i, steps);
        if (scaled)
          modes_backwards<true>(lanes);
        else if (R_ == 0)
          modes_backwards<false>(lanes);
        else
          steps_backwards(lanes);
      }
      for (Index j = 0; j < totals_.size(); ++j) totals_.data()[j] += static_cast<double>(sums_.data()[j]);
      for (Index k = 0; k < steps; ++k)
        for (Index h = 0; h < u.features(); ++h) du(from + k, h) += static_cast<T>(du_(k, h));
    }
    if (scaled) unscale(which);
    double* const all = cotangent.coefficients.row(which).data();
    for (Index j = 0; j < totals_.size(); ++j) all[j] += totals_.data()[j];
    if (after != nullptr) std::copy_n(lambda_.data(), size, after->group(which));
  }

 private:
  enum { change = 0, b = 2, c = 4, p = 6, q = 8 };  // rows of a mode; p and q of each rank follow one another

  /// Steps whose states, with those at the tiles' starts, are fewest.
  static Index settled(Index length) {
    Index tile = 64;
    while (tile * tile < length) tile += 64;
    return tile;
  }
  static Array<X> buffer(Index rows) { return Array<X>(rows, group); }

  /// Some lanes of a group over a tile; rows are a group apart.
  struct Lanes {
    const X* coefficients;
    const std::uint16_t* kept;
    Index first, steps;
    X *start, *u, *dy, *du, *states, *lambda, *sums, *s;

    Mask keep(Index n) const noexcept { return Mask(std::uint32_t{kept[n]} >> first); }
  };
  Lanes view(Index which, Index lane, Index tile, Index steps) noexcept {
    return {recurrence_.coefficients(which) + lane,
            recurrence_.kept(which),
            lane,
            steps,
            starts_.data() + tile * 2 * M_ * group + lane,
            u_.data() + lane,
            dy_.data() + lane,
            du_.data() + lane,
            states_.data() + lane,
            lambda_.data() + lane,
            sums_.data() + lane,
            s_.data() + lane};
  }

  static void gather(ConstSequence<T> from, Array<X>& to) {
    for (Index k = 0; k < from.length(); ++k) {
      for (Index h = 0; h < from.features(); ++h) to(k, h) = static_cast<X>(from(k, h));
      for (Index h = from.features(); h < group; ++h) to(k, h) = 0;
    }
  }
  /// What D does, and du's beginning.
  void direct(Index which, Index steps, ModalCotangent& cotangent) {
    for (Index h = 0; h < group; ++h) {
      double sum = 0;
      for (Index k = 0; k < steps; ++k) {
        sum += static_cast<double>(dy_(k, h)) * static_cast<double>(u_(k, h));
        du_(k, h) = recurrence_.direct(which)[h] * dy_(k, h);
      }
      cotangent.D(which, h) += sum;
    }
  }

  static Pack rounded(Pack x) noexcept {
    constexpr X grid = settling_grid<X>;
    return (x + Pack(grid)) - Pack(grid);
  }
  static Pair load(const X* coefficients, Index row) noexcept { return Pair::load(coefficients + row * group); }
  static void store(Pair value, X* to) noexcept {
    value.re.store(to);
    value.im.store(to + group);
  }
  static void add(Pair value, X* to) noexcept {
    (Pack::load(to) + value.re).store(to);
    (Pack::load(to + group) + value.im).store(to + group);
  }
  /// += a conj(x)
  static Pair add_conj(Pair sum, Pair a, Pair x) noexcept {
    return {fma(a.im, x.im, fma(a.re, x.re, sum.re)), fnma(a.re, x.im, fma(a.im, x.re, sum.im))};
  }
  /// keep x + a x + v
  static Pair advance(Mask keep, Pair a, Pair x, Pair v) noexcept {
    return {Pack::add_where(keep, x.re, fma(a.re, x.re, fnma(a.im, x.im, v.re))),
            Pack::add_where(keep, x.im, fma(a.re, x.im, fma(a.im, x.re, v.im)))};
  }

  /// The states at `start` move over the tile.
  template <bool Scaled>
  void sweep(Lanes lanes) const noexcept {
    if (R_ > 0) {
      run_steps(lanes);
      const X* const last = lanes.states + lanes.steps * 2 * M_ * group;
      for (Index i = 0; i < 2 * M_; ++i) rounded(Pack::load(last + i * group)).store(lanes.start + i * group);
      return;
    }
    Index n = 0;
    for (; n + swept <= M_; n += swept) sweep_modes<swept, Scaled>(lanes, n);
    for (; n < M_; ++n) sweep_modes<1, Scaled>(lanes, n);
  }
  template <Index Modes, bool Scaled>
  void sweep_modes(Lanes lanes, Index n) const noexcept {
    struct Mode {
      Pair change, b, x;
      Mask keep;
    };
    std::array<Mode, std::size_t(Modes)> all;
    for (Index m = 0; m < Modes; ++m) {
      const X* const from = lanes.coefficients + (n + m) * rows_ * group;
      all[static_cast<std::size_t>(m)] = {load(from, change), load(from, b),
                                          Pair::load(lanes.start + 2 * (n + m) * group), lanes.keep(n + m)};
    }
    for (Index k = 0; k < lanes.steps; ++k) {
      const Pack u = Pack::load(lanes.u + k * group);
      for (Mode& mode : all) mode.x = advance(mode.keep, mode.change, mode.x, driven<Scaled>(mode.b, u));
    }
    for (Index m = 0; m < Modes; ++m) {
      const Pair& x = all[static_cast<std::size_t>(m)].x;
      store({rounded(x.re), rounded(x.im)}, lanes.start + 2 * (n + m) * group);
    }
  }
  /// B_bar u, or u where the state is divided by B_bar.
  template <bool Scaled>
  static Pair driven(Pair B, Pack u) noexcept {
    if constexpr (Scaled) return {u, Pack(X(0))};
    return {B.re * u, B.im * u};
  }

  template <bool Scaled>
  void modes_backwards(Lanes lanes) const noexcept {
    Index n = 0;
    for (; n + together <= M_; n += together) backwards<together, Scaled>(lanes, n);
    for (; n < M_; ++n) backwards<1, Scaled>(lanes, n);
  }

  /// Modes that do not meet, a few of them over the whole tile, there and back.
  template <Index Modes, bool Scaled>
  void backwards(Lanes lanes, Index n) const noexcept {
    struct Mode {
      Pair change, b, c, x, dchange, db, dc;
      Mask keep;
    };
    constexpr Index stride = 2 * Modes * group;  // of the states of a step
    std::array<Mode, std::size_t(Modes)> all;
    const Pair zero{Pack(X(0)), Pack(X(0))};
    for (Index m = 0; m < Modes; ++m) {
      const X* const from = lanes.coefficients + (n + m) * rows_ * group;
      Mode& mode = all[static_cast<std::size_t>(m)];
      mode = {load(from, change),
              load(from, b),
              load(from, c),
              Pair::load(lanes.start + 2 * (n + m) * group),
              zero,
              zero,
              zero,
              lanes.keep(n + m)};
      if constexpr (Scaled) mode.c = mode.c * mode.b;
      store(mode.x, lanes.states + 2 * m * group);
    }
    for (Index k = 0; k < lanes.steps; ++k) {
      const Pack u = Pack::load(lanes.u + k * group);
      X* const to = lanes.states + (k + 1) * stride;
      for (Index m = 0; m < Modes; ++m) {
        Mode& mode = all[static_cast<std::size_t>(m)];
        mode.x = advance(mode.keep, mode.change, mode.x, driven<Scaled>(mode.b, u));
        store(mode.x, to + 2 * m * group);
      }
    }
    for (Index m = 0; m < Modes; ++m)  // x becomes the cotangent that comes from later steps
      all[static_cast<std::size_t>(m)].x = Pair::load(lanes.lambda + 2 * (n + m) * group);
    for (Index k = lanes.steps - 1; k >= 0; --k) {
      const Pack dy = Pack::load(lanes.dy + k * group), u = Pack::load(lanes.u + k * group);
      Pack du = Pack::load(lanes.du + k * group);
      const X* const before = lanes.states + k * stride;
      for (Index m = 0; m < Modes; ++m) {
        Mode& mode = all[static_cast<std::size_t>(m)];
        const Pair lambda{fma(mode.c.re, dy, mode.x.re), fnma(mode.c.im, dy, mode.x.im)};
        const Pair now = Pair::load(before + stride + 2 * m * group);
        mode.dc = {fma(dy, now.re, mode.dc.re), fnma(dy, now.im, mode.dc.im)};
        mode.dchange = add_conj(mode.dchange, lambda, Pair::load(before + 2 * m * group));
        if constexpr (Scaled) {
          du = du + lambda.re;
        } else {
          du = fma(mode.b.re, lambda.re, fma(mode.b.im, lambda.im, du));
          mode.db = {fma(lambda.re, u, mode.db.re), fma(lambda.im, u, mode.db.im)};
        }
        mode.x = {Pack::add_where(mode.keep, lambda.re, fma(mode.change.re, lambda.re, mode.change.im * lambda.im)),
                  Pack::add_where(mode.keep, lambda.im, fnma(mode.change.im, lambda.re, mode.change.re * lambda.im))};
      }
      du.store(lanes.du + k * group);
    }
    for (Index m = 0; m < Modes; ++m) {
      const Mode& mode = all[static_cast<std::size_t>(m)];
      store({rounded(mode.x.re), rounded(mode.x.im)}, lanes.lambda + 2 * (n + m) * group);
      X* const to = lanes.sums + (n + m) * rows_ * group;
      store(mode.dchange, to + change * group);
      store(mode.db, to + b * group);
      store(mode.dc, to + c * group);
    }
  }

  /// The states of every step of the tile, and what the modes have in common there.
  void run_steps(Lanes lanes) const noexcept {
    const Index stride = 2 * M_ * group;
    for (Index i = 0; i < 2 * M_; ++i) Pack::load(lanes.start + i * group).store(lanes.states + i * group);
    for (Index k = 0; k < lanes.steps; ++k) {
      const X* const x = lanes.states + k * stride;
      X* const next = lanes.states + (k + 1) * stride;
      const Pack u = Pack::load(lanes.u + k * group);
      for (Index r = 0; r < R_; ++r) {
        Pack s(X(0));
        for (Index n = 0; n < M_; ++n) {
          const Pair Q = load(lanes.coefficients + n * rows_ * group, q + 4 * r), now = Pair::load(x + 2 * n * group);
          s = fma(Q.re, now.re, fnma(Q.im, now.im, s));
        }
        s.store(lanes.s + (k * R_ + r) * group);
      }
      for (Index n = 0; n < M_; ++n) {
        const X* const from = lanes.coefficients + n * rows_ * group;
        const Pair B = load(from, b);
        Pair v{B.re * u, B.im * u};
        for (Index r = 0; r < R_; ++r) {
          const Pair P = load(from, p + 4 * r);
          const Pack s = Pack::load(lanes.s + (k * R_ + r) * group);
          v = {fnma(P.re, s, v.re), fnma(P.im, s, v.im)};
        }
        store(advance(lanes.keep(n), load(from, change), Pair::load(x + 2 * n * group), v), next + 2 * n * group);
      }
    }
  }

  /// Modes that a low-rank part joins, step by step.
  void steps_backwards(Lanes lanes) const noexcept {
    run_steps(lanes);
    const Index stride = 2 * M_ * group;
    std::array<Pack, std::size_t(max_rank)> ds;
    for (Index k = lanes.steps - 1; k >= 0; --k) {
      const Pack dy = Pack::load(lanes.dy + k * group), u = Pack::load(lanes.u + k * group);
      Pack du = Pack::load(lanes.du + k * group);
      ds.fill(Pack(X(0)));
      for (Index n = 0; n < M_; ++n) {
        const X* const from = lanes.coefficients + n * rows_ * group;
        X* const sums = lanes.sums + n * rows_ * group;
        const Pair C = load(from, c), B = load(from, b), carried = Pair::load(lanes.lambda + 2 * n * group);
        const Pair lambda{fma(C.re, dy, carried.re), fnma(C.im, dy, carried.im)};
        store(lambda, lanes.lambda + 2 * n * group);
        const Pair now = Pair::load(lanes.states + (k + 1) * stride + 2 * n * group);
        add({dy * now.re, Pack(X(0)) - dy * now.im}, sums + c * group);
        add({lambda.re * u, lambda.im * u}, sums + b * group);
        du = fma(B.re, lambda.re, fma(B.im, lambda.im, du));
        for (Index r = 0; r < R_; ++r) {
          const Pair P = load(from, p + 4 * r);
          const Pack minus_s = Pack(X(0)) - Pack::load(lanes.s + (k * R_ + r) * group);
          add({lambda.re * minus_s, lambda.im * minus_s}, sums + (p + 4 * r) * group);
          Pack& sum = ds[static_cast<std::size_t>(r)];
          sum = fnma(P.re, lambda.re, fnma(P.im, lambda.im, sum));
        }
      }
      du.store(lanes.du + k * group);
      for (Index n = 0; n < M_; ++n) {
        const X* const from = lanes.coefficients + n * rows_ * group;
        X* const sums = lanes.sums + n * rows_ * group;
        const Pair lambda = Pair::load(lanes.lambda + 2 * n * group), a = load(from, change);
        const Pair before = Pair::load(lanes.states + k * stride + 2 * n * group);
        store(add_conj(load(sums, change), lambda, before), sums + change * group);
        Pair carry{fma(a.re, lambda.re, a.im * lambda.im), fnma(a.im, lambda.re, a.re * lambda.im)};
        for (Index r = 0; r < R_; ++r) {
          const Pair Q = load(from, q + 4 * r);
          const Pack d = ds[static_cast<std::size_t>(r)];
          add({d * before.re, Pack(X(0)) - d * before.im}, sums + (q + 4 * r) * group);
          carry = {fma(Q.re, d, carry.re), fnma(Q.im, d, carry.im)};
        }
        const Mask keep = lanes.keep(n);
        store({Pack::add_where(keep, lambda.re, carry.re), Pack::add_where(keep, lambda.im, carry.im)},
              lanes.lambda + 2 * n * group);
      }
    }
    for (Index i = 0; i < 2 * M_; ++i) rounded(Pack::load(lanes.lambda + i * group)).store(lanes.lambda + i * group);
  }

  /// Sums that were made from rest: with C B_bar in the place of C, and none of B_bar.
  void unscale(Index which) noexcept {
    const X* const coefficients = recurrence_.coefficients(which);
    for (Index n = 0; n < M_; ++n)
      for (Index lane = 0; lane < group; ++lane) {
        const auto at = [&](Index row) { return (n * rows_ + row) * group + lane; };
        const auto coefficient = [&](Index row) {
          return Complex<double>(coefficients[at(row)], coefficients[at(row + 1)]);
        };
        double* const sums = totals_.data();
        const Complex<double> dCB(sums[at(c)], sums[at(c + 1)]);
        const Complex<double> dC = std::conj(coefficient(b)) * dCB, dB = std::conj(coefficient(c)) * dCB;
        sums[at(c)] = dC.real();
        sums[at(c + 1)] = dC.imag();
        sums[at(b)] = dB.real();
        sums[at(b + 1)] = dB.imag();
      }
  }

  const Recurrence& recurrence_;
  Index M_, R_, rows_, tile_;
  Array<X> u_, dy_, du_;  // a tile
  Array<X> states_;       // x before each of its steps, and after the last
  Array<X> starts_;       // x before each tile
  Array<X> lambda_;       // cotangent of the state, from later tiles
  Array<X> sums_;         // cotangents of the coefficients: of a tile
  Array<double> totals_;  // of the sequence
  Array<X> s_;            // what the modes have in common, each step of a tile
};

}  // namespace ssm::detail
