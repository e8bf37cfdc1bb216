#pragma once

#include "ssm/core/array.hpp"
#include "ssm/core/random.hpp"
#include "ssm/hippo/diagonal.hpp"
#include "ssm/layer/role.hpp"

#include <optional>

namespace ssm {

namespace detail {

/// Parameters that S4 and S4D have in common; see S4DParameters.
template <Real T>
struct ModalParameters {
  /// Scalar of the data.
  using Scalar = T;

  Index states = 0;     ///< N
  Array<T> A_re_log;    ///< log of -Re Lambda     (n, M)
  Array<T> A_im;        ///< Im Lambda             (n, M)       1/s
  Array<Complex<T>> B;  ///< input                 (n, M)
  Array<Complex<T>> C;  ///< output                (H, M)
  Array<T> D;           ///< direct term           (H)
  Array<T> log_dt;      ///< log of the time step  (H)          log s

  ModalParameters() = default;
  /// Makes zeros of these sizes.
  ModalParameters(Index features, Index N, Index sets)
      : states(N),
        A_re_log(sets, modes_of(states)),
        A_im(sets, modes_of(states)),
        B(sets, modes_of(states)),
        C(features, modes_of(states)),
        D(features),
        log_dt(features) {}

  /// Visits all arrays in order: f(name, array, role).
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    f("A_re_log", self.A_re_log, Role::dynamics);
    f("A_im", self.A_im, Role::dynamics);
    f("B", self.B, Role::dynamics);
    f("C", self.C, Role::ordinary);
    f("D", self.D, Role::ordinary);
    f("log_dt", self.log_dt, Role::dynamics);
  }

  Index features() const noexcept { return log_dt.rows(); }
  /// Sets of A and B, n: features where each has its own.
  Index copies() const noexcept { return A_re_log.rows(); }
  /// The set that feature h uses: features take turns.
  Index copy_of(Index h) const noexcept { return h % copies(); }

  /// Lambda, B and C of feature h, in fp64.
  DiagonalSystem<double> diagonal_system(Index h) const {
    const Index M = modes_of(states), set = copy_of(h);
    DiagonalSystem<double> result{states, Vector<Complex<double>>(M), Matrix<Complex<double>>(M, 1),
                                  Matrix<Complex<double>>(1, M)};
    for (Index n = 0; n < M; ++n) {
      result.Lambda(n) = {-std::exp(static_cast<double>(A_re_log(set, n))), static_cast<double>(A_im(set, n))};
      result.B(n, 0) = Complex<double>(B(set, n));
      result.C(0, n) = Complex<double>(C(h, n));
    }
    return result;
  }

  /// @throws ShapeError if sizes disagree; DomainError if there is no feature or state
  void check_sizes() const {
    const Index H = features(), M = modes_of(states);
    require_at_least("features", 1, H);
    require_at_least("states", 1, states);
    if (copies() < 1 || H % copies() != 0)
      throw ShapeError(message("sets of A and B: expected a divisor of the ", H, " features, got ", copies()));
    require_shape("A_re_log", A_re_log, copies(), M);
    require_shape("A_im", A_im, copies(), M);
    require_shape("B", B, copies(), M);
    require_shape("C", C, H, M);
    require_shape("D", D, H);
    require_shape("log_dt", log_dt, H);
  }
  /// @throws as S4DParameters::check
  void check() const {
    check_sizes();
    const Index H = features();
    require_finite("A_re_log", A_re_log);
    for (const T value : A_re_log)
      if (!std::isfinite(std::exp(static_cast<double>(value))))
        throw DomainError(message("A_re_log: expected numbers whose exponential is finite, got ", value));
    require_finite("A_im", A_im);
    require_finite("B", B);
    require_finite("C", C);
    require_finite("D", D);
    require_finite("log_dt", log_dt);
    if (states % 2 == 1)
      for (Index h = 0; h < H; ++h)
        require_real(h, A_im(copy_of(h), 0) == 0 && B(copy_of(h), 0).imag() == 0 && C(h, 0).imag() == 0);
  }
  void require_real(Index h, bool real) const {
    if (!real)
      throw DomainError(message("an odd number of states, ", states, ": expected a real mode 0 in feature ", h,
                                ", got imaginary parts"));
  }

  /// @throws DomainError if a size or the range of dt is not positive
  static void check(const auto& shape) {
    require_at_least("features", 1, shape.features);
    require_at_least("states", 1, shape.states);
    require_range("dt_min..dt_max", shape.dt_min, shape.dt_max);
    require_at_least("copies", 1, shape.sets());
    if (shape.features % shape.sets() != 0)
      throw DomainError(message("copies: expected a divisor of the ", shape.features, " features, got ", shape.sets()));
  }
  /// A and B of one set.
  void set(Index copy, const Vector<Complex<double>>& Lambda, const Vector<Complex<double>>& input) {
    for (Index n = 0; n < Lambda.size(); ++n) {
      // A mode that does not decay is stored as one that decays over 1,000 s. The gradient of what is stored is
      // Re Lambda times that of Re Lambda, so that one stored as next to nothing would never learn to decay.
      A_re_log(copy, n) = static_cast<T>(std::log(std::max(-Lambda(n).real(), 1e-3)));
      A_im(copy, n) = static_cast<T>(Lambda(n).imag());
      B(copy, n) = Complex<T>(input(n));
    }
  }
  /// C and D normal, dt log-uniform.
  void draw_rest(const auto& shape, Random& random) {
    for (Index h = 0; h < features(); ++h) {
      for (Index n = 0; n < modes_of(states); ++n) {
        const double re = random.normal(), im = random.normal();
        C(h, n) = multiplicity(n, states) == 1 ? Complex<T>(static_cast<T>(re))
                                               : Complex<T>(Complex<double>(re, im) * (std::numbers::sqrt2 / 2));
      }
      D(h) = static_cast<T>(random.normal());
      log_dt(h) = static_cast<T>(std::log(random.log_uniform(shape.dt_min, shape.dt_max)));
    }
  }
};

}  // namespace detail
}  // namespace ssm
