#pragma once

#include "ssm/recurrence/modal_tile.hpp"

#include <vector>

namespace ssm::detail {

/// Runs the modes of a group of features that a low-rank part couples, step by step, forward and backward.
///
///     lambda_k = conj(C) dy_k + conj(Q_bar) ds_{k+1} + conj(A_bar) lambda_{k+1}
///     ds_k = -sum Re(conj(P_bar) lambda_k),    du_k += sum Re(conj(B_bar) lambda_k)
///
/// The run finds s and ds. When these are known the modes are independent, and ModalBlocks computes the cotangents of
/// the coefficients. Sums over modes run in parts that do not wait for each other.
template <Real T, Index N, Real X, class Arch, Index Rank>
class ModalSteps : public ModalTile<T, N, X, Arch, Rank> {
  using Tile = ModalTile<T, N, X, Arch, Rank>;
  using Tile::advance, Tile::bind, Tile::group, Tile::load, Tile::room, Tile::turn_to;
  using Tile::M_, Tile::rank, Tile::rows_;
  using typename Tile::Mask, typename Tile::Pack, typename Tile::Pair, typename Tile::Recurrence;

 public:
  using typename Tile::Lanes;

  /// Makes room where there is not enough.
  void fit(const Recurrence& recurrence) {
    bind(recurrence);
    room(moving_, 2 * M_);
    room(later_, std::max<Index>(rank(), 1));
    keeps_.resize(static_cast<std::size_t>(M_));
  }
  /// The group whose turn it is, from its last tile.
  void prepare(Index which) noexcept {
    turn_to(which);
    std::fill(later_.begin(), later_.end(), X(0));
  }

  /// The states at `start` move over the tile, all lanes of them; finds s.
  void sweep(const Lanes& tile) noexcept {
    each_lanes(tile, [&](const Lanes& lanes) {
      with_rank([&]<Index Ranks>() { run<Ranks>(lanes, lanes.start); });
      settle_all(lanes.start);
    });
  }
  /// A tile backwards, all lanes of it: finds s and ds, adds to du.
  void backwards(const Lanes& tile) noexcept {
    each_lanes(tile, [&](const Lanes& lanes) {
      X* const moving = moving_.data() + lanes.first;
      const auto begin = [&](const X* from) {
        for (Index n = 0; n < M_; ++n) load(from, 2 * n).store(moving + 2 * n * group);
      };
      begin(lanes.start);
      with_rank([&]<Index Ranks>() { run<Ranks>(lanes, moving); });
      begin(lanes.lambda);
      for (Index r = 0; r < rank(); ++r)
        Pack::load(later(lanes, r)).store(lanes.out(1 + r) + (lanes.steps - 1) * group);
      with_rank([&]<Index Ranks>() { run_back<Ranks>(lanes, moving); });
    });
  }
  /// After the first tile: what the first step's s is to the state before it and to Q.
  void close(const Lanes& tile) noexcept {
    each_lanes(tile, [&](const Lanes& lanes) {
      const auto modes = Tile::modes(lanes);
      for (Index n = 0; n < M_; ++n)
        for (Index r = 0; r < rank(); ++r) {
          const Pack ds = Pack::load(later(lanes, r));
          X *const lambda = lanes.lambda + 2 * n * group, *const dQ =
                                                              lanes.sums + (n * rows_ + ModalRows::out(1 + r)) * group;
          fma_conj(ds, load(modes[n], ModalRows::out(1 + r)), load(lambda, 0)).store(lambda);
          fma_conj(ds, load(lanes.start, 2 * n), load(dQ, 0)).store(dQ);
        }
    });
  }

 private:
  static constexpr Index settling = Recurrence::block;  // steps between

  template <class F>
  static void each_lanes(const Lanes& tile, F f) noexcept {
    for (Index lane = 0; lane < group; lane += Pack::size) f(tile.from(lane));
  }
  /// Which modes of some lanes keep their state, as masks.
  const Mask* keeps(const Lanes& lanes) noexcept {
    const auto modes = Tile::modes(lanes);
    for (Index n = 0; n < M_; ++n) keeps_[static_cast<std::size_t>(n)] = modes.keep(n);
    return keeps_.data();
  }
  /// f.operator()<Ranks>(), a rank that the compiler knows where it is 1 or 2.
  template <class F>
  void with_rank(F f) const {
    rank() == 1   ? f.template operator()<1>()
    : rank() == 2 ? f.template operator()<2>()
                  : f.template operator()<dynamic>();
  }
  template <Index Ranks>
  Index ranks() const noexcept {
    return Ranks == dynamic ? rank() : Ranks;
  }
  template <Index Ranks, class Each>
  using OfRanks = std::array<Each, std::size_t(Ranks == dynamic ? max_rank : Ranks)>;

