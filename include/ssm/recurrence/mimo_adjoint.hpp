#pragma once

#include "ssm/recurrence/mimo.hpp"

#include <Eigen/Core>

#include <span>

namespace ssm::detail {

/// Derivatives by what a MimoScan runs with, in terms of
///
///     v_k = gain_k (B u)_k,   x_k = A_bar_k x_{k-1} + v_k,   A_bar_k = A_bar(z_k),   z_k = interval_k dt Lambda
template <Real T>
struct MimoCotangent {
  Array<T> B;            ///< of [Re B, Im B]              (inputs, 2 S)
  Array<T> C;            ///< of [Re C; -Im C]             (2 S, outputs)
  Array<T> D;            ///< of D or its transpose        (inputs) or (inputs, outputs)
  Array<double> Lambda;  ///< real parts, imaginary parts  (2, S)
  Array<double> dt;      ///< (S)

  /// Zeros of the sizes of a scan.
  template <Real X>
  explicit MimoCotangent(const MimoScan<T, X>& scan)
      : B(scan.inputs(), 2 * scan.modes()),
        C(2 * scan.modes(), scan.outputs()),
        D(scan.D().rows(), scan.D().columns()),
        Lambda(2, scan.modes()),
        dt(scan.modes()) {}
  /// Members that a sum over sequences adds up.
  static constexpr auto arrays() noexcept {
    return std::tuple{&MimoCotangent::B, &MimoCotangent::C, &MimoCotangent::D, &MimoCotangent::Lambda,
                      &MimoCotangent::dt};
  }
};

/// One sequence of a MimoScan backwards, tile by tile. With x_k = A_bar_k x_{k-1} + gain_k v_k, v_k = B u_k:
///
///     lambda_k = C^H dy_k + conj(A_bar_{k+1}) lambda_{k+1},    dv_k = conj(gain_k) lambda_k
///     dA_bar_k = lambda_k conj(x_{k-1}),                       dgain_k = lambda_k conj(v_k)
///     du_k = Re(B^H dv_k) + D^T dy_k,    dB = sum dv_k u_k,      dC = sum dy_k conj(x_k)
///
/// Sums over features and over time are matrix products on stacked parts, as forwards.
template <Real T, Real X>
class MimoAdjoint {
  using Scan = MimoScan<T, X>;
  using State = MimoState<X>;
  using Checkpoints = MimoCheckpoints<X>;
  using Cotangent = MimoCotangent<T>;
  using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Stride = Eigen::OuterStride<>;

 public:
  /// @param intervals   of uneven samples, or empty; sizes must have been checked
  MimoAdjoint(const Scan& scan, ConstSequence<T> u, std::span<const T> intervals)
      : scan_(scan),
        u_(u),
        intervals_(intervals),
        steps_(scan.steps_of_tile(u.length())),
        tiles_(scan.tiles_of(u.length())),
        tile_(steps_, scan.modes()) {}

  /// The states before each tile, made by running through all but the last.
  Checkpoints checkpoints(const State& before) {
    Checkpoints checkpoints{Array<X>(tiles_, 2 * scan_.modes())};
    State state = before;
    for (Index i = 0; i < tiles_; ++i) {
      scan_.keep_state(state, checkpoints.starts.row(i).data());
      if (i + 1 < tiles_) {
        product(states(steps_), rows(u_.block(i * steps_, steps_)), B());
        scan_.scan_tile(steps_, intervals_of(i), state, tile_);
      }
    }
    return checkpoints;
  }

  /// See S5::forward_vjp.
  void operator()(const Checkpoints& checkpoints, ConstSequence<T> dy, State& dstate, Sequence<T> du,
                  std::span<T> dintervals, Cotangent& cotangent) {
    scan_.check_sizes(u_, dy, dstate);
    require_same_shape<T>(u_, du, scan_.inputs());
    const Index S = scan_.modes(), inputs = scan_.inputs(), outputs = scan_.outputs(), L = u_.length();
    const Eigen::Map<const Rows> C(scan_.C().data(), 2 * S, outputs), D(scan_.D().data(), inputs, scan_.D().columns());
    Eigen::Map<Rows> dB(cotangent.B.data(), inputs, 2 * S), dC(cotangent.C.data(), 2 * S, outputs),
        dD(cotangent.D.data(), inputs, cotangent.D.columns());
    Rows driven(steps_, 2 * S), lambda(steps_, 2 * S);
    Array<X> d(2, S), sums(step_sums, S);
    scan_.keep_state(dstate, d.data());
    State state(S);  // of a tile; its numbers are a checkpoint's
    for (Index i = tiles_ - 1; i >= 0; --i) {
      const Index from = i * steps_, count = std::min(steps_, L - from);
      const auto u_tile = rows(u_.block(from, count)), dy_tile = rows(dy.block(from, count));
      auto du_tile = rows(du.block(from, count));
      product(states(count), u_tile, B());
      driven.topRows(count) = states(count);
      const X* const start = checkpoints.starts.row(i).data();
      std::copy_n(start, S, state.re.data());
      std::copy_n(start + S, S, state.im.data());
      std::fill_n(state.low_re.data(), S, X(0));
      std::fill_n(state.low_im.data(), S, X(0));
      scan_.scan_tile(count, intervals_of(i), state, tile_);
      add_product(dC, states(count).transpose(), dy_tile);
      product(lambda.topRows(count), dy_tile, C.transpose());
      const X* step = scan_.step();
      for (Index k = count - 1; k >= 0; --k) {
        const auto at = static_cast<std::size_t>(from + k);
        if (!intervals_.empty()) {
          scan_.make_step(static_cast<double>(intervals_[at]), 0, S, tile_.own_step.data());
          step = tile_.own_step.data();
        }
        T *const v = driven.data() + k * 2 * S, *const l = lambda.data() + k * 2 * S;
        if (k > 0)
          retreat_modes(S, step, v, tile_.states.row(k - 1).data(), l, d.data(), sums.data());
        else
          retreat_modes(S, step, v, start, l, d.data(), sums.data());
        if (!intervals_.empty()) {
          const double found = add_steps(static_cast<double>(intervals_[at]), sums, cotangent);
          if (!dintervals.empty()) dintervals[at] += static_cast<T>(found);
        }
      }
      if (intervals_.empty()) add_steps(1, sums, cotangent);
      add_product(dB, u_tile.transpose(), lambda.topRows(count));
      add_product(du_tile, lambda.topRows(count), B().transpose());
      if (scan_.direct() == Direct::matrix) {
        add_product(dD, u_tile.transpose(), dy_tile);
        add_product(du_tile, dy_tile, D.transpose());
      } else {
        for (Index k = 0; k < count; ++k)
          for (Index h = 0; h < inputs; ++h) {
            cotangent.D(h) += dy_tile(k, h) * u_tile(k, h);
            du_tile(k, h) += scan_.D()(h) * dy_tile(k, h);
          }
      }
    }
    dstate = State(S);
    std::copy_n(d.data(), S, dstate.re.data());
    std::copy_n(d.data() + S, S, dstate.im.data());
  }

