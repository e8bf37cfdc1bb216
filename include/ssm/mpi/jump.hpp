#pragma once

#include "ssm/kernel/thin_factors.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/layer/steady_state.hpp"

#include <cmath>
#include <vector>

namespace ssm::mpi {

/// A number of steps of a layer without input, as a linear map of its state, in fp64: J in x_after = J x_before.
///
/// | layer  | J of every system                   | numbers, for a state of n     | composed in |
/// | S4D    | diagonal: a complex number a mode   | n                             | O(n)        |
/// | S5     | the same, of its one system         | n                             | O(n)        |
/// | S4     | dense, of every feature             | H N^2, for a state of H N     | O(H N^3)    |
/// | LSSL   | dense, of every feature             | H N^2, for a state of H N     | O(H N^3)    |
///
/// A state is a list of real numbers: of every system first its modes' real parts, then the imaginary parts of those
/// that have one; of a dense system its N numbers.
class Jump {
 public:
  /// A matrix of one system, (N, N). @{
  using Block = Eigen::Map<Matrix<double>>;
  using ConstBlock = Eigen::Map<const Matrix<double>>;
  /// @}

  /// Diagonal systems: of no step, J = 1.
  /// @param systems   of independent states
  /// @param modes     of each, M
  /// @param real      of them, so many are real and stand first
  static Jump diagonal(Index systems, Index modes, Index real) {
    Jump jump(systems, 2 * modes - real, real);
    jump.entries_.assign(static_cast<std::size_t>(systems * 2 * modes), 0.0);
    for (Index i = 0; i < systems * modes; ++i) jump.entries_[static_cast<std::size_t>(2 * i)] = 1;
    return jump;
  }
  /// Dense systems, of no step.
  static Jump dense(Index systems, Index states) {
    Jump jump(systems, states, -1);
    jump.entries_.assign(static_cast<std::size_t>(systems * states * states), 0.0);
    for (Index h = 0; h < systems; ++h)
      for (Index n = 0; n < states; ++n) jump.block(h)(n, n) = 1;
    return jump;
  }

  /// Sets mode n of system h.
  void set(Index h, Index n, Complex<double> value) noexcept {
    entries_[at(h, n)] = value.real();
    entries_[at(h, n) + 1] = value.imag();
  }
  /// Mode n of system h.
  Complex<double> mode(Index h, Index n) const noexcept { return {entries_[at(h, n)], entries_[at(h, n) + 1]}; }
  /// The matrix of system h, (N, N), where systems are dense.
  Block block(Index h) noexcept { return {entries_.data() + h * states_ * states_, states_, states_}; }
  /// The matrix of system h, (N, N), where systems are dense.
  ConstBlock block(Index h) const noexcept { return {entries_.data() + h * states_ * states_, states_, states_}; }

  /// All numbers of J, in order.
  std::span<double> entries() noexcept { return entries_; }
  /// All numbers of J, in order.
  std::span<const double> entries() const noexcept { return entries_; }
  /// Numbers of a state.
  Index state_size() const noexcept { return systems_ * states_; }

  /// J of the steps of `earlier` and then of these.
  void follow(const Jump& earlier) {
    for (Index h = 0; h < systems_; ++h)
      if (is_dense()) {
        Matrix<double> product = Matrix<double>::Zero(states_, states_);
        kernel::add_product(block(h), earlier.block(h), product);
        block(h) = product;
      } else {
        for (Index n = 0; n < modes(); ++n) set(h, n, ssm::detail::plain_product(mode(h, n), earlier.mode(h, n)));
      }
  }
  /// J x
  std::vector<double> operator()(const std::vector<double>& x) const { return times(x, false); }
  /// J^T x: what becomes of a cotangent that goes back over the steps.
  std::vector<double> transposed(const std::vector<double>& x) const { return times(x, true); }

 private:
  Jump(Index systems, Index states, Index real) : systems_(systems), states_(states), real_(real) {}
  bool is_dense() const noexcept { return real_ < 0; }
  Index modes() const noexcept { return (states_ + real_) / 2; }
  std::size_t at(Index h, Index n) const noexcept { return static_cast<std::size_t>(2 * (h * modes() + n)); }
  std::vector<double> times(const std::vector<double>& x, bool transposed) const {
    std::vector<double> y(x.size(), 0.0);
    for (Index h = 0; h < systems_; ++h) {
      const double* const from = x.data() + h * states_;
      double* const to = y.data() + h * states_;
      if (is_dense()) {
        const auto J = block(h);
        for (Index m = 0; m < states_; ++m)
          for (Index n = 0; n < states_; ++n) to[transposed ? m : n] += J(n, m) * from[transposed ? n : m];
        continue;
      }
      const Index M = modes();
      for (Index n = 0; n < M; ++n) {
        const Complex<double> J = transposed ? std::conj(mode(h, n)) : mode(h, n);
        const Complex<double> value =
            ssm::detail::plain_product(J, Complex<double>(from[n], n < real_ ? 0.0 : from[M - real_ + n]));
        to[n] = value.real();
        if (n >= real_) to[M - real_ + n] = value.imag();
      }
    }
    return y;
  }

