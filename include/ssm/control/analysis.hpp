#pragma once

#include "ssm/layer/steady_state.hpp"

#include <Eigen/Eigenvalues>
#include <Eigen/LU>

namespace ssm {

namespace detail {

/// (I - e^(-i omega) A_bar)^-1 B_bar        (N, inputs)
/// @throws DomainError if omega is not finite
template <class S>
Matrix<Complex<S>> resolved(const Matrix<S>& A_bar, const Matrix<S>& B_bar, S omega) {
  if (!std::isfinite(omega)) throw DomainError(message("omega: expected finite frequencies, got ", omega));
  const Index N = A_bar.rows();
  const Matrix<Complex<S>> resolvent =
      Matrix<Complex<S>>::Identity(N, N) - std::polar(S(1), -omega) * A_bar.template cast<Complex<S>>();
  return Eigen::PartialPivLU<Matrix<Complex<S>>>(resolvent).solve(B_bar.template cast<Complex<S>>());
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
      const Vector<Complex<double>> x = detail::resolved(system.A_bar, system.B_bar, at).col(0);
      Complex<double> sum = static_cast<double>(layer.parameters().D(h));
      for (Index n = 0; n < N; ++n) sum += system.C(0, n) * x(n);
      if (!std::isfinite(sum.real()) || !std::isfinite(sum.imag()))
        throw DomainError(detail::message("omega: expected no mode that does not decay at ", at, ", feature ", h));
      response(i, h) = sum;
    }
  }
  return response;
}
/// Returns the same of an S5 or a RectangularS5, from every input to every output.
///
///     H(omega) = (G(omega) + conj(G(-omega))) / 2 + D,   G(omega) = C (I - e^(-i omega) Lambda_bar)^-1 B_bar
///
/// @param layer   S5 or RectangularS5
/// @param omega   frequencies, in radians a step     (count)
/// @return        gain and phase                     (count, outputs, inputs)
/// @throws        DomainError if a frequency is not finite, or hits a mode that does not decay
/// @note          O(count P H^2), fp64
template <Real T, Index P, Real X>
Array<Complex<double>> frequency_response(const detail::MimoLayer<T, P, X>& layer, std::span<const double> omega) {
  const auto& scan = layer.engine();
  const Index inputs = scan.inputs(), outputs = scan.outputs(), S = scan.modes();
  Array<Complex<double>> response(static_cast<Index>(omega.size()), outputs, inputs);
  for (Index i = 0; i < std::ssize(omega); ++i) {
    const double at = omega[static_cast<std::size_t>(i)];
    if (!std::isfinite(at)) throw DomainError(detail::message("omega: expected finite frequencies, got ", at));
    const Complex<double> z = std::polar(1.0, -at);
    for (Index out = 0; out < outputs; ++out)
      if (scan.direct() == detail::Direct::vector)
        response(i, out, out) = static_cast<double>(scan.D()(out));
      else
        for (Index in = 0; in < inputs; ++in) response(i, out, in) = static_cast<double>(scan.D()(in, out));
    for (Index s = 0; s < S; ++s) {
      const DiscreteMode<double> mode = scan.discretized(scan.dt(s) * scan.Lambda(s));
      const Complex<double> gain = scan.dt(s) * mode.gain, below = 1.0 - z * mode.A_bar,
                            mirrored = 1.0 - z * std::conj(mode.A_bar);
      if (below == 0.0 || mirrored == 0.0)
        throw DomainError(detail::message("omega: expected no mode that does not decay at ", at));
      for (Index out = 0; out < outputs; ++out)
        for (Index in = 0; in < inputs; ++in) {
          const Complex<double> B(scan.B()(in, s), scan.B()(in, S + s)), C(scan.C()(s, out), -scan.C()(S + s, out));
          const Complex<double> joined = C * gain * B;
          response(i, out, in) += (joined / below + std::conj(joined) / mirrored) / 2.0;
        }
    }
  }
  return response;
}

/// Returns the same of a dense system of several inputs and outputs.
/// @param layer   StateSpace
/// @param omega   frequencies, in radians a step     (count)
/// @return        gain and phase                     (count, outputs, inputs)
/// @throws        DomainError if a frequency is not finite, or hits a mode that does not decay
/// @note          O(count N^3), fp64
template <Real T>
Array<Complex<double>> frequency_response(const StateSpace<T>& layer, std::span<const double> omega) {
  const Matrices& own = layer.matrices();
  Array<Complex<double>> response(static_cast<Index>(omega.size()), layer.outputs(), layer.inputs());
  for (Index i = 0; i < std::ssize(omega); ++i) {
    const double at = omega[static_cast<std::size_t>(i)];
    const Matrix<Complex<double>> H =
        own.C.cast<Complex<double>>() * detail::resolved(own.A, own.B, at) + own.D.cast<Complex<double>>();
    if (!H.allFinite()) throw DomainError(detail::message("omega: expected no mode that does not decay at ", at));
    for (Index out = 0; out < layer.outputs(); ++out)
      for (Index in = 0; in < layer.inputs(); ++in) response(i, out, in) = H(out, in);
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
/// @param layer   S5 or RectangularS5
/// @return        (S)
template <Real T, Index P, Real X>
Array<Complex<double>> poles(const detail::MimoLayer<T, P, X>& layer) {
  const auto& scan = layer.engine();
  Array<Complex<double>> result(scan.modes());
  for (Index s = 0; s < scan.modes(); ++s) result(s) = scan.discretized(scan.dt(s) * scan.Lambda(s)).A_bar;
  return result;
}

/// Returns the eigenvalues of A_bar of a dense system.
/// @param layer   StateSpace
/// @return        (N)
template <Real T>
Array<Complex<double>> poles(const StateSpace<T>& layer) {
  const Eigen::EigenSolver<Matrix<double>> solver(layer.matrices().A, false);
  Array<Complex<double>> result(layer.states());
  for (Index n = 0; n < layer.states(); ++n) result(n) = solver.eigenvalues()(n);
  return result;
}

}  // namespace ssm
