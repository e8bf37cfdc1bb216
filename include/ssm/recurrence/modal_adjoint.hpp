#pragma once

#include "ssm/recurrence/block_adjoint.hpp"
#include "ssm/recurrence/low_rank_adjoint.hpp"

#include <vector>

namespace ssm::detail {

/// Cotangents of what a ModalRecurrence runs with, over any number of sequences: in fp64, and as its coefficients lie.
struct ModalCotangent {
  Array<double> coefficients;  ///< of change, B_bar, C, P_bar, Q_bar   (groups, M (6 + 4 R), lanes)
  Array<double> D;             ///< of D                                (groups, lanes)
  Array<double> kappa;         ///< see ModalLags                        (groups, (1 + R)^2 T, lanes)

  /// Members that a sum over sequences adds up.
  static constexpr auto arrays() noexcept {
    return std::tuple{&ModalCotangent::coefficients, &ModalCotangent::D, &ModalCotangent::kappa};
  }
};

/// The recurrence of ModalRecurrence backwards: cotangents of its coefficients, of u and of the state before.
///
///     lambda_k = conj(C) dy_k + conj(Q_bar) ds_{k+1} + conj(A_bar) lambda_{k+1}
///     ds_k = -sum Re(conj(P_bar) lambda_k),       du_k = D dy_k + sum Re(conj(B_bar) lambda_k)
///     dA_bar = sum lambda_k conj(x_{k-1}),        dB_bar = sum lambda_k u_k,    dC = sum dy_k conj(x_k)
///     dP_bar = -sum lambda_k s_k,                 dQ_bar = sum ds_k conj(x_{k-1})
///
/// over the modes that are kept, how often one counts being in C and Q_bar. The states are made again: those before
/// each tile of time first, then, from the last tile to the first, those within it. With a low-rank part it is first
/// found what the modes have in common, step by step, see ModalSteps; then they are apart and go by blocks of steps,
/// see ModalBlocks.
template <Real T, Index N, Real X, class Arch, Index Rank>
class ModalAdjoint : ModalTile<T, N, X, Arch, Rank> {
  using Tile = ModalTile<T, N, X, Arch, Rank>;
  using Tile::bind, Tile::group, Tile::room;
  using Tile::M_, Tile::rank, Tile::rows_, Tile::recurrence_;
  using typename Tile::Lanes, typename Tile::Pack, typename Tile::Recurrence;
  static constexpr Index pack = Pack::size;

 public:
  /// Returns a zero cotangent, ready to accumulate sequences.
  static ModalCotangent zero(const Recurrence& recurrence, Index features) {
    const Index groups = (features + group - 1) / group;
    return {Array<double>(groups, recurrence.modes() * ModalRows::count(recurrence.rank()), group),
            Array<double>(groups, group),
            Array<double>(groups, ModalLags<T, N, X, Arch, Rank>::count(recurrence), group)};
  }
  /// Returns the cotangent of what ModalRecurrence::set was given for feature h, D's apart.
  /// @param states   N
  static DiscreteDplrSystem<double> of_system(const Recurrence& recurrence, const ModalCotangent& cotangent, Index h,
                                              Index states) {
    const Index M = recurrence.modes(), R = recurrence.rank(), rows = ModalRows::count(R);
    DiscreteDplrSystem<double> result{states,
                                      Vector<Complex<double>>(M),
                                      Matrix<Complex<double>>(M, R),
                                      Matrix<Complex<double>>(M, R),
                                      Vector<Complex<double>>(M),
                                      RowVector<Complex<double>>(M)};
    for (Index n = 0; n < M; ++n) {
      const auto number = [&](Index row) {
        const auto part = [&](Index each) { return cotangent.coefficients(h / group, n * rows + each, h % group); };
        return Complex<double>(part(row), part(row + 1));
      };
      result.Delta(n) = number(ModalRows::change);
      result.B_bar(n) = number(ModalRows::B);
      result.C(n) = number(ModalRows::C);
      for (Index r = 0; r < R; ++r) {
        result.P_bar(n, r) = number(ModalRows::in(1 + r));
        result.Q_bar(n, r) = number(ModalRows::out(1 + r));
      }
    }
    ModalLags<T, N, X, Arch, Rank>::backwards(recurrence, cotangent.kappa, h, result);
    for (Index n = 0; n < M; ++n) {
      const auto count = static_cast<double>(multiplicity(n, states));  // is in C and Q_bar
      result.C(n) *= count;
      result.Q_bar.row(n) *= count;
    }
    return result;
  }

  /// Steps of a tile.
  static Index tile(Index length) noexcept { return std::clamp<Index>(length, 1, 2048); }
  /// Makes room for a sequence of so many steps, where there is not enough.
  void fit(const Recurrence& recurrence, Index length) {
    bind(recurrence);
    tile_ = tile(length);
    room(u_, tile_);
    room(dy_, tile_);
    room(du_, tile_);
    room(starts_, (length + tile_ - 1) / tile_ * 2 * M_);
    room(lambda_, 2 * M_);
    room(sums_, M_ * rows_);
    room(totals_, M_ * rows_);
    room(s_, std::max<Index>(rank() * tile_, 1));
    room(ds_, std::max<Index>(rank() * tile_, 1));
    blocks_.fit(recurrence, tile_);
    steps_.fit(recurrence);
  }

