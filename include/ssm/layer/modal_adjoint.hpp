#pragma once

#include "ssm/layer/modal_blocks.hpp"

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
/// each tile of time first, then, from the last tile to the first, those within it. Modes without a low-rank part go
/// by blocks of steps, see ModalBlocks.
template <std::floating_point T, Index N, std::floating_point X, class Arch>
class ModalAdjoint {
  using Recurrence = ModalRecurrence<T, N, X, Arch>;
  using Pack = simd::Pack<X, Arch>;
  using Pair = typename Recurrence::Pair;
  using Mask = typename Pack::Mask;
  static constexpr Index group = simd::group<X>, pack = Pack::size;
  using Blocks = ModalBlocks<T, N, X, Arch>;

 public:
  /// Makes room for a sequence of so many steps, where there is not enough.
  void fit(const Recurrence& recurrence, Index length) {
    recurrence_ = &recurrence;
    M_ = recurrence.modes();
    R_ = recurrence.rank();
    rows_ = recurrence.rows();
    tile_ = R_ == 0 ? std::clamp<Index>(length, 1, 1024) : std::clamp<Index>(settled(length), 64, 256);
    const auto room = [](auto& array, Index rows) {
      if (array.rows() < rows) array = std::remove_cvref_t<decltype(array)>(rows, group);
    };
    room(u_, tile_);
    room(dy_, tile_);
    room(du_, tile_);
    room(starts_, (length + tile_ - 1) / tile_ * 2 * M_);
    room(lambda_, 2 * M_);
    room(sums_, M_ * rows_);
    room(totals_, M_ * rows_);
    if (R_ == 0) return blocks_.fit(recurrence, tile_);
    room(states_, (tile_ + 1) * 2 * M_);
    room(lambdas_, tile_ * 2 * M_);
    room(s_, tile_ * R_);
    room(ds_, tile_ * R_);
  }

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
    const bool apart = R_ == 0;  // no low-rank part joins the modes
    if (apart) blocks_.prepare(which);
    for (Index i = 0; i + 1 < tiles; ++i) {
      gather(u.block(i * tile_, tile_), u_);
      std::copy_n(starts + i * size, size, starts + (i + 1) * size);
      for (Index lane = 0; lane < group; lane += pack)
        apart ? blocks_.sweep(block_lanes(lane, i + 1, tile_))
              : with_rank([&]<Index Rank>() { sweep<Rank>(view(which, lane, i + 1, tile_)); });
    }
    for (Index i = tiles - 1; i >= 0; --i) {
      const Index from = i * tile_, steps = std::min(tile_, L - from);
      gather(u.block(from, steps), u_);
      gather(dy.block(from, steps), dy_);
      direct(which, steps, cotangent);
      std::fill(sums_.begin(), sums_.end(), X(0));
      if (apart)
        blocks_.backwards(block_lanes(0, i, steps), [&, before = i > 0 ? tile_ : 0](Index part, Index parts) {
          prefetch(u.block(from - before, before), part, parts);
          prefetch(dy.block(from - before, before), part, parts);
          prefetch(ConstSequence<T>(du).block(from - before, before), part, parts);
        });
      else
        for (Index lane = 0; lane < group; lane += pack)
          with_rank([&]<Index Rank>() { steps_backwards<Rank>(view(which, lane, i, steps)); });
      for (Index j = 0; j < totals_.size(); ++j) totals_.data()[j] += static_cast<double>(sums_.data()[j]);
      for (Index k = 0; k < steps; ++k) {
        T* const row = du.row(from + k).data();
        const X* const lanes = du_.row(k).data();
        if constexpr (std::same_as<T, X>)
          if (u.features() == group) {
            for (Index h = 0; h < group; h += pack) (Pack::load(row + h) + Pack::load(lanes + h)).store(row + h);
            continue;
          }
        for (Index h = 0; h < u.features(); ++h) row[h] += static_cast<T>(lanes[h]);
      }
    }
    if (apart) blocks_.finish(totals_.data());
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

  template <class F>
  void with_rank(F f) const {
    R_ == 1 ? f.template operator()<1>() : R_ == 2 ? f.template operator()<2>() : f.template operator()<dynamic>();
  }

