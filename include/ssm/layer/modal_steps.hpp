#pragma once

#include "ssm/layer/modal_tile.hpp"

namespace ssm::detail {

/// What modes that a low-rank part joins do backwards, step by step: those of one group of features.
///
///     lambda_k = conj(C) dy_k + conj(A_bar) lambda_{k+1} + conj(Q_bar) ds_{k+1},    ds_k = -sum Re(conj(P_bar)
///     lambda_k)
///
/// over a stretch of a few steps, then what the coefficients get of it, mode by mode, while it is near. Sums over modes
/// run in parts that do not wait for each other.
template <std::floating_point T, Index N, std::floating_point X, class Arch>
class ModalSteps : public ModalTile<T, N, X, Arch> {
  using Tile = ModalTile<T, N, X, Arch>;
  using Tile::add, Tile::add_conj, Tile::add_to, Tile::advance, Tile::bind, Tile::coefficients, Tile::group, Tile::keep,
      Tile::load, Tile::room, Tile::settled, Tile::store, Tile::turn_to, Tile::zero;
  using Tile::b, Tile::c, Tile::change, Tile::p, Tile::q;
  using Tile::M_, Tile::R_, Tile::rows_;
  using typename Tile::Pack, typename Tile::Pair, typename Tile::Recurrence;

 public:
  using typename Tile::Lanes;

  /// Makes room for tiles of so many steps, where there is not enough.
  void fit(const Recurrence& recurrence, Index tile) {
    bind(recurrence);
    room(states_, (tile + 1) * 2 * M_);
    room(lambdas_, stretch * 2 * M_);
    room(s_, tile * R_);
    room(ds_, tile * R_);
  }
  /// The group whose turn it is.
  void prepare(Index which) noexcept { turn_to(which); }

  /// The states at `start` move over the tile.
  void sweep(const Lanes& lanes) noexcept {
    with_rank([&]<Index Rank>() { run<Rank, false>(lanes); });
    const X* const last = states(lanes, lanes.steps % 2);
    for (Index n = 0; n < M_; ++n) store(settled(load(last, 2 * n)), lanes.start + 2 * n * group);
  }
  /// A tile backwards: adds to du and sums; lambda becomes the cotangent of `start`.
  void backwards(const Lanes& lanes) noexcept {
    with_rank([&]<Index Rank>() {
      run<Rank, true>(lanes);
      for (Index end = lanes.steps; end > 0;) {
        const Index first = (end - 1) / stretch * stretch;
        run_back<Rank>(lanes, first, end);
        for (Index n = 0; n < M_; ++n) add_sums<Rank>(lanes, n, first, end);
        end = first;
      }
    });
    for (Index n = 0; n < M_; ++n) store(settled(load(lanes.lambda, 2 * n)), lanes.lambda + 2 * n * group);
  }

 private:
  static constexpr Index stretch = 16;  // steps whose lambdas are kept

  /// f.operator()<Rank>(), a rank that the compiler knows where it is 1 or 2.
  template <class F>
  void with_rank(F f) const {
    R_ == 1 ? f.template operator()<1>() : R_ == 2 ? f.template operator()<2>() : f.template operator()<dynamic>();
  }
  template <Index Rank>
  Index rank() const noexcept {
    return Rank == dynamic ? R_ : Rank;
  }
  template <Index Rank, class Each>
  using OfRanks = std::array<Each, std::size_t(Rank == dynamic ? max_rank : Rank)>;

  /// A sum over modes.
  struct Parts {
    std::array<Pack, 4> parts{Pack(X(0)), Pack(X(0)), Pack(X(0)), Pack(X(0))};
    Pack& operator[](Index part) noexcept { return parts[std::size_t(part)]; }
    Pack total() const noexcept { return (parts[0] + parts[1]) + (parts[2] + parts[3]); }
  };
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

  X* states(const Lanes& lanes, Index k) noexcept { return states_.data() + k * 2 * M_ * group + lanes.first; }
  X* lambdas(const Lanes& lanes, Index k) noexcept {
    return lambdas_.data() + k % stretch * 2 * M_ * group + lanes.first;
  }
  X* common(Array<X>& of, const Lanes& lanes, Index k, Index r) noexcept {
    return of.data() + (k * R_ + r) * group + lanes.first;
  }
  const X* mode(const Lanes& lanes, Index n) const noexcept { return coefficients(n) + lanes.first; }

