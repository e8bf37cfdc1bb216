#pragma once

#include "ssm/core/array.hpp"
#include "ssm/core/random.hpp"
#include "ssm/hippo/nplr.hpp"
#include "ssm/system/dplr.hpp"

namespace ssm {

/// Sizes of an S4 layer, and the range its time steps are drawn from.
struct S4Shape {
  Index features;        ///< H                                  >= 1
  Index states = 64;     ///< N, of each feature's system        >= 1
  double dt_min = 1e-3;  ///< s; 1/dt_min should reach the length of the sequences
  double dt_max = 1e-1;  ///< s
};

/// What an S4 layer stores and trains: H independent systems of diagonal plus low rank form, one input and output each.
///
///     x' = (Lambda - P P*) x + B u,   y = 2 Re(C x) + D u,   Lambda = -exp(A_re_log) + i A_im,   dt = exp(log_dt)
///
/// Of each conjugate pair one mode is kept, M = (N+1)/2; for odd N mode 0 is real: its imaginary parts must be 0.
/// Gu, Goel, Re 2022, arXiv:2111.00396.
template <std::floating_point T>
struct S4Parameters {
  Index states = 0;     ///< N
  Array<T> A_re_log;    ///< log of -Re Lambda     (H, M)
  Array<T> A_im;        ///< Im Lambda             (H, M)       1/s
  Array<Complex<T>> P;  ///< low-rank factor       (H, M, R)
  Array<Complex<T>> B;  ///< input                 (H, M)
  Array<Complex<T>> C;  ///< output                (H, M)
  Array<T> D;           ///< direct term           (H)
  Array<T> log_dt;      ///< log of the time step  (H)          log s

  S4Parameters() = default;
  /// Zeros of these sizes.
  S4Parameters(Index features, Index number_of_states, Index rank)
      : states(number_of_states),
        A_re_log(features, modes_of(states)),
        A_im(features, modes_of(states)),
        P(features, modes_of(states), rank),
        B(features, modes_of(states)),
        C(features, modes_of(states)),
        D(features),
        log_dt(features) {}

  Index features() const noexcept { return log_dt.rows(); }
  Index rank() const noexcept { return P.depth(); }

  /// The system of feature h, in fp64.
  DplrSystem<double> system(Index h) const {
    const Index M = modes_of(states), R = rank();
    DplrSystem<double> result{states, Vector<Complex<double>>(M), Matrix<Complex<double>>(M, R),
                              Vector<Complex<double>>(M), RowVector<Complex<double>>(M)};
    for (Index n = 0; n < M; ++n) {
      result.Lambda(n) = {-std::exp(static_cast<double>(A_re_log(h, n))), static_cast<double>(A_im(h, n))};
      for (Index r = 0; r < R; ++r) result.P(n, r) = Complex<double>(P(h, n, r));
      result.B(n) = Complex<double>(B(h, n));
      result.C(n) = Complex<double>(C(h, n));
    }
    return result;
  }

  /// @throws ShapeError if sizes disagree; DomainError if a number is not finite, there is no feature or state, or for
  /// an
  ///         odd N mode 0 is not real
  void check() const {
    const Index H = features(), M = modes_of(states);
    detail::require_at_least("features", 1, H);
    detail::require_at_least("states", 1, states);
    detail::require_shape("A_re_log", A_re_log, H, M);
    detail::require_shape("A_im", A_im, H, M);
    detail::require_shape("P", P, H, M, rank());
    detail::require_shape("B", B, H, M);
    detail::require_shape("C", C, H, M);
    detail::require_shape("D", D, H);
    detail::require_shape("log_dt", log_dt, H);
    require_finite("A_re_log", A_re_log);
    require_finite("A_im", A_im);
    require_finite("P", P);
    require_finite("B", B);
    require_finite("C", C);
    require_finite("D", D);
    require_finite("log_dt", log_dt);
    if (states % 2 == 1)
      for (Index h = 0; h < H; ++h) {
        bool real = A_im(h, 0) == 0 && B(h, 0).imag() == 0 && C(h, 0).imag() == 0;
        for (Index r = 0; r < rank(); ++r) real = real && P(h, 0, r).imag() == 0;
        if (!real)
          throw DomainError(detail::message("S4 with an odd number of states, ", states,
                                            ": expected a real mode 0 in feature ", h, ", got imaginary parts"));
      }
  }

  /// Published initial values: the measure's exact NPLR form for every feature, C and D normal, dt log-uniform.
  /// @throws DomainError if a size or the range of dt is not positive
  template <hippo::Measure Measure>
  static S4Parameters initial(Measure measure, const S4Shape& shape, Random& random) {
    detail::require_at_least("features", 1, shape.features);
    detail::require_at_least("states", 1, shape.states);
    detail::require_positive("dt_min", shape.dt_min);
    if (!(shape.dt_max >= shape.dt_min))
      throw DomainError(detail::message("dt_max: expected at least dt_min = ", shape.dt_min, ", got ", shape.dt_max));
    const hippo::Nplr nplr = hippo::nplr(measure, shape.states).half();
    const Index M = nplr.Lambda.size(), R = nplr.P.cols();
    S4Parameters parameters(shape.features, shape.states, R);
    for (Index h = 0; h < shape.features; ++h) {
      for (Index n = 0; n < M; ++n) {
        const bool real = multiplicity(n, shape.states) == 1;
        // a mode that does not decay is stored as one that decays over 10^9 s
        parameters.A_re_log(h, n) = static_cast<T>(std::log(std::max(-nplr.Lambda(n).real(), 1e-9)));
        parameters.A_im(h, n) = static_cast<T>(nplr.Lambda(n).imag());
        for (Index r = 0; r < R; ++r) parameters.P(h, n, r) = Complex<T>(nplr.P(n, r));
        parameters.B(h, n) = Complex<T>(nplr.B(n));
        const double re = random.normal(), im = random.normal();
        parameters.C(h, n) =
            real ? Complex<T>(static_cast<T>(re)) : Complex<T>(Complex<double>(re, im) * (std::numbers::sqrt2 / 2));
      }
      parameters.D(h) = static_cast<T>(random.normal());
      parameters.log_dt(h) = static_cast<T>(std::log(random.log_uniform(shape.dt_min, shape.dt_max)));
    }
    return parameters;
  }

 private:
  template <class Number>
  static void require_finite(std::string_view what, const Array<Number>& array) {
    for (const auto& value : array)
      if (!std::isfinite(std::real(value)) || !std::isfinite(std::imag(value)))
        throw DomainError(detail::message(what, ": expected finite numbers, got ", value));
  }
};

}  // namespace ssm