  /// Some lanes of a group over a tile; rows are a group apart.
  struct Lanes {
    const X* coefficients;
    const std::uint16_t* kept;
    Index first, steps;
    X *start, *u, *dy, *du, *states, *lambdas, *lambda, *sums, *s, *ds;

    Mask keep(Index n) const noexcept { return Mask(std::uint32_t{kept[n]} >> first); }
  };
  Lanes view(Index which, Index lane, Index tile, Index steps) noexcept {
    return {recurrence_->coefficients(which) + lane,
            recurrence_->kept(which),
            lane,
            steps,
            starts_.data() + tile * 2 * M_ * group + lane,
            u_.data() + lane,
            dy_.data() + lane,
            du_.data() + lane,
            states_.data() + lane,
            lambdas_.data() + lane,
            lambda_.data() + lane,
            sums_.data() + lane,
            s_.data() + lane,
            ds_.data() + lane};
  }

  typename Blocks::Lanes block_lanes(Index lane, Index tile, Index steps) noexcept {
    return {lane,
            steps,
            starts_.data() + tile * 2 * M_ * group + lane,
            u_.data() + lane,
            dy_.data() + lane,
            du_.data() + lane,
            lambda_.data() + lane,
            sums_.data() + lane};
  }

  /// Rows of some features, as lanes.
  static void gather(ConstSequence<T> from, Array<X>& to) noexcept {
    const Index count = from.features();
    for (Index k = 0; k < from.length(); ++k) {
      const T* const row = from.row(k).data();
      X* const lanes = to.row(k).data();
      if constexpr (std::same_as<T, X>)
        if (count == group) {
          for (Index h = 0; h < group; h += pack) Pack::load(row + h).store(lanes + h);
          continue;
        }
      for (Index h = 0; h < count; ++h) lanes[h] = static_cast<X>(row[h]);
      for (Index h = count; h < group; ++h) lanes[h] = 0;
    }
  }
  /// What D does, and du's beginning.
  void direct(Index which, Index steps, ModalCotangent& cotangent) noexcept {
    std::array<X, std::size_t(group)> sums;
    for (Index lane = 0; lane < group; lane += pack) {
      const Pack D = Pack::load(recurrence_->direct(which) + lane);
      Pack sum(X(0));
      for (Index at = lane; at < steps * group; at += group) {
        const Pack dy = Pack::load(dy_.data() + at);
        sum = fma(dy, Pack::load(u_.data() + at), sum);
        (D * dy).store(du_.data() + at);
      }
      sum.store(sums.data() + lane);
    }
    for (Index h = 0; h < group; ++h) cotangent.D(which, h) += static_cast<double>(sums[static_cast<std::size_t>(h)]);
  }
  /// Asks for a share of what comes next: its rows are further apart than a processor guesses.
  template <class U>
  static void prefetch(SequenceView<U> rows, Index part, Index parts) noexcept {
    for (Index k = rows.length() * part / parts; k < rows.length() * (part + 1) / parts; ++k)
      simd::prefetch(rows.row(k).data());
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
  template <Index Rank>
  void sweep(Lanes lanes) const noexcept {
    run_steps<Rank>(lanes);
    const X* const last = lanes.states + lanes.steps * 2 * M_ * group;
    for (Index i = 0; i < 2 * M_; ++i) rounded(Pack::load(last + i * group)).store(lanes.start + i * group);
  }

  /// Sums over modes, in parts that do not wait for each other.
  struct Parts {
    std::array<Pack, 4> parts{Pack(X(0)), Pack(X(0)), Pack(X(0)), Pack(X(0))};
    Pack& operator[](Index part) noexcept { return parts[static_cast<std::size_t>(part)]; }
    Pack total() const noexcept { return (parts[0] + parts[1]) + (parts[2] + parts[3]); }
  };
  /// One each for the ranks there are, a number that the compiler knows where it is 1 or 2.
  template <Index Rank, class Each>
  using OfRanks = std::array<Each, std::size_t(Rank == dynamic ? max_rank : Rank)>;
  template <Index Rank>
  Index rank() const noexcept {
    return Rank == dynamic ? R_ : Rank;
  }
  /// f(n, part) for all modes, four parts in a row.
  template <class F>
  void each_mode(F f) const noexcept {
    Index n = 0;
    for (; n + 4 <= M_; n += 4) {
      f(n, 0);
      f(n + 1, 1);
      f(n + 2, 2);
      f(n + 3, 3);
    }
    for (; n < M_; ++n) f(n, 0);
  }

  /// The states of every step of the tile, and what the modes have in common there.
  template <Index Rank>
  void run_steps(Lanes lanes) const noexcept {
    const Index R = rank<Rank>();
    const Index stride = 2 * M_ * group;
    OfRanks<Rank, Parts> s;
    const auto gather_s = [&](Index n, Index part, Pair x) {
      for (Index r = 0; r < R; ++r) {
        const Pair Q = load(lanes.coefficients + n * rows_ * group, q + 4 * r);
        Pack& sum = s[static_cast<std::size_t>(r)][part];
        sum = fma(Q.re, x.re, fnma(Q.im, x.im, sum));
      }
    };
    each_mode([&](Index n, Index part) {
      const Pair x = Pair::load(lanes.start + 2 * n * group);
      store(x, lanes.states + 2 * n * group);
      gather_s(n, part, x);
    });
    for (Index k = 0; k < lanes.steps; ++k) {
      const X* const x = lanes.states + k * stride;
      X* const next = lanes.states + (k + 1) * stride;
      const Pack u = Pack::load(lanes.u + k * group);
      OfRanks<Rank, Pack> now;
      for (Index r = 0; r < R; ++r) {
        now[static_cast<std::size_t>(r)] = s[static_cast<std::size_t>(r)].total();
        now[static_cast<std::size_t>(r)].store(lanes.s + (k * R + r) * group);
        s[static_cast<std::size_t>(r)] = {};
      }
      each_mode([&](Index n, Index part) {
        const X* const from = lanes.coefficients + n * rows_ * group;
        const Pair B = load(from, b);
        Pair v{B.re * u, B.im * u};
        for (Index r = 0; r < R; ++r) {
          const Pair P = load(from, p + 4 * r);
          v = {fnma(P.re, now[static_cast<std::size_t>(r)], v.re), fnma(P.im, now[static_cast<std::size_t>(r)], v.im)};
        }
        const Pair moved = advance(lanes.keep(n), load(from, change), Pair::load(x + 2 * n * group), v);
        store(moved, next + 2 * n * group);
        gather_s(n, part, moved);
      });
    }
  }

  /// Modes that a low-rank part joins: the cotangents of the states step by step, then what the coefficients get of
  /// them mode by mode.
  template <Index Rank>
  void steps_backwards(Lanes lanes) const noexcept {
    const Index R = rank<Rank>();
    run_steps<Rank>(lanes);
    const Index stride = 2 * M_ * group;
    for (Index k = lanes.steps - 1; k >= 0; --k) {
      const Pack dy = Pack::load(lanes.dy + k * group);
      X* const lambdas = lanes.lambdas + k * stride;
      Parts du;
      OfRanks<Rank, Parts> ds_parts;
      each_mode([&](Index n, Index part) {
        const X* const from = lanes.coefficients + n * rows_ * group;
        const Pair C = load(from, c), B = load(from, b), carried = Pair::load(lanes.lambda + 2 * n * group);
        const Pair lambda{fma(C.re, dy, carried.re), fnma(C.im, dy, carried.im)};
        store(lambda, lambdas + 2 * n * group);
        du[part] = fma(B.re, lambda.re, fma(B.im, lambda.im, du[part]));
        for (Index r = 0; r < R; ++r) {
          const Pair P = load(from, p + 4 * r);
          Pack& sum = ds_parts[static_cast<std::size_t>(r)][part];
          sum = fnma(P.re, lambda.re, fnma(P.im, lambda.im, sum));
        }
      });
      (Pack::load(lanes.du + k * group) + du.total()).store(lanes.du + k * group);
      OfRanks<Rank, Pack> ds;
      for (Index r = 0; r < R; ++r) {
        ds[static_cast<std::size_t>(r)] = ds_parts[static_cast<std::size_t>(r)].total();
        ds[static_cast<std::size_t>(r)].store(lanes.ds + (k * R + r) * group);
      }
      for (Index n = 0; n < M_; ++n) {
        const X* const from = lanes.coefficients + n * rows_ * group;
        const Pair lambda = Pair::load(lambdas + 2 * n * group), a = load(from, change);
        Pair carry{fma(a.re, lambda.re, a.im * lambda.im), fnma(a.im, lambda.re, a.re * lambda.im)};
        for (Index r = 0; r < R; ++r) {
          const Pair Q = load(from, q + 4 * r);
          const Pack d = ds[static_cast<std::size_t>(r)];
          carry = {fma(Q.re, d, carry.re), fnma(Q.im, d, carry.im)};
        }
        const Mask keep = lanes.keep(n);
        store({Pack::add_where(keep, lambda.re, carry.re), Pack::add_where(keep, lambda.im, carry.im)},
              lanes.lambda + 2 * n * group);
      }
    }
    for (Index i = 0; i < 2 * M_; ++i) rounded(Pack::load(lanes.lambda + i * group)).store(lanes.lambda + i * group);
    for (Index n = 0; n < M_; ++n) add_sums<Rank>(lanes, n);
  }
  /// What the coefficients of a mode get of a tile.
  template <Index Rank>
  void add_sums(Lanes lanes, Index n) const noexcept {
    const Index R = rank<Rank>();
    const Index stride = 2 * M_ * group;
    const Pair zero{Pack(X(0)), Pack(X(0))};
    Pair dchange = zero, dB = zero, dC = zero, now = Pair::load(lanes.states + 2 * n * group);
    OfRanks<Rank, Pair> dP, dQ;
    dP.fill(zero);
    dQ.fill(zero);
    for (Index k = 0; k < lanes.steps; ++k) {
      const Pair before = now, lambda = Pair::load(lanes.lambdas + k * stride + 2 * n * group);
      now = Pair::load(lanes.states + (k + 1) * stride + 2 * n * group);
      const Pack dy = Pack::load(lanes.dy + k * group), u = Pack::load(lanes.u + k * group);
      dC = {fma(dy, now.re, dC.re), fnma(dy, now.im, dC.im)};
      dB = {fma(lambda.re, u, dB.re), fma(lambda.im, u, dB.im)};
      dchange = add_conj(dchange, lambda, before);
      for (Index r = 0; r < R; ++r) {
        const Pack s = Pack::load(lanes.s + (k * R + r) * group), d = Pack::load(lanes.ds + (k * R + r) * group);
        Pair &P = dP[static_cast<std::size_t>(r)], &Q = dQ[static_cast<std::size_t>(r)];
        P = {fnma(lambda.re, s, P.re), fnma(lambda.im, s, P.im)};
        Q = {fma(d, before.re, Q.re), fnma(d, before.im, Q.im)};
      }
    }
    X* const sums = lanes.sums + n * rows_ * group;
    add(dchange, sums + change * group);
    add(dB, sums + b * group);
    add(dC, sums + c * group);
    for (Index r = 0; r < R; ++r) {
      add(dP[static_cast<std::size_t>(r)], sums + (p + 4 * r) * group);
      add(dQ[static_cast<std::size_t>(r)], sums + (q + 4 * r) * group);
    }
  }

  const Recurrence* recurrence_ = nullptr;
  Index M_ = 0, R_ = 0, rows_ = 0, tile_ = 0;
  Array<X> u_, dy_, du_;  // a tile
  Array<X> states_;       // x before each of its steps, and after the last
  Array<X> starts_;       // x before each tile
  Array<X> lambda_;       // cotangent of the state, from later tiles
  Array<X> sums_;         // cotangents of the coefficients: of a tile
  Array<double> totals_;  // of the sequence
  Blocks blocks_;         // where there is no low-rank part
  Array<X> lambdas_;      // of each of the tile's steps
  Array<X> s_, ds_;       // what the modes have in common there, and its cotangent
};

}  // namespace ssm::detail