  /// Features first .. first + count - 1, count being u's: a group or what is left of one.
  /// @param starts   states before each tile, or before the first alone, or none: from rest
  /// @param after    cotangent of the state after the last step, becomes that of the state before the first; or none
  void operator()(Index first, ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du,
                  std::span<const Array<X>> starts, ModalState<X>* after, ModalCotangent& cotangent) {
    const Index which = first / group, L = u.length(), tiles = (L + tile_ - 1) / tile_, size = 2 * M_ * group,
                numbers = M_ * rows_ * group;  // buffers may be larger: of a layer before
    if (L == 0) return;                        // the cotangent after no step is that before it
    for (Index i = 0; i < std::ssize(starts); ++i)
      std::copy_n(starts[static_cast<std::size_t>(i)].row(which).data(), size, starts_.data() + i * size);
    if (starts.empty()) std::fill_n(starts_.data(), size, X(0));
    std::fill_n(lambda_.data(), size, X(0));
    const auto each_after = [&](auto f) {  // f(feature, mode, the place of its real part)
      for (Index h = 0; h < u.features(); ++h)
        for (Index n = 0; n < M_; ++n) f(first + h, n, lambda_.data() + 2 * n * group + h);
    };
    if (after != nullptr)
      each_after([&](Index h, Index n, X* to) {
        const Complex<X> value = after->x(h, n);
        to[0] = value.real();
        to[group] = value.imag();
      });
    std::fill_n(totals_.data(), numbers, 0.0);
    const bool apart = rank() == 0;  // no low-rank part joins the modes
    blocks_.prepare(which);
    steps_.prepare(which);
    for (Index i = 0; i + 1 < tiles && std::ssize(starts) < tiles; ++i) {
      gather(u.block(i * tile_, tile_), u_);
      std::copy_n(starts_.data() + i * size, size, starts_.data() + (i + 1) * size);
      if (apart)
        blocks_.sweep(view(i + 1, tile_), [&, next = u.block((i + 1) * tile_, std::min(tile_, L - (i + 1) * tile_))](
                                              Index part, Index parts) { prefetch(next, part, parts); });
      else if constexpr (Rank != 0)
        steps_.sweep(view(i + 1, tile_));
    }
    for (Index i = tiles - 1; i >= 0; --i) {
      const Index from = i * tile_, steps = std::min(tile_, L - from);
      gather(u.block(from, steps), u_);
      gather(dy.block(from, steps), dy_);
      direct(which, steps, cotangent);
      std::fill_n(sums_.data(), numbers, X(0));
      const Lanes tile = view(i, steps);
      if constexpr (Rank != 0)
        if (!apart) steps_.backwards(tile);
      blocks_.backwards(tile, cotangent.kappa.row(which).data(),
                        [&, before = i > 0 ? tile_ : 0](Index part, Index parts) {
                          prefetch(u.block(from - before, before), part, parts);
                          prefetch(dy.block(from - before, before), part, parts);
                          prefetch(ConstSequence<T>(du).block(from - before, before), part, parts);
                        });
      if constexpr (Rank != 0)
        if (!apart && i == 0) steps_.close(tile);
      for (Index j = 0; j < numbers; ++j) totals_.data()[j] += static_cast<double>(sums_.data()[j]);
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
    double* const all = cotangent.coefficients.row(which).data();
    for (Index j = 0; j < numbers; ++j) all[j] += totals_.data()[j];
    if (after != nullptr)
      each_after([&](Index h, Index n, const X* from) { after->set(h, n, {from[0], from[group]}); });
  }

 private:
  Lanes view(Index tile, Index steps) noexcept {
    return {0,
            steps,
            starts_.data() + tile * 2 * M_ * group,
            u_.data(),
            dy_.data(),
            du_.data(),
            lambda_.data(),
            sums_.data(),
            s_.data(),
            ds_.data(),
            tile_ * group};
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
  /// Begins du with D dy, and adds the cotangent of D.
  void direct(Index which, Index steps, ModalCotangent& cotangent) noexcept {
    std::array<X, std::size_t(group)> sums;
    for (Index lane = 0; lane < group; lane += pack) {
      const Pack D = Pack::load(recurrence_->coefficients().direct(which) + lane);
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

  Index tile_ = 0;
  ModalSteps<T, N, X, Arch, Rank> steps_;  // where there is a low-rank part
  ModalBlocks<T, N, X, Arch, Rank> blocks_;
  Array<X> u_, dy_, du_;  // a tile
  Array<X> starts_;       // x before each tile
  Array<X> s_, ds_;       // what the modes have in common in a tile
  Array<X> lambda_;       // cotangent of the state, from later tiles
  Array<X> sums_;         // cotangents of the coefficients: of a tile
  Array<double> totals_;  // of the sequence
};

}  // namespace ssm::detail
