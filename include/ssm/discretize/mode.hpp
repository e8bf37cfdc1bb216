#pragma once

#include "ssm/discretize/method.hpp"
#include "ssm/system/diagonal.hpp"

namespace ssm {

/// One step of one mode of a diagonal system: x_k = A_bar x_{k-1} + gain dt B u_k.
///
/// A function of z = dt Lambda alone, so a step of its own for every sample needs nothing but this.
template <class T>
struct DiscreteMode {
  Complex<T> A_bar;  ///< dimensionless
  Complex<T> Delta;  ///< A_bar - 1, to its own digits
  Complex<T> gain;   ///< B_bar / (dt B)
};

/// Derivatives of both by z: dA_bar/dz and dgain/dz.
template <class T>
struct ModeSlope {
  Complex<T> A_bar;  ///< dA_bar/dz
  Complex<T> gain;   ///< dgain/dz
};

/// A_bar as keep + change, keep being 0 or 1, so that what is rounded is small: a slow mode's A_bar is 1 - small, and
/// the small number keeps its digits only by itself; of a fast one A_bar is the smaller.
struct StepFactor {
  /// 0 or 1.
  double keep;
  /// Number that is rounded.
  Complex<double> change;

  /// @param Delta   A_bar - 1
  explicit StepFactor(Complex<double> Delta)
      : keep(std::norm(Delta) < 1 ? 1 : 0), change(keep == 1 ? Delta : Delta + 1.0) {}
};

/// A way to discretize one mode: ZeroOrderHold, Bilinear.
template <class M>
concept ModalMethod = requires(M method, Complex<double> z) {
  { discretize_mode(method, z) } -> std::same_as<DiscreteMode<double>>;
  { mode_slope(method, z) } -> std::same_as<ModeSlope<double>>;
};

/// Discretization of a diagonal system, with a step for each mode.
///
///     Lambda_bar = A_bar(dt Lambda)          B_bar = dt gain(dt Lambda) B
///
/// Smith, Warrington, Linderman 2023 (S5), arXiv:2208.04933, section 3 and appendix A.
///
/// @param method   ZeroOrderHold, Bilinear: see discretize_mode
/// @param system   Lambda (M), B (M, inputs), C (outputs, M)
/// @param dt       step of each mode      (M)    s, > 0
/// @throws         ShapeError if the sizes disagree; DomainError if a dt is not positive and finite
/// @note           O(M inputs). Relative error <= 8 eps, also where dt Lambda is 0 or large.
template <class Method, class T>
requires ModalMethod<Method> DiscreteDiagonalSystem<T> discretize(Method method, const DiagonalSystem<T>& system,
                                                                  const Vector<T>& dt) {
  system.check();
  detail::require_size("steps dt", system.modes(), dt.size());
  DiscreteDiagonalSystem<T> discrete{system.states, system.Lambda, system.B, system.C};
  for (Index n = 0; n < system.modes(); ++n) {
    detail::require_positive("dt", dt(n));
    const DiscreteMode<T> mode = discretize_mode(method, Complex<T>(dt(n) * system.Lambda(n)));
    discrete.Lambda_bar(n) = mode.A_bar;
    discrete.B_bar.row(n) *= dt(n) * mode.gain;
  }
  return discrete;
}

/// Computes the same step for all modes.
template <class Method, class T>
requires ModalMethod<Method> DiscreteDiagonalSystem<T> discretize(Method method, const DiagonalSystem<T>& system,
                                                                  T dt) {
  return discretize(method, system, Vector<T>(Vector<T>::Constant(system.modes(), dt)));
}

/// The cotangents of a mode's own numbers from those of its discrete ones, B_bar taken for a single input.
///
///     z = dt Lambda,   A_bar = A_bar(z),   B_bar = dt gain(z) B
template <class T>
struct ModeCotangent {
  Complex<T> Lambda;  ///< dL/dRe + i dL/dIm
  Complex<T> B;       ///< the same
  T dt;               ///< dL/d(dt)
};
/// @param method    how it was discretized
/// @param Lambda    eigenvalue                  1/s
/// @param B         input
/// @param dt        time step                   s
/// @param dA_bar    cotangent of A_bar
/// @param dB_bar    cotangent of B_bar
template <class Method, class T>
requires ModalMethod<Method> ModeCotangent<T> discretize_mode_vjp(Method method, Complex<T> Lambda, Complex<T> B, T dt,
                                                                  Complex<T> dA_bar, Complex<T> dB_bar) {
  const Complex<T> z = dt * Lambda, gain = discretize_mode(method, z).gain;
  const ModeSlope<T> slope = mode_slope(method, z);
  const Complex<T> dz = std::conj(slope.A_bar) * dA_bar + std::conj(dt * slope.gain * B) * dB_bar;
  return {dt * dz, std::conj(dt * gain) * dB_bar, (std::conj(gain * B) * dB_bar + std::conj(Lambda) * dz).real()};
}

/// The cotangents of a system and its steps from those of its discrete form, added to what is there.
///
/// @param method     how it was discretized
/// @param system     Lambda (M), B (M, inputs), C (outputs, M)
/// @param dt         step of each mode                         (M)
/// @param discrete   cotangents of Lambda_bar, B_bar and C
/// @param dsystem    += cotangents of Lambda, B and C
/// @param ddt        += cotangent of dt                        (M)
/// @throws           ShapeError if the sizes disagree
/// @note             O(M inputs)
template <class Method, class T>
requires ModalMethod<Method>
void discretize_vjp(Method method, const DiagonalSystem<T>& system, const Vector<T>& dt,
                    const DiscreteDiagonalSystem<T>& discrete, DiagonalSystem<T>& dsystem, Vector<T>& ddt) {
  system.check();
  dsystem.check();
  detail::require_size("steps dt", system.modes(), dt.size());
  detail::require_size("cotangents of the steps dt", system.modes(), ddt.size());
  detail::require_size("cotangents of Lambda_bar", system.modes(), discrete.Lambda_bar.size());
  for (Index n = 0; n < system.modes(); ++n) {
    Complex<T> dA_bar = discrete.Lambda_bar(n);
    for (Index i = 0; i < system.B.cols(); ++i) {  // A_bar's share goes in with the first input
      const ModeCotangent<T> mode =
          discretize_mode_vjp(method, system.Lambda(n), system.B(n, i), dt(n), dA_bar, discrete.B_bar(n, i));
      dsystem.Lambda(n) += mode.Lambda;
      dsystem.B(n, i) += mode.B;
      ddt(n) += mode.dt;
      dA_bar = 0;
    }
  }
  dsystem.C += discrete.C;
}

}  // namespace ssm
