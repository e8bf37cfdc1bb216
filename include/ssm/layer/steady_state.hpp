#pragma once

#include "ssm/layer/featurewise.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/layer/state_space.hpp"
#include "ssm/system/dplr.hpp"

#include <Eigen/LU>

namespace ssm {

namespace detail {

/// A layer of H independent systems, one a feature.
template <class Layer>
concept AnalysedByFeature = requires(const Layer layer, Index h) {
  layer.engine().discrete(h);
};

/// The system of a feature as dense matrices, whatever its form.
template <Fp64 S>
const DiscreteDenseSystem<S>& as_dense(const DiscreteDenseSystem<S>& system) {
  return system;
}
template <Fp64 S>
DiscreteDenseSystem<S> as_dense(const DiscreteDplrSystem<S>& system) {
  return dense(system);
}
template <Fp64 S>
DiscreteDenseSystem<S> as_dense(const DiscreteDiagonalSystem<S>& system) {
  return dense(dplr(system));
}

/// x = (I - A_bar)^-1 driven                (N)
template <class S>
Vector<S> settled(const Matrix<S>& A_bar, const std::type_identity_t<Vector<S>>& driven) {
  const Matrix<S> kept = Matrix<S>::Identity(A_bar.rows(), A_bar.rows()) - A_bar;
  return Eigen::PartialPivLU<Matrix<S>>(kept).solve(driven);
}

}  // namespace detail

/// Returns the state in which a constant input leaves a layer for ever: begun from it, a signal that rests at u makes
/// no click.
///
///     x = (I - A_bar)^-1 B_bar u
///
/// @param layer   S4, S4D or LSSL
/// @param u       the constant input      (H)
/// @throws        ShapeError if u has another size; DomainError if a mode neither decays nor turns
/// @note          O(H N^3), fp64
template <detail::AnalysedByFeature Layer>
typename Layer::State steady_state(const Layer& layer, std::span<const typename Layer::Scalar> u) {
  detail::require_size("features of the input", layer.features(), std::ssize(u));
  auto state = layer.initial_state();
  const Index N = layer.states();
  for (Index h = 0; h < layer.features(); ++h) {
    const auto system = detail::as_dense(layer.engine().discrete(h));
    const auto x =
        detail::settled(system.A_bar, system.B_bar.col(0) * static_cast<double>(u[static_cast<std::size_t>(h)]));
    if (!x.allFinite())
      throw DomainError(
          detail::message("feature ", h, ": expected modes that decay or turn, got one that keeps its state"));
    layer.engine().set_real_state(h, {x.data(), static_cast<std::size_t>(N)}, state);
  }
  return state;
}
/// Returns the same of an S5 or a RectangularS5; u has a number for each input.
/// @throws   ShapeError if u has another size; DomainError if a mode neither decays nor turns
template <Real T, Index P, Real X>
MimoState<X> steady_state(const detail::MimoLayer<T, P, X>& layer, std::span<const T> u) {
  const auto& scan = layer.engine();
  detail::require_size("features of the input", scan.inputs(), std::ssize(u));
  auto state = layer.initial_state();
  const Index S = scan.modes();
  for (Index s = 0; s < S; ++s) {
    const DiscreteMode<double> mode = scan.discretized(scan.dt(s) * scan.Lambda(s));
    Complex<double> driven = 0;
    for (Index h = 0; h < scan.inputs(); ++h)
      driven +=
          Complex<double>(scan.B()(h, s), scan.B()(h, S + s)) * static_cast<double>(u[static_cast<std::size_t>(h)]);
    const Complex<double> x = scan.dt(s) * mode.gain * driven / -mode.Delta;
    if (!std::isfinite(x.real()) || !std::isfinite(x.imag()))
      throw DomainError(
          detail::message("mode ", s, ": expected one that decays or turns, got one that keeps its state"));
    state.re(s) = static_cast<X>(x.real());
    state.im(s) = static_cast<X>(x.imag());
    state.low_re(s) = static_cast<X>(x.real() - static_cast<double>(state.re(s)));
    state.low_im(s) = static_cast<X>(x.imag() - static_cast<double>(state.im(s)));
  }
  return state;
}

/// Returns the same of a dense system of several inputs and outputs; u has a number for each input.
/// @throws   ShapeError if u has another size; DomainError if a mode keeps its state
template <Real T>
DenseState<T> steady_state(const StateSpace<T>& layer, std::span<const T> u) {
  detail::require_size("inputs of u", layer.inputs(), std::ssize(u));
  const Matrices& own = layer.matrices();
  Vector<double> driven = Vector<double>::Zero(layer.states());
  for (Index i = 0; i < layer.inputs(); ++i)
    driven += own.B.col(i) * static_cast<double>(u[static_cast<std::size_t>(i)]);
  const Vector<double> x = detail::settled(own.A, driven);
  if (!x.allFinite()) throw DomainError("A: expected modes that decay or turn, got one that keeps its state");
  auto state = layer.initial_state();
  for (Index n = 0; n < layer.states(); ++n) {
    state.x(0, n) = static_cast<T>(x(n));
    state.low(0, n) = static_cast<T>(x(n) - static_cast<double>(state.x(0, n)));
  }
  return state;
}

}  // namespace ssm
