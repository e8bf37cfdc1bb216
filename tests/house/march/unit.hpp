// Included by each of the two translation units.
#include "march.hpp"

namespace {

using Parameters = ssm::S4Parameters<float>;
using State = ssm::ModalState<float>;

template <class Mode>
std::vector<float> run(const Parameters& parameters, State& state, Mode mode) {
  const ssm::S4<float> layer(parameters);
  std::vector<float> u(500 * 3, 1.0F), y(u.size());
  for (std::size_t i = 0; i < u.size(); i += 7) u[i] = -0.5F;
  layer.forward({std::span<const float>(u), 3}, {std::span<float>(y), 3}, state, mode);
  return y;
}

Unit this_unit() {
  return {
      [] {
        ssm::Random random(3);
        return ssm::initial<ssm::S4<float>>(ssm::hippo::LegS{}, {.features = 3, .states = 30}, random);
      },
      [](const Parameters& parameters) { return ssm::S4<float>(parameters).initial_state(); },
      [](const Parameters& parameters, State& state) { return run(parameters, state, ssm::algorithm::recurrence{}); },
      [](const Parameters& parameters, State& state) { return run(parameters, state, ssm::algorithm::convolution{}); },
      [](State state) { state = {}; }};
}

}  // namespace