  /// Parts of a sum over modes: there are up to three sums at once, which are to stay in registers.
  static constexpr std::size_t parts = Pack::registers >= 32 ? 4 : 2;
  /// A sum over modes.
  struct Parts {
    std::array<Pack, parts> each = [] {
      std::array<Pack, parts> zeros;
      zeros.fill(Pack(X(0)));
      return zeros;
    }();
    Pack& operator[](std::size_t part) noexcept { return each[part]; }
    Pack total() const noexcept {
      if constexpr (parts == 4)
        return (each[0] + each[1]) + (each[2] + each[3]);
      else
        return each[0] + each[1];
    }
  };
  /// f(n, part) for all modes, the parts in turn.
  template <class F>
  void each_mode(F f) const noexcept {
    const Index M = M_;
    Index n = 0;
    for (; n + Index(parts) <= M; n += Index(parts))
      for (std::size_t part = 0; part < parts; ++part) f(n + Index(part), part);
    for (; n < M; ++n) f(n, 0);
  }

  /// Numbers next to nothing become 0, before they are so small that they are slow.
  void settle_all(X* numbers) const noexcept {
    for (Index n = 0; n < M_; ++n) settle(load(numbers, 2 * n)).store(numbers + 2 * n * group);
  }
  X* later(const Lanes& lanes, Index r) noexcept { return later_.data() + r * group + lanes.first; }

  /// The states move over the tile; -s of every step is stored.
  template <Index Ranks>
  void run(Lanes lanes, X* states) noexcept {
    const Index R = ranks<Ranks>();
    const auto modes = Tile::modes(lanes);
    const Mask* const keep = keeps(lanes);
    OfRanks<Ranks, Parts> s;
    const auto gather_s = [&](Index n, std::size_t part, Pair x) {
      for (Index r = 0; r < R; ++r) {
        const Pair Q = load(modes[n], ModalRows::out(1 + r));
        Pack& sum = s[std::size_t(r)][part];
        sum = fnma(Q.re, x.re, fma(Q.im, x.im, sum));
      }
    };
    each_mode([&](Index n, std::size_t part) { gather_s(n, part, load(states, 2 * n)); });
    for (Index k = 0; k < lanes.steps; ++k) {
      const Pack u = Pack::load(lanes.u + k * group);
      OfRanks<Ranks, Pack> now;
      for (Index r = 0; r < R; ++r) {
        now[std::size_t(r)] = settle(s[std::size_t(r)].total());
        now[std::size_t(r)].store(lanes.in(1 + r) + k * group);
        s[std::size_t(r)] = {};
      }
      each_mode([&](Index n, std::size_t part) {
        const X* const from = modes[n];
        const Pair B = load(from, ModalRows::B);
        Pair v{B.re * u, B.im * u};
        for (Index r = 0; r < R; ++r) v = fma(now[std::size_t(r)], load(from, ModalRows::in(1 + r)), v);
        const Pair moved = advance(keep[n], load(from, ModalRows::change), load(states, 2 * n), v);
        moved.store(states + 2 * n * group);
        gather_s(n, part, moved);
      });
      if (k % settling == settling - 1) settle_all(states);
    }
  }

  /// The cotangents of the states move back over the tile; ds of every step is stored with the step before it.
  template <Index Ranks>
  void run_back(Lanes lanes, X* lambdas) noexcept {
    const Index R = ranks<Ranks>();
    const auto modes = Tile::modes(lanes);
    const Mask* const keep = keeps(lanes);
    for (Index k = lanes.steps - 1; k >= 0; --k) {
      const Pack dy = Pack::load(lanes.dy + k * group);
      OfRanks<Ranks, Pack> next;
      for (Index r = 0; r < R; ++r) next[std::size_t(r)] = Pack::load(lanes.out(1 + r) + k * group);
      Parts du;
      OfRanks<Ranks, Parts> ds;
      each_mode([&](Index n, std::size_t part) {
        const X* const from = modes[n];
        Pair lambda = fma_conj(dy, load(from, ModalRows::C), load(lambdas, 2 * n));
        for (Index r = 0; r < R; ++r)
          lambda = fma_conj(next[std::size_t(r)], load(from, ModalRows::out(1 + r)), lambda);
        const Pair B = load(from, ModalRows::B), carry = fma_conj(lambda, load(from, ModalRows::change), Pair::zero());
        Pair::add_where(keep[n], lambda, carry).store(lambdas + 2 * n * group);
        du[part] = fma(B.re, lambda.re, fma(B.im, lambda.im, du[part]));
        for (Index r = 0; r < R; ++r) {
          const Pair P = load(from, ModalRows::in(1 + r));
          Pack& sum = ds[std::size_t(r)][part];
          sum = fnma(P.re, lambda.re, fnma(P.im, lambda.im, sum));
        }
      });
      X* const to = lanes.du + k * group;
      (Pack::load(to) + du.total()).store(to);
      for (Index r = 0; r < R; ++r)
        settle(ds[std::size_t(r)].total()).store(k > 0 ? lanes.out(1 + r) + (k - 1) * group : later(lanes, r));
      if (k % settling == 0) settle_all(lambdas);
    }
  }

  Array<X> moving_;  // the states, then their cotangents
  Array<X> later_;   // ds of the first step of the tile that came after
  std::vector<Mask> keeps_;
};

}  // namespace ssm::detail
