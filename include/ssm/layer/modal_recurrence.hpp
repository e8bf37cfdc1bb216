#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/core/settle.hpp"
#include "ssm/discretize/mode.hpp"
#include "ssm/layer/state.hpp"
#include "ssm/system/dplr.hpp"

#include <array>

namespace ssm::detail {

/// The recurrence of H systems of diagonal plus low rank form, rank 0 included: S4's and S4D's.
///
///     x_k = keep x_{k-1} + change x_{k-1} - P_bar s + B_bar u_k,   keep + change = 1 + Delta,   s_r = sum over all N
///     modes of Q_bar_nr x_{k-1,n} y_k = sum over all N modes of C_n x_k,n + D u_k
///
/// Coefficients are made in fp64 and kept in X, the scalar of the state. N is `dynamic` or known at compile time.
template <std::floating_point T, Index N, std::floating_point X>
class ModalRecurrence {
 public:
  ModalRecurrence(Index features, Index states, Index rank)
      : states_(states), rank_(rank), D_(features), coefficients_(features, fixed_rows + 4 * rank, modes_of(states)) {}

  /// How often a mode counts in a sum over all of them goes into C and Q_bar.
  void set(Index h, const DiscreteDplrSystem<double>& system, double D) {
    const Index R = rank_;
    D_(h) = static_cast<X>(D);
    for (Index n = 0; n < modes(); ++n) {
      const auto count = static_cast<double>(multiplicity(n, states()));
      const auto put = [&](Index which, Complex<double> value, Index im_offset) {
        coefficients_(h, which, n) = static_cast<X>(value.real());
        coefficients_(h, which + im_offset, n) = static_cast<X>(value.imag());
      };
      const StepFactor factor(system.Delta(n));
      coefficients_(h, keep, n) = static_cast<X>(factor.keep);
      put(change_re, factor.change, 1);
      put(b_re, system.B_bar(n), 1);
      put(c_re, count * system.C(n), 1);
      for (Index r = 0; r < R; ++r) {
        put(fixed_rows + r, system.P_bar(n, r), R);
        put(fixed_rows + 2 * R + r, count * system.Q_bar(n, r), R);
      }
    }
  }

  /// One feature over time; u and y have one column each, and may be the same.         O(N R L)
  void operator()(Index h, ConstSequence<T> u, Sequence<T> y, ModalState<X>& state) const noexcept {
    switch (rank_) {
      case 0:
        return run<0>(h, u, y, state);
      case 1:
        return run<1>(h, u, y, state);
      case 2:
        return run<2>(h, u, y, state);
      default:
        return run<-1>(h, u, y, state);
    }
  }

  Index rank() const noexcept { return rank_; }

 private:
  enum Coefficient : Index {
    keep,
    change_re,
    change_im,
    b_re,
    b_im,
    c_re,
    c_im,
    fixed_rows
  };  // then R rows each of p_re p_im q_re q_im

  Index states() const noexcept { return N == dynamic ? states_ : N; }
  Index modes() const noexcept { return modes_of(states()); }
  const X* row(Index h, Index which) const noexcept { return &coefficients_(h, which); }

  template <int FixedRank>
  void run(Index h, ConstSequence<T> u, Sequence<T> y, ModalState<X>& state) const noexcept {
    X* const x_re = state.re.row(h).data();
    X* const x_im = state.im.row(h).data();
    for (Index k = 0; k < u.length(); ++k) {
      const X input = static_cast<X>(u(k, 0));
      y(k, 0) = static_cast<T>(advance<FixedRank>(h, input, x_re, x_im) + D_(h) * input);
    }
  }

  template <int FixedRank>
  X advance(Index h, X u, X* __restrict x_re, X* __restrict x_im) const noexcept {
    using Row = Eigen::Map<const Eigen::Array<X, Eigen::Dynamic, 1>>;
    const Index M = modes(), R = FixedRank >= 0 ? FixedRank : rank_;
    const auto sum = [&](const X* re, const X* im) {  // Re of a row times the state
      return (Row(re, M) * Row(x_re, M) - Row(im, M) * Row(x_im, M)).sum();
    };
    std::array<X, FixedRank >= 0 ? std::size_t(FixedRank) + 1 : std::size_t(max_rank)> s{};
    for (Index r = 0; r < R; ++r)
      s[static_cast<std::size_t>(r)] = sum(row(h, fixed_rows + 2 * R + r), row(h, fixed_rows + 3 * R + r));
    const X* const kept = row(h, keep);
    const X* const d_re = row(h, change_re);
    const X* const d_im = row(h, change_im);
    const X* const input_re = row(h, b_re);
    const X* const input_im = row(h, b_im);
    const X* const p_re = row(h, fixed_rows);
    const X* const p_im = p_re + R * M;
    for (Index n = 0; n < M; ++n) {
      const X re = x_re[n], im = x_im[n];
      X next_re = d_re[n] * re - d_im[n] * im + input_re[n] * u;
      X next_im = d_re[n] * im + d_im[n] * re + input_im[n] * u;
      for (Index r = 0; r < R; ++r) {
        next_re -= p_re[r * M + n] * s[static_cast<std::size_t>(r)];
        next_im -= p_im[r * M + n] * s[static_cast<std::size_t>(r)];
      }
      x_re[n] = settle(kept[n] * re + next_re);
      x_im[n] = settle(kept[n] * im + next_im);
    }
    return sum(row(h, c_re), row(h, c_im));
  }

  Index states_, rank_;
  Array<X> D_;
  Array<X> coefficients_;  // (H, 7 + 4R, M)
};

}  // namespace ssm::detail
