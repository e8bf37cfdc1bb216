#pragma once

#include "ssm/discretize/method.hpp"
#include "ssm/system/diagonal.hpp"

namespace ssm {

/// What a step does to one mode of a diagonal system: x_k = A_bar x_{k-1} + gain dt B u_k.
///
/// A function of z = dt Lambda alone, so a step of its own for every sample needs nothing but this.
template <class T>
struct DiscreteMode {
  Complex<T> A_bar;  ///< dimensionless
  Complex<T> Delta;  ///< A_bar - 1, to its own digits
  Complex<T> gain;   ///< B_bar / (dt B)
};

/// A_bar as keep + change, keep being 0 or 1, so that what is rounded is small: a slow mode's A_bar is 1 - small, and
/// the small number keeps its digits only by itself; of a fast one A_bar is the smaller.
struct StepFactor {
  /// 0 or 1.
  double keep;
  /// What is rounded.
  Complex<double> change;

  /// @param Delta   A_bar - 1
  explicit StepFactor(Complex<double> Delta)
      : keep(std::norm(Delta) < 1 ? 1 : 0), change(keep == 1 ? Delta : Delta + 1.0) {}
};

/// A way to discretize one mode: ZeroOrderHold, Bilinear.
template <class M>
concept ModalMethod = requires(M method, Complex<double> z) {
  { discretize_mode(method, z) } -> std::same_as<DiscreteMode<double>>;
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

/// The same step for all modes.
template <class Method, class T>
requires ModalMethod<Method> DiscreteDiagonalSystem<T> discretize(Method method, const DiagonalSystem<T>& system,
                                                                  T dt) {
  return discretize(method, system, Vector<T>(Vector<T>::Constant(system.modes(), dt)));
}

}  // namespace ssm
