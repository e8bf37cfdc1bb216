#pragma once

#include "ssm/recurrence/mimo.hpp"
#include "ssm/simd/product.hpp"

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

  /// Makes zeros of the sizes of a scan.
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
  using Rows = simd::MatrixView<T>;
  using ConstRows = simd::MatrixView<const T>;

 public:
  /// Makes room for a sequence of so many steps.
  void fit(const Scan& scan, Index length) {
    scan_ = &scan;
    steps_ = scan.steps_of_tile(length);
    tiles_ = scan.tiles_of(length);
    const Index S = scan.modes();
    const auto room = [](auto& array, Index rows, Index columns) {
      if (array.rows() < rows || array.columns() != columns)
        array = std::remove_cvref_t<decltype(array)>(rows, columns);
    };
    room(tile_.states, steps_, 2 * S);
    room(tile_.own_step, Scan::coefficients, S);
    room(driven_, steps_, 2 * S);
    room(lambda_, steps_, 2 * S);
    room(d_, 2, S);
    room(sums_, step_sums, S);
    const auto transpose = [](simd::Panels<T>& to, const simd::Panels<T>& from) {
      if (to.rows() != from.columns() || to.columns() != from.rows()) to = simd::Panels<T>(from.columns(), from.rows());
      for (Index i = 0; i < from.rows(); ++i)
        for (Index j = 0; j < from.columns(); ++j) to(j, i) = from(i, j);
    };
    transpose(B_, scan.B());
    transpose(C_, scan.C());
  }

  /// The states before each tile, made by running through all but the last. Sizes must have been checked; valid until
  /// the next run.
  const Checkpoints& checkpoints(ConstSequence<T> u, Intervals<T> intervals, const State& before) {
    checkpoints_.starts = Array<X>(tiles_, 2 * scan_->modes());
    State state = before;
    for (Index i = 0; i < tiles_; ++i) {
      scan_->keep_state(state, checkpoints_.starts.row(i).data());
      if (i + 1 < tiles_) {
        scan_->drive(u.block(i * steps_, steps_), tile_);
        scan_->scan_tile(steps_, intervals.part(i * steps_, steps_), state, tile_);
      }
    }
    return checkpoints_;
  }

  /// See S5::forward_vjp.
  /// @param intervals   of uneven samples, or none; their number must have been checked
  void operator()(ConstSequence<T> u, Intervals<T> intervals, const Checkpoints& checkpoints, ConstSequence<T> dy,
                  State& dstate, Sequence<T> du, std::span<T> dintervals, Cotangent& cotangent) {
    scan_->check_sizes(u, dy, dstate);
    require_same_shape<T>(u, du, scan_->inputs());
    const Index S = scan_->modes(), L = u.length();
    std::fill(sums_.begin(), sums_.end(), X(0));
    scan_->keep_state(dstate, d_.data());
    State state(S);  // of a tile; its numbers are a checkpoint's
    for (Index i = tiles_ - 1; i >= 0; --i) {
      const Index from = i * steps_, count = std::min(steps_, L - from);
      const ConstRows u_tile = simd::matrix(u.block(from, count)), dy_tile = simd::matrix(dy.block(from, count));
      const Rows du_tile = simd::matrix(du.block(from, count)), lambda = simd::matrix(lambda_).middle_rows(0, count),
                 states = simd::matrix(tile_.states).middle_rows(0, count);
      scan_->drive(u.block(from, count), tile_);
      std::copy_n(tile_.states.data(), count * 2 * S, driven_.data());
      const X* const start = checkpoints.starts.row(i).data();
      std::copy_n(start, S, state.re.data());
      std::copy_n(start + S, S, state.im.data());
      std::fill_n(state.low_re.data(), S, X(0));
      std::fill_n(state.low_im.data(), S, X(0));
      scan_->scan_tile(count, intervals.part(from, count), state, tile_);
      simd::add_product(simd::matrix(cotangent.C), states.transposed(), dy_tile);
      std::fill_n(lambda.data, lambda.rows * lambda.columns, T(0));
      C_.add_product(lambda, dy_tile);
      const X* step = scan_->step();
      for (Index k = count - 1; k >= 0; --k) {
        if (!intervals.empty()) {
          scan_->make_step(intervals[from + k], 0, S, tile_.own_step.data());
          step = tile_.own_step.data();
        }
        T *const v = driven_.data() + k * 2 * S, *const l = lambda_.data() + k * 2 * S;
        if (k > 0)
          retreat_modes(S, step, v, tile_.states.row(k - 1).data(), l, d_.data(), sums_.data());
        else
          retreat_modes(S, step, v, start, l, d_.data(), sums_.data());
        if (!intervals.empty()) {
          const double found = add_steps(intervals[from + k], sums_, cotangent);
          if (!dintervals.empty())
            dintervals[static_cast<std::size_t>(from + k)] += static_cast<T>(intervals.unit() * found);
        }
      }
      if (intervals.empty()) add_steps(1, sums_, cotangent);
      simd::add_product(simd::matrix(cotangent.B), u_tile.transposed(), lambda);
      B_.add_product(du_tile, lambda);
      if (scan_->direct() == Direct::matrix) {
        simd::add_product(simd::matrix(cotangent.D), u_tile.transposed(), dy_tile);
        simd::add_product(du_tile, dy_tile, simd::matrix(scan_->D()).transposed());
      } else {
        for (Index k = 0; k < count; ++k)
          for (Index h = 0; h < scan_->inputs(); ++h) {
            cotangent.D(h) += dy_tile(k, h) * u_tile(k, h);
            du_tile(k, h) += scan_->D()(h) * dy_tile(k, h);
          }
      }
    }
    dstate = State(S);
    std::copy_n(d_.data(), S, dstate.re.data());
    std::copy_n(d_.data() + S, S, dstate.im.data());
  }

 private:
  /// Rows of sums over steps of one length: of lambda conj(x_{k-1}), of lambda conj(B u); real and imaginary parts.
  static constexpr Index step_sums = 4;

  /// Adds the cotangents of Lambda and dt that the sums stand for, and sets the sums to 0. Returns the cotangent of
  /// the interval that the summed steps have in common.
  double add_steps(double interval, Array<X>& sums, Cotangent& cotangent) const {
    double dinterval = 0;
    for (Index s = 0; s < scan_->modes(); ++s) {
      const auto number = [&](Index row) {
        return Complex<double>(static_cast<double>(sums(row, s)), static_cast<double>(sums(row + 1, s)));
      };
      const ModeCotangent<double> mode =
          scan_->step_vjp(scan_->Lambda(s), interval * scan_->dt(s), number(0), number(2));
      cotangent.Lambda(0, s) += mode.Lambda.real();
      cotangent.Lambda(1, s) += mode.Lambda.imag();
      cotangent.dt(s) += interval * mode.dt;
      dinterval += scan_->dt(s) * mode.dt;
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
      d[s] = settle(keep[s] * re + (a[s] * re + b[s] * im));
      d[S + s] = settle(keep[s] * im + (a[s] * im - b[s] * re));
    }
  }

  const Scan* scan_ = nullptr;
  Index steps_ = 0, tiles_ = 0;
  typename Scan::Workspace tile_{0, 0};
  simd::Panels<T> B_{0, 0}, C_{0, 0};  // transposed
  Array<T> driven_;                    // v of a tile, then its cotangent        (steps, 2 S)
  Array<T> lambda_;                    // cotangents of the states               (steps, 2 S)
  Array<X> d_, sums_;                  // from the step after; see retreat_modes
  Checkpoints checkpoints_;            // those that were made here
};

}  // namespace ssm::detail