  /// The states of every step of the tile, and what the modes have in common there. Where they are not kept, two rows
  /// of states take turns.
  template <Index Rank, bool kept>
  void run(Lanes lanes) noexcept {
    const Index R = rank<Rank>();
    OfRanks<Rank, Parts> s;
    const auto gather_s = [&](Index n, Index part, Pair x) {
      for (Index r = 0; r < R; ++r) {
        const Pair Q = load(mode(lanes, n), q + 4 * r);
        Pack& sum = s[std::size_t(r)][part];
        sum = fma(Q.re, x.re, fnma(Q.im, x.im, sum));
      }
    };
    each_mode([&](Index n, Index part) {
      const Pair x = load(lanes.start, 2 * n);
      store(x, states(lanes, 0) + 2 * n * group);
      gather_s(n, part, x);
    });
    for (Index k = 0; k < lanes.steps; ++k) {
      const X* const x = states(lanes, kept ? k : k % 2);
      X* const next = states(lanes, kept ? k + 1 : (k + 1) % 2);
      const Pack u = Pack::load(lanes.u + k * group);
      OfRanks<Rank, Pack> now;
      for (Index r = 0; r < R; ++r) {
        now[std::size_t(r)] = s[std::size_t(r)].total();
        now[std::size_t(r)].store(common(s_, lanes, k, r));
        s[std::size_t(r)] = {};
      }
      each_mode([&](Index n, Index part) {
        const X* const from = mode(lanes, n);
        const Pair B = load(from, b);
        Pair v{B.re * u, B.im * u};
        for (Index r = 0; r < R; ++r) {
          const Pair P = load(from, p + 4 * r);
          v = {fnma(P.re, now[std::size_t(r)], v.re), fnma(P.im, now[std::size_t(r)], v.im)};
        }
        const Pair moved = advance(keep(n, lanes), load(from, change), load(x, 2 * n), v);
        store(moved, next + 2 * n * group);
        gather_s(n, part, moved);
      });
    }
  }

  /// The cotangents of the states of steps first .. end - 1, and of what the modes have in common; adds to du.
  template <Index Rank>
  void run_back(Lanes lanes, Index first, Index end) noexcept {
    const Index R = rank<Rank>();
    for (Index k = end - 1; k >= first; --k) {
      const Pack dy = Pack::load(lanes.dy + k * group);
      X* const now = lambdas(lanes, k);
      Parts du;
      OfRanks<Rank, Parts> parts;
      each_mode([&](Index n, Index part) {
        const X* const from = mode(lanes, n);
        const Pair B = load(from, b), lambda = add_conj(load(lanes.lambda, 2 * n), dy, load(from, c));
        store(lambda, now + 2 * n * group);
        du[part] = fma(B.re, lambda.re, fma(B.im, lambda.im, du[part]));
        for (Index r = 0; r < R; ++r) {
          const Pair P = load(from, p + 4 * r);
          Pack& sum = parts[std::size_t(r)][part];
          sum = fnma(P.re, lambda.re, fnma(P.im, lambda.im, sum));
        }
      });
      (Pack::load(lanes.du + k * group) + du.total()).store(lanes.du + k * group);
      OfRanks<Rank, Pack> ds;
      for (Index r = 0; r < R; ++r) {
        ds[std::size_t(r)] = parts[std::size_t(r)].total();
        ds[std::size_t(r)].store(common(ds_, lanes, k, r));
      }
      for (Index n = 0; n < M_; ++n) {
        const X* const from = mode(lanes, n);
        const Pair lambda = load(now, 2 * n);
        Pair carry = add_conj(zero(), lambda, load(from, change));
        for (Index r = 0; r < R; ++r) carry = add_conj(carry, ds[std::size_t(r)], load(from, q + 4 * r));
        const auto kept = keep(n, lanes);
        store({Pack::add_where(kept, lambda.re, carry.re), Pack::add_where(kept, lambda.im, carry.im)},
              lanes.lambda + 2 * n * group);
      }
    }
  }

  /// What the coefficients of a mode get of these steps.
  template <Index Rank>
  void add_sums(Lanes lanes, Index n, Index first, Index end) noexcept {
    const Index R = rank<Rank>();
    Pair da = zero(), dB = zero(), dC = zero(), x = load(states(lanes, first), 2 * n);
    OfRanks<Rank, Pair> dP, dQ;
    dP.fill(zero());
    dQ.fill(zero());
    for (Index k = first; k < end; ++k) {
      const Pair before = x, lambda = load(lambdas(lanes, k), 2 * n);
      x = load(states(lanes, k + 1), 2 * n);
      dC = add_conj(dC, Pack::load(lanes.dy + k * group), x);
      dB = add(dB, Pack::load(lanes.u + k * group), lambda);
      da = add_conj(da, lambda, before);
      for (Index r = 0; r < R; ++r) {
        const Pack s = Pack::load(common(s_, lanes, k, r));
        Pair& P = dP[std::size_t(r)];
        P = {fnma(lambda.re, s, P.re), fnma(lambda.im, s, P.im)};
        dQ[std::size_t(r)] = add_conj(dQ[std::size_t(r)], Pack::load(common(ds_, lanes, k, r)), before);
      }
    }
    X* const sums = lanes.sums + n * rows_ * group;
    add_to(sums + change * group, da);
    add_to(sums + b * group, dB);
    add_to(sums + c * group, dC);
    for (Index r = 0; r < R; ++r) {
      add_to(sums + (p + 4 * r) * group, dP[std::size_t(r)]);
      add_to(sums + (q + 4 * r) * group, dQ[std::size_t(r)]);
    }
  }

  Array<X> states_;   // x before each of the tile's steps, and after the last
  Array<X> lambdas_;  // their cotangents, of a stretch
  Array<X> s_, ds_;   // what the modes have in common at each step, and its cotangent
};

}  // namespace ssm::detail