 private:
  /// to = a b
  template <class To>
  static void product(To&& to, const auto& a, const auto& b) {
    to.setZero();
    add_product(to, a, b);
  }
  static Eigen::Map<const Rows, 0, Stride> rows(ConstSequence<T> of) {
    return {of.data(), of.length(), of.features(), Stride(of.stride())};
  }
  static Eigen::Map<Rows, 0, Stride> rows(Sequence<T> of) {
    return {of.data(), of.length(), of.features(), Stride(of.stride())};
  }
  Eigen::Map<const Rows> B() const { return {scan_.B().data(), scan_.inputs(), 2 * scan_.modes()}; }
  Eigen::Map<Rows> states(Index count) { return {tile_.states.data(), count, 2 * scan_.modes()}; }
  const T* intervals_of(Index tile) const noexcept {
    return intervals_.empty() ? nullptr : intervals_.data() + tile * steps_;
  }

  /// Rows of sums over steps of one length: of lambda conj(x_{k-1}), of lambda conj(B u); real and imaginary parts.
  static constexpr Index step_sums = 4;

  /// Adds the cotangents of Lambda and dt that the sums stand for, and sets the sums to 0. Returns the cotangent of
  /// the interval that the summed steps have in common.
  double add_steps(double interval, Array<X>& sums, Cotangent& cotangent) const {
    double dinterval = 0;
    for (Index s = 0; s < scan_.modes(); ++s) {
      const auto number = [&](Index row) {
        return Complex<double>(static_cast<double>(sums(row, s)), static_cast<double>(sums(row + 1, s)));
      };
      const ModeCotangent<double> mode = scan_.step_vjp(scan_.Lambda(s), interval * scan_.dt(s), number(0), number(2));
      cotangent.Lambda(0, s) += mode.Lambda.real();
      cotangent.Lambda(1, s) += mode.Lambda.imag();
      cotangent.dt(s) += interval * mode.dt;
      dinterval += scan_.dt(s) * mode.dt;
    }
    std::fill(sums.begin(), sums.end(), X(0));
    return dinterval;
  }
  /// lambda = l + what the step after sends (d); l = conj(gain) lambda, the cotangent of v = B u; d = conj(A_bar)
  /// lambda.
  template <class From>
  static void retreat_modes(Index S, const X* __restrict step, const T* __restrict v, const From* __restrict before,
                            T* __restrict l, X* __restrict d, X* __restrict sums) noexcept {
    const X *const a = step, *const b = step + S, *const gain_re = step + 2 * S, *const gain_im = step + 3 * S,
                   *const keep = step + 4 * S;
    for (Index s = 0; s < S; ++s) {
      const X re = static_cast<X>(l[s]) + d[s], im = static_cast<X>(l[S + s]) + d[S + s];
      const X x_re = static_cast<X>(before[s]), x_im = static_cast<X>(before[S + s]);
      const X v_re = static_cast<X>(v[s]), v_im = static_cast<X>(v[S + s]);
      sums[s] += re * x_re + im * x_im;
      sums[S + s] += im * x_re - re * x_im;
      sums[2 * S + s] += re * v_re + im * v_im;
      sums[3 * S + s] += im * v_re - re * v_im;
      l[s] = static_cast<T>(gain_re[s] * re + gain_im[s] * im);
      l[S + s] = static_cast<T>(gain_re[s] * im - gain_im[s] * re);
      d[s] = keep[s] * re + (a[s] * re + b[s] * im);
      d[S + s] = keep[s] * im + (a[s] * im - b[s] * re);
    }
  }

  const Scan& scan_;
  ConstSequence<T> u_;
  std::span<const T> intervals_;
  Index steps_, tiles_;
  typename Scan::Tile tile_;
};

}  // namespace ssm::detail