  Index systems_, states_, real_;  // real_: -1 where systems are dense
  std::vector<double> entries_;
};

namespace detail {

/// z^exponent, by repeated squaring.
inline Complex<double> power(Complex<double> z, Index exponent) noexcept {
  Complex<double> result = 1;
  for (; exponent > 0; exponent >>= 1, z = ssm::detail::plain_product(z, z))
    if (exponent & 1) result = ssm::detail::plain_product(result, z);
  return result;
}

/// A layer of one system of modes, S5's.
template <class Layer>
concept OneSystem = requires(const Layer layer, Index s, Complex<double> z) {
  layer.engine().discretized(z);
  layer.engine().Lambda(s);
};

/// J of so many steps of a layer.
template <ssm::detail::AnalysedByFeature Layer>
Jump jump_of(const Layer& layer, Index length) {
  using System = std::remove_cvref_t<decltype(layer.engine().discrete(Index()))>;
  const Index H = layer.features(), N = layer.states();
  if constexpr (std::is_same_v<System, DiscreteDiagonalSystem<double>>) {
    Jump jump = Jump::diagonal(H, modes_of(N), N % 2);
    for (Index h = 0; h < H; ++h) {
      const System system = layer.engine().discrete(h);
      for (Index n = 0; n < modes_of(N); ++n) jump.set(h, n, power(system.Lambda_bar(n), length));
    }
    return jump;
  } else {
    Jump jump = Jump::dense(H, N);
    for (Index h = 0; h < H; ++h)
      jump.block(h) = kernel::power(ssm::detail::as_dense(layer.engine().discrete(h)).A_bar, length);
    return jump;
  }
}
/// J of a layer of one system, over even or uneven steps.
template <OneSystem Layer>
Jump jump_of(const Layer& layer, Index length, Intervals<typename Layer::Scalar> intervals = {}) {
  const auto& scan = layer.engine();
  Jump jump = Jump::diagonal(1, scan.modes(), 0);
  for (Index s = 0; s < scan.modes(); ++s) {
    const Complex<double> z = scan.dt(s) * scan.Lambda(s);
    Complex<double> value = 1;
    if (intervals.empty())
      value = power(scan.discretized(z).A_bar, length);
    else
      for (Index k = 0; k < length; ++k)
        value = ssm::detail::plain_product(scan.discretized(intervals[k] * z).A_bar, value);
    jump.set(0, s, value);
  }
  return jump;
}

/// The state of a layer as real numbers, and back. @{
template <ssm::detail::AnalysedByFeature Layer>
std::vector<double> numbers_of(const Layer& layer, const typename Layer::State& state) {
  const auto N = static_cast<std::size_t>(layer.states());
  std::vector<double> x(static_cast<std::size_t>(layer.features()) * N);
  for (Index h = 0; h < layer.features(); ++h)
    layer.engine().real_state(h, state, std::span(x).subspan(static_cast<std::size_t>(h) * N, N));
  return x;
}
template <ssm::detail::AnalysedByFeature Layer>
void set_numbers(const Layer& layer, const std::vector<double>& x, typename Layer::State& state) {
  const auto N = static_cast<std::size_t>(layer.states());
  for (Index h = 0; h < layer.features(); ++h)
    layer.engine().set_real_state(h, std::span(x).subspan(static_cast<std::size_t>(h) * N, N), state);
}
template <OneSystem Layer>
std::vector<double> numbers_of(const Layer& layer, const typename Layer::State& state) {
  const Index S = layer.engine().modes();
  std::vector<double> x;
  for (Index s = 0; s < S; ++s) x.push_back(static_cast<double>(state.re(s)) + static_cast<double>(state.low_re(s)));
  for (Index s = 0; s < S; ++s) x.push_back(static_cast<double>(state.im(s)) + static_cast<double>(state.low_im(s)));
  return x;
}
template <OneSystem Layer>
void set_numbers(const Layer& layer, const std::vector<double>& x, typename Layer::State& state) {
  using X = typename Layer::State::Scalar;
  const Index S = layer.engine().modes();
  const auto put = [](double value, X& high, X& low) {
    high = static_cast<X>(value);
    low = static_cast<X>(value - static_cast<double>(high));
  };
  for (Index s = 0; s < S; ++s) {
    put(x[static_cast<std::size_t>(s)], state.re(s), state.low_re(s));
    put(x[static_cast<std::size_t>(S + s)], state.im(s), state.low_im(s));
  }
}
/// @}

}  // namespace detail
}  // namespace ssm::mpi
