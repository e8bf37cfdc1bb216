#pragma once

#include "ssm/discretize/inverse.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/system/matrices.hpp"

namespace ssm {

namespace detail {

// Functions of `Own`, which is Matrices, are templates so that programs that do not call them do not compile them.

/// @throws as Matrices::check; ShapeError unless every system has one input, one output and N states
inline void check_features(std::span<const Matrices> systems) {
  require_at_least("systems (one for each feature)", 1, std::ssize(systems));
  for (const Matrices& system : systems) {
    system.check();
    require_size("inputs of a feature's system", 1, system.B.cols());
    require_size("outputs of a feature's system", 1, system.C.rows());
    require_size("states of a feature's system", systems.front().A.rows(), system.A.rows());
  }
}
/// The modes of a system of one's own: continuous ones, or those that its discrete ones come from.
template <class Own>
DiagonalSystem<double> modes_of_matrices(const Own& matrices) {
  return in_eigenbasis<double>(matrices.A, matrices.B, matrices.C);
}
template <class Own>
DiagonalSystem<double> modes_of_discrete(const Own& matrices, double dt, const ModalDiscretization& method) {
  auto system = modes_of_matrices(matrices);
  for (Index n = 0; n < system.modes(); ++n) {
    const Complex<double> A_bar = system.Lambda(n);
    system.Lambda(n) = continuous_mode(method, A_bar, dt);
    system.B.row(n) /= dt * discretize_mode(method, Complex<double>(dt * system.Lambda(n))).gain;
  }
  return system;
}
/// Stores the modes of a system of one input and output as feature h of S4's or S4D's parameters.
template <class Parameters, class Own>
void store_feature(Index h, const DiagonalSystem<double>& system, const Own& own, double dt, Parameters& parameters) {
  using T = std::remove_cvref_t<decltype(parameters.D(0))>;
  require_size("modes of a feature's system (eigenvalues, of conjugate pairs one)", parameters.A_im.columns(),
               system.modes());
  const double rounding = 1e-12 * std::max(own.A.norm(), 1 / dt);
  for (Index n = 0; n < system.modes(); ++n) {
    const Complex<double> Lambda = system.Lambda(n);
    if (Lambda.real() > rounding)
      throw DomainError(
          message("A: expected modes that do not grow, got one of ", Lambda, " 1/s; S5 and LSSL take it"));
    constexpr double still = 1e-30;  // what is stored of a mode that keeps its size: its logarithm is finite
    parameters.A_re_log(h, n) = static_cast<T>(std::log(std::max(-Lambda.real(), still)));
    parameters.A_im(h, n) = static_cast<T>(Lambda.imag());
    parameters.B(h, n) = Complex<T>(system.B(n, 0));
    parameters.C(h, n) = Complex<T>(system.C(0, n));
  }
  parameters.D(h) = static_cast<T>(own.D(0, 0));
  parameters.log_dt(h) = static_cast<T>(std::log(dt));
}
/// Makes parameters of S4 (rank 0) or S4D of systems whose modes are found by `modes`.
template <class Parameters, class Modes>
Parameters featurewise_parameters(std::span<const Matrices> systems, double dt, Parameters (*sized)(Index, Index),
                                  Modes modes) {
  check_features(systems);
  require_positive("dt", dt);
  Parameters parameters;
  for (Index h = 0; h < std::ssize(systems); ++h) {
    const Matrices& own = systems[static_cast<std::size_t>(h)];
    const DiagonalSystem<double> system = modes(own);
    if (h == 0) parameters = sized(std::ssize(systems), system.states);
    store_feature(h, system, own, dt, parameters);
  }
  return parameters;
}
/// Makes S5's parameters of a diagonal system; D is stored as a vector where it is square and diagonal.
template <Real T, Fp64 S>
S5Parameters<T> mimo_parameters(const DiagonalSystem<S>& system, const Matrix<S>& D, double dt,
                                const ModalDiscretization& method) {
  require_positive("dt", dt);
  const Index inputs = D.cols(), outputs = D.rows(), modes = system.modes();
  Matrix<S> beside = D;
  for (Index i = 0; i < std::min(inputs, outputs); ++i) beside(i, i) = 0;
  const bool diagonal = inputs == outputs && beside.isZero(0);
  auto parameters =
      diagonal ? S5Parameters<T>(inputs, system.states, Spectrum::half, TimeSteps::shared)
               : S5Parameters<T>::rectangular(inputs, outputs, system.states, Spectrum::half, TimeSteps::shared);
  parameters.discretization = method;
  parameters.log_dt(0) = static_cast<T>(std::log(dt));
  for (Index s = 0; s < modes; ++s) {
    parameters.Lambda_re(s) = static_cast<T>(system.Lambda(s).real());
    parameters.Lambda_im(s) = static_cast<T>(system.Lambda(s).imag());
    for (Index i = 0; i < inputs; ++i) parameters.B(s, i) = Complex<T>(system.B(s, i));
    for (Index o = 0; o < outputs; ++o) parameters.C(o, s) = Complex<T>(system.C(o, s));
  }
  for (Index o = 0; o < outputs; ++o)
    if (diagonal)
      parameters.D(o) = static_cast<T>(D(o, o));
    else
      for (Index i = 0; i < inputs; ++i) parameters.D(o, i) = static_cast<T>(D(o, i));
  return parameters;
}
/// A kind of layer by its parameters.
template <class Layer, template <class> class Parameters>
concept HasParameters = std::same_as<typename Layer::Parameters, Parameters<typename Layer::Scalar>>;

}  // namespace detail

/// Makes the parameters of a layer from continuous matrices of one's own.
///
///     auto parameters = ssm::from_continuous<ssm::S4D<float>>({A, B, C, D}, 1e-3);
///
/// | layer             | takes                                                       | keeps                         |
/// | S4D, S4           | one input and output; A with a basis of eigenvectors, no    | modes; S4's rank is 0         |
/// |                   | mode that grows                                             |                               |
/// | S5, RectangularS5 | any number of inputs and outputs; A with such a basis       | modes                         |
/// | LSSL              | one input and output; any A                                 | the matrices                  |
///
/// A real eigenvalue takes a mode of its own, so S4D, S4 and S5 may count more states than A has rows: twice the modes.
/// A whole dense system of several inputs and outputs is a StateSpace.
///
/// @param matrices   x' = A x + B u, y = C x + D u
/// @param dt         time step                              s, > 0
/// @throws           ShapeError if sizes disagree; DomainError if A is none that the layer takes, or dt is not positive
/// @note             O(N^3), in fp64; what is stored is rounded to the layer's scalar. @{
template <class Layer>
requires detail::HasParameters<Layer, S4DParameters>
typename Layer::Parameters from_continuous(std::span<const Matrices> matrices, double dt) {
  using Parameters = typename Layer::Parameters;
  return detail::featurewise_parameters<Parameters>(
      matrices, dt, [](Index H, Index N) { return Parameters(H, N); }, detail::modes_of_matrices<Matrices>);
}
template <class Layer>
requires detail::HasParameters<Layer, S4Parameters>
typename Layer::Parameters from_continuous(std::span<const Matrices> matrices, double dt) {
  using Parameters = typename Layer::Parameters;
  return detail::featurewise_parameters<Parameters>(
      matrices, dt, [](Index H, Index N) { return Parameters(H, N, 0); }, detail::modes_of_matrices<Matrices>);
}
template <class Layer>
requires detail::HasParameters<Layer, LSSLParameters>
typename Layer::Parameters from_continuous(std::span<const Matrices> matrices, double dt,
                                           DenseDiscretization method = {}) {
  detail::check_features(matrices);
  detail::require_positive("dt", dt);
  typename Layer::Parameters parameters(std::ssize(matrices), matrices.front().A.rows());
  parameters.discretization = method;
  for (Index h = 0; h < std::ssize(matrices); ++h) {
    const Matrices& own = matrices[static_cast<std::size_t>(h)];
    parameters.set(h, {own.A, own.B, own.C});
    parameters.D(h) = static_cast<typename Layer::Scalar>(own.D(0, 0));
    parameters.log_dt(h) = static_cast<typename Layer::Scalar>(std::log(dt));
  }
  return parameters;
}
/// Takes one system; S4D, S4 and LSSL then have one feature.
template <class Layer>
requires(!detail::HasParameters<Layer, S5Parameters>) typename Layer::Parameters
    from_continuous(const Matrices& matrices, double dt) {
  return from_continuous<Layer>(std::span<const Matrices>(&matrices, 1), dt);
}
template <class Layer>
requires detail::HasParameters<Layer, S5Parameters>
typename Layer::Parameters from_continuous(const Matrices& matrices, double dt) {
  matrices.check();
  return detail::mimo_parameters<typename Layer::Scalar>(detail::modes_of_matrices(matrices), matrices.D, dt, {});
}
/// @}

/// Makes the parameters of an S4 from a matrix that is skew but for a multiple of the identity and a low rank, as the
/// HiPPO matrices are: the diagonal plus low rank form of S4, in the eigenbasis of A + P P^T.
/// @param matrices   x' = A x + B u, y = C x + D u, one input and output
/// @param P          A + P P^T = -c I + S, S^T = -S          (N, R)
/// @param dt         time step                               s, > 0
/// @throws           ShapeError if sizes disagree; DomainError if A + P P^T is no such matrix, R is above max_rank, or
///                   dt is not positive
/// @note             O(N^3), in fp64
template <class Layer, Fp64 S = double>
requires detail::HasParameters<Layer, S4Parameters>
typename Layer::Parameters from_continuous(const Matrices& matrices, const std::type_identity_t<Matrix<S>>& P,
                                           double dt) {
  using T = typename Layer::Scalar;
  detail::check_features({&matrices, 1});
  detail::require_positive("dt", dt);
  const Index N = matrices.A.rows(), R = P.cols();
  detail::require_size("rows of P", N, P.rows());
  if (R > max_rank) throw DomainError(detail::message("rank of P: expected at most ", max_rank, ", got ", R));
  const Matrix<S> normal = matrices.A + P * P.transpose();
  const Matrix<S> shift =
      (normal + normal.transpose()) / 2 - Matrix<S>::Identity(N, N) * (normal.trace() / static_cast<double>(N));
  if (!(shift.norm() <= 1e-9 * normal.norm()))
    throw DomainError("A + P P^T: expected a skew matrix and a multiple of the identity, got another");
  auto whole = hippo::diagonalise_normal(normal);
  whole.P = hippo::detail::adjoint_times(whole.V, P);
  whole.B = hippo::detail::adjoint_times(whole.V, matrices.B);
  const auto half = whole.half();
  typename Layer::Parameters parameters(1, N, R);
  detail::store_feature(0, {N, half.Lambda, half.B, matrices.C.template cast<Complex<S>>() * half.V}, matrices, dt,
                        parameters);
  for (Index n = 0; n < half.P.rows(); ++n)
    for (Index r = 0; r < R; ++r) parameters.P(0, n, r) = Complex<T>(half.P(n, r));
  return parameters;
}

/// Makes the parameters of a layer from discrete matrices of one's own: the layer at rate 1 has their steps.
///
///     auto parameters = ssm::from_discrete<ssm::S5<float>>({A, B, C, D}, 1e-3);
///
/// Layers store continuous systems, so that the rate can change; the method says which continuous system the matrices
/// are taken to come from. See from_continuous for what each layer takes.
///
/// @param matrices   x_k = A x_{k-1} + B u_k, y_k = C x_k + D u_k
/// @param dt         time step                              s, > 0
/// @param method     of S4D and S5: zero-order hold unless told; of LSSL: bilinear. S4 has the bilinear rule alone
/// @throws           ShapeError if sizes disagree; DomainError if A is none that the layer takes, or that the method
///                   gives, or dt is not positive
/// @note             O(N^3), in fp64; what is stored is rounded to the layer's scalar. @{
template <class Layer>
requires detail::HasParameters<Layer, S4DParameters>
typename Layer::Parameters from_discrete(std::span<const Matrices> matrices, double dt,
                                         ModalDiscretization method = {}) {
  using Parameters = typename Layer::Parameters;
  auto parameters = detail::featurewise_parameters<Parameters>(
      matrices, dt, [](Index H, Index N) { return Parameters(H, N); },
      [&](const Matrices& own) { return detail::modes_of_discrete(own, dt, method); });
  parameters.discretization = method;
  return parameters;
}
template <class Layer>
requires detail::HasParameters<Layer, S4Parameters>
typename Layer::Parameters from_discrete(std::span<const Matrices> matrices, double dt, Bilinear = {}) {
  using Parameters = typename Layer::Parameters;
  return detail::featurewise_parameters<Parameters>(
      matrices, dt, [](Index H, Index N) { return Parameters(H, N, 0); },
      [&](const Matrices& own) { return detail::modes_of_discrete(own, dt, Bilinear{}); });
}
template <class Layer>
requires detail::HasParameters<Layer, LSSLParameters>
typename Layer::Parameters from_discrete(std::span<const Matrices> matrices, double dt,
                                         DenseDiscretization method = {}) {
  detail::check_features(matrices);
  std::vector<Matrices> continuous_ones(matrices.begin(), matrices.end());
  for (Matrices& own : continuous_ones) {
    const DenseSystem<double> system = continuous(method, DiscreteDenseSystem<double>{own.A, own.B, own.C}, dt);
    own.A = system.A;
    own.B = system.B;
  }
  return from_continuous<Layer>(std::span<const Matrices>(continuous_ones), dt, method);
}
/// Takes one system; S4D, S4 and LSSL then have one feature.
template <class Layer, class... Method>
requires(!detail::HasParameters<Layer, S5Parameters>) typename Layer::Parameters
    from_discrete(const Matrices& matrices, double dt, Method... method) {
  return from_discrete<Layer>(std::span<const Matrices>(&matrices, 1), dt, method...);
}
template <class Layer>
requires detail::HasParameters<Layer, S5Parameters>
typename Layer::Parameters from_discrete(const Matrices& matrices, double dt, ModalDiscretization method = {}) {
  matrices.check();
  return detail::mimo_parameters<typename Layer::Scalar>(detail::modes_of_discrete(matrices, dt, method), matrices.D,
                                                         dt, method);
}
/// @}

}  // namespace ssm
