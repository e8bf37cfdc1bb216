// Included by each of the two translation units.
#include "march.hpp"

namespace {

template <class Mode>
std::vector<float> run(const ssm::S4<float>& layer, ssm::S4<float>::State& state, Mode mode) {
  std::vector<float> u(500 * 3, 1.0F), y(u.size());
  for (std::size_t i = 0; i < u.size(); i += 7) u[i] = -0.5F;
  layer.forward({std::span<const float>(u), 3}, {std::span<float>(y), 3}, state, mode);
  return y;
}

Unit this_unit() {
  return {
      [] {
        ssm::Random random(3);
        return ssm::S4<float>(ssm::initial<ssm::S4<float>>(ssm::hippo::LegS{}, {.features = 3, .states = 30}, random));
      },
      [](const ssm::S4<float>& layer) { return layer.initial_state(); },
      [](const ssm::S4<float>& layer, ssm::S4<float>::State& state) {
        return run(layer, state, ssm::mode::recurrence{});
      },
      [](const ssm::S4<float>& layer, ssm::S4<float>::State& state) {
        return run(layer, state, ssm::mode::convolution{});
      },
      [](ssm::S4<float>::State state) { state = {}; }};
}

}  // namespace
