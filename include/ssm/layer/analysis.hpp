#pragma once

#include "ssm/layer/featurewise.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/system/dplr.hpp"

#include <Eigen/Eigenvalues>
#include <Eigen/LU>

namespace ssm {

namespace detail {

/// A layer of H independent systems, one a feature.
template <class Layer>
concept AnalysedByFeature = requires(const Layer layer, Index h) {
  layer.engine().discrete(h);
};

/// The system of a feature as dense matrices, whatever its form.
inline const DiscreteDenseSystem<double>& as_dense(const DiscreteDenseSystem<double>& system) { return system; }
inline DiscreteDenseSystem<double> as_dense(const DiscreteDplrSystem<double>& system) { return dense(system); }
inline DiscreteDenseSystem<double> as_dense(const DiscreteDiagonalSystem<double>& system) {
  return dense(dplr(system));
}

}  // namespace detail

/// Returns how a layer of independent systems (S4, S4D, LSSL) answers exp(i omega k), once it has settled.
///
///     H(omega) = C (I - e^(-i omega) A_bar)^-1 B_bar + D
///
/// @param layer   S4, S4D or LSSL
/// @param omega   frequencies, in radians a step          (count)
/// @return        gain and phase                          (count, H)
/// @throws        DomainError if a frequency is not finite, or hits a mode that does not decay
/// @note          O(H count N^3), fp64
template <detail::AnalysedByFeature Layer>
Array<Complex<double>> frequency_response(const Layer& layer, std::span<const double> omega) {
  const Index H = layer.features(), N = layer.states();
  Array<Complex<double>> response(static_cast<Index>(omega.size()), H);
  for (Index h = 0; h < H; ++h) {
    const auto system = detail::as_dense(layer.engine().discrete(h));
    for (Index i = 0; i < std::ssize(omega); ++i) {
      const double at = omega[static_cast<std::size_t>(i)];
      if (!std::isfinite(at)) throw DomainError(detail::message("omega: expected finite frequencies, got ", at));
      const Matrix<Complex<double>> resolvent = Matrix<Complex<double>>::Identity(N, N) -
                                                std::polar(1.0, -at) * system.A_bar.template cast<Complex<double>>();
      const Vector<Complex<double>> x = Eigen::PartialPivLU<Matrix<Complex<double>>>(resolvent).solve(
          system.B_bar.col(0).template cast<Complex<double>>());
      Complex<double> sum = static_cast<double>(layer.parameters().D(h));
      for (Index n = 0; n < N; ++n) sum += system.C(0, n) * x(n);
      if (!std::isfinite(sum.real()) || !std::isfinite(sum.imag()))
        throw DomainError(detail::message("omega: expected no mode that does not decay at ", at, ", feature ", h));
      response(i, h) = sum;
    }
  }
  return response;
}
/// Returns the same of an S5, from every input to every output.
///
///     H(omega) = (G(omega) + conj(G(-omega))) / 2 + D,   G(omega) = C (I - e^(-i omega) Lambda_bar)^-1 B_bar
///
/// @param layer   S5
/// @param omega   frequencies, in radians a step     (count)
/// @return        gain and phase                     (count, outputs, inputs)
/// @throws        DomainError if a frequency is not finite, or hits a mode that does not decay
/// @note          O(count P H^2), fp64
template <Real T, Index P, Real X>
Array<Complex<double>> frequency_response(const S5<T, P, X>& layer, std::span<const double> omega) {
  const auto& scan = layer.engine();
  const Index H = layer.features(), S = scan.modes();
  Array<Complex<double>> response(static_cast<Index>(omega.size()), H, H);
  for (Index i = 0; i < std::ssize(omega); ++i) {
    const double at = omega[static_cast<std::size_t>(i)];
    if (!std::isfinite(at)) throw DomainError(detail::message("omega: expected finite frequencies, got ", at));
    const Complex<double> z = std::polar(1.0, -at);
    for (Index h = 0; h < H; ++h) response(i, h, h) = static_cast<double>(scan.D()(h));
    for (Index s = 0; s < S; ++s) {
      const DiscreteMode<double> mode = scan.discretized(scan.dt(s) * scan.Lambda(s));
      const Complex<double> gain = scan.dt(s) * mode.gain, below = 1.0 - z * mode.A_bar,
                            mirrored = 1.0 - z * std::conj(mode.A_bar);
      if (below == 0.0 || mirrored == 0.0)
        throw DomainError(detail::message("omega: expected no mode that does not decay at ", at));
      for (Index out = 0; out < H; ++out)
        for (Index in = 0; in < H; ++in) {
          const Complex<double> B(scan.B()(in, s), scan.B()(in, S + s)), C(scan.C()(s, out), -scan.C()(S + s, out));
          const Complex<double> joined = C * gain * B;
          response(i, out, in) += (joined / below + std::conj(joined) / mirrored) / 2.0;
        }
    }
  }
  return response;
}

/// Returns the eigenvalues of A_bar of every feature; they are inside the unit circle where a layer is stable.
/// @param layer   S4, S4D or LSSL
/// @return        (H, N)
/// @note          O(H N^3), fp64
template <detail::AnalysedByFeature Layer>
Array<Complex<double>> poles(const Layer& layer) {
  Array<Complex<double>> result(layer.features(), layer.states());
  for (Index h = 0; h < layer.features(); ++h) {
    const Eigen::EigenSolver<Matrix<double>> solver(detail::as_dense(layer.engine().discrete(h)).A_bar, false);
    for (Index n = 0; n < layer.states(); ++n) result(h, n) = solver.eigenvalues()(n);
  }
  return result;
}
/// Returns the eigenvalues of the modes that an S5 keeps: of half a spectrum one of each conjugate pair.
/// @param layer   S5
/// @return        (S)
template <Real T, Index P, Real X>
Array<Complex<double>> poles(const S5<T, P, X>& layer) {
  const auto& scan = layer.engine();
  Array<Complex<double>> result(scan.modes());
  for (Index s = 0; s < scan.modes(); ++s) result(s) = scan.discretized(scan.dt(s) * scan.Lambda(s)).A_bar;
  return result;
}

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
    const Matrix<double> kept = Matrix<double>::Identity(N, N) - system.A_bar;
    const Vector<double> x = Eigen::PartialPivLU<Matrix<double>>(kept).solve(
        system.B_bar.col(0) * static_cast<double>(u[static_cast<std::size_t>(h)]));
    if (!x.allFinite())
      throw DomainError(
          detail::message("feature ", h, ": expected modes that decay or turn, got one that keeps its state"));
    layer.engine().set_real_state(h, {x.data(), static_cast<std::size_t>(N)}, state);
  }
  return state;
}
/// Returns the same of an S5.
/// @throws   ShapeError if u has another size; DomainError if a mode neither decays nor turns
template <Real T, Index P, Real X>
MimoState<X> steady_state(const S5<T, P, X>& layer, std::span<const T> u) {
  detail::require_size("features of the input", layer.features(), std::ssize(u));
  const auto& scan = layer.engine();
  auto state = layer.initial_state();
  const Index S = scan.modes();
  for (Index s = 0; s < S; ++s) {
    const DiscreteMode<double> mode = scan.discretized(scan.dt(s) * scan.Lambda(s));
    Complex<double> driven = 0;
    for (Index h = 0; h < layer.features(); ++h)
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

}  // namespace ssm
