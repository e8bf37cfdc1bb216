#pragma once

#include "ssm/layer/cost.hpp"
#include "ssm/layer/featurewise.hpp"
#include "ssm/layer/modal_recurrence.hpp"

namespace ssm::detail {

/// What S4 and S4D have alike: parameters at a rate, the state in modes and its recurrence.
template <class Layer, class Parameters, std::floating_point T, Index N, std::floating_point X, class Arch>
class ModalLayer : public Featurewise<Layer, T, ModalState<X>> {
 public:
  using State = ModalState<X>;

  Index features() const noexcept { return parameters_.features(); }
  Index states() const noexcept { return N == dynamic ? parameters_.states : N; }
  double rate() const noexcept { return rate_; }
  const Parameters& parameters() const noexcept { return parameters_; }

  /// Rest.
  State initial_state() const { return {features(), modes_of(states())}; }

  /// What the modes ask for; see Featurewise. @{
  void check(const State& state) const {
    require_size("features of the state", features(), state.features());
    require_size("modes of the state", modes_of(states()), state.modes());
  }
  void recur(Index first, ConstSequence<T> u, Sequence<T> y, State& state) const noexcept {
    recurrence_(first, u, y, state);
  }
  void recur_reference(Index h, ConstSequence<T> u, Sequence<T> y, State& state) const noexcept {
    recurrence_.reference(h, u, y, state);
  }
  void real_state(Index h, const State& state, std::span<double> x) const {
    const Index M = modes_of(states()), odd = states() % 2;
    for (Index n = 0; n < M; ++n) {
      x[static_cast<std::size_t>(n)] = static_cast<double>(state.re(h, n));
      if (n >= odd) x[static_cast<std::size_t>(M - odd + n)] = static_cast<double>(state.im(h, n));
    }
  }
  void set_real_state(Index h, std::span<const double> x, State& state) const {
    const Index M = modes_of(states()), odd = states() % 2;
    for (Index n = 0; n < M; ++n) {
      state.re(h, n) = static_cast<X>(x[static_cast<std::size_t>(n)]);
      state.im(h, n) = n >= odd ? static_cast<X>(x[static_cast<std::size_t>(M - odd + n)]) : X(0);
    }
  }
  double ns_per_step(const cost::Table& table) const noexcept {
    constexpr Index lanes = simd::Pack<X, Arch>::size;
    const Index padded = (features() + lanes - 1) / lanes * lanes;
    return static_cast<double>(padded) *
           (table.feature_step + static_cast<double>(modes_of(states())) *
                                     (table.mode_step + table.rank_step * static_cast<double>(recurrence_.rank())));
  }
  /// @}

 protected:
  ModalLayer(const Parameters& parameters, Index rank, Sampling sampling)
      : parameters_(checked(parameters)),
        rate_(sampling.rate),
        recurrence_(parameters.features(), parameters.states, rank) {
    require_positive("rate", rate_);
  }
  double dt(Index h) const { return rate_ * std::exp(static_cast<double>(parameters_.log_dt(h))); }
  void set_step(Index h, const DiscreteDplrSystem<double>& system) {
    recurrence_.set(h, system, static_cast<double>(parameters_.D(h)));
  }

 private:
  static const Parameters& checked(const Parameters& parameters) {
    parameters.check();
    if constexpr (N != dynamic) require_size("states of the parameters", N, parameters.states);
    return parameters;
  }

  Parameters parameters_;
  double rate_;
  ModalRecurrence<T, N, X, Arch> recurrence_;
};

}  // namespace ssm::detail
