#pragma once

#include "ssm/layer/concept.hpp"
#include "ssm/layer/convolution.hpp"
#include "ssm/recurrence/modal.hpp"
#include "ssm/recurrence/modal_adjoint.hpp"
#include "ssm/recurrence/step_work.hpp"

namespace ssm::detail {

/// Common base of the engines of S4 and S4D: parameters at a rate, the state in modes and its recurrence. See
/// Featurewise.
///
/// @tparam Rank   rank of the low-rank part, `dynamic` or known at compile time
template <class ParametersOf, Real T, Index N, Real X, class Arch, Index Rank = dynamic>
class ModalEngine {
 public:
  using Scalar = T;
  using Parameters = ParametersOf;
  using State = ModalState<X>;

  Index features() const noexcept { return parameters_.features(); }
  Index states() const noexcept { return N == dynamic ? parameters_.states : N; }
  double rate() const noexcept { return rate_; }
  const Parameters& parameters() const noexcept { return parameters_; }

  State rest() const { return recurrence_.rest(); }

  /// Derivatives: see TrainableSSMLayer.
  using Cotangent = ModalCotangent;
  using Workspace = ModalAdjoint<T, N, X, Arch, Rank>;
  /// Returns a zero cotangent, ready to accumulate sequences.
  Cotangent cotangent() const { return Workspace::zero(recurrence_, features()); }
  void check(const State& state) const {
    require_size("features of the state", features(), state.features());
    require_size("modes of the state", modes_of(states()), state.modes());
    require_size("rank of the state", recurrence_.rank(), state.rank());
  }
  void recur(Index first, ConstSequence<T> u, Sequence<T> y, State& state) const noexcept {
    recurrence_(first, u, y, state);
  }
  Array<X> numbers(const State& state) const { return state.numbers(); }
  void recur_reference(Index h, ConstSequence<T> u, Sequence<T> y, State& state) const noexcept {
    recurrence_.reference(h, u, y, state);
  }
  void real_state(Index h, const State& state, std::span<double> x) const {
    const Index M = modes_of(states()), odd = states() % 2;
    for (Index n = 0; n < M; ++n) {
      const Complex<double> value(state.x(h, n));
      x[static_cast<std::size_t>(n)] = value.real();
      if (n >= odd) x[static_cast<std::size_t>(M - odd + n)] = value.imag();
    }
  }
  void set_real_state(Index h, std::span<const double> x, State& state) const {
    const Index M = modes_of(states()), odd = states() % 2;
    for (Index n = 0; n < M; ++n) {
      state.set(h, n,
                {static_cast<X>(x[static_cast<std::size_t>(n)]),
                 n >= odd ? static_cast<X>(x[static_cast<std::size_t>(M - odd + n)]) : X(0)});
    }
  }
  Index tile(Index length) const noexcept { return Workspace::tile(length); }
  void backwards(ConstSequence<T> u, std::span<const Array<X>> starts, ConstSequence<T> dy, State* dstate,
                 Sequence<T> du, Cotangent& cotangent, Workspace& work) const {
    work.fit(recurrence_, u.length());
    constexpr Index group = simd::group<X>;
    for (Index first = 0; first < features(); first += group) {
      const Index count = std::min(group, features() - first);
      work(first, u.columns(first, count), dy.columns(first, count), du.columns(first, count), starts, dstate,
           cotangent);
    }
  }
  StepWork work_per_step() const noexcept {
    const double lanes = recurrence_.lanes();
    const auto M = static_cast<double>(modes_of(states()));
    return {.features = lanes, .modes = lanes * M, .rank_modes = lanes * M * static_cast<double>(recurrence_.rank())};
  }

 protected:
  ModalEngine(const Parameters& parameters, Index rank, Sampling sampling)
      : parameters_(checked(parameters)),
        rate_(sampling.rate),
        recurrence_(parameters.features(), parameters.states, rank) {
    require_positive("rate", rate_);
  }
  double dt(Index h) const { return rate_ * std::exp(static_cast<double>(parameters_.log_dt(h))); }
  /// Cotangents of what set_steps was given, of feature h, those of D being added to the gradient.
  DiscreteDplrSystem<double> discrete_cotangent(Index h, const Cotangent& cotangent, Parameters& gradient) const {
    gradient.D(h) += static_cast<T>(cotangent.D(h / simd::group<X>, h % simd::group<X>));
    return Workspace::of_system(recurrence_, cotangent, h, states());
  }
  /// The cotangent of a feature's system, in terms of what is stored.
  void add_gradient(Index h, const Vector<Complex<double>>& dLambda, const auto& dB, const auto& dC, double ddt,
                    Parameters& gradient) const {
    const Index set = parameters_.copy_of(h);
    for (Index n = 0; n < recurrence_.modes(); ++n) {
      const bool real = multiplicity(n, states()) == 1;  // a real mode's imaginary parts are no parameters
      const auto as_stored = [real](Complex<double> value) {
        return Complex<T>(static_cast<T>(value.real()), real ? T(0) : static_cast<T>(value.imag()));
      };
      gradient.A_re_log(set, n) -=
          static_cast<T>(std::exp(static_cast<double>(parameters_.A_re_log(set, n))) * dLambda(n).real());
      if (!real) gradient.A_im(set, n) += static_cast<T>(dLambda(n).imag());
      gradient.B(set, n) += as_stored(dB(n));
      gradient.C(h, n) += as_stored(dC(n));
    }
    gradient.log_dt(h) += static_cast<T>(dt(h) * ddt);
  }
  /// Sets the step of every feature h to discrete(h).
  void set_steps(auto&& discrete) { recurrence_.set(discrete, parameters_.D.values()); }

 private:
  static const Parameters& checked(const Parameters& parameters) {
    parameters.check();
    if constexpr (N != dynamic) require_size("states of the parameters", N, parameters.states);
    return parameters;
  }

  Parameters parameters_;
  double rate_;
  ModalRecurrence<T, N, X, Arch, Rank> recurrence_;
};

}  // namespace ssm::detail
