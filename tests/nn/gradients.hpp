#pragma once

#include "ssm/nn/backpropagation.hpp"
#include "support/catch.hpp"
#include "support/limit.hpp"

namespace support {

/// Every array's gradient against the limit of differences, some of its numbers.
/// @param loss   of an answer; adds its cotangent
template <class Layer, class Loss>
void check_gradient(ssm::nn::Stack<Layer> model, std::span<const ssm::nn::Example<double>> examples, Loss loss) {
  ssm::nn::Backpropagation<Layer> backpropagate(ssm::this_thread());
  const auto total = [&](auto& gradient) {
    model.refresh();
    ssm::Random same(3);
    return backpropagate(model, examples, same, loss, gradient);
  };
  auto gradient = ssm::zero(model.weights()), nobody = gradient;
  total(gradient);
  const auto found = parameters_of(gradient);
  auto parameters = model.parameters();
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p].role == ssm::Role::statistic) continue;
    INFO(parameters[p].name);
    double peak = 0, worst = 0;
    for (const double each : found[p].values) peak = std::max(peak, std::abs(each));
    for (std::size_t i = 0; i < parameters[p].values.size(); i += 1 + parameters[p].values.size() / 4) {
      double& number = parameters[p].values[i];
      const double kept = number;
      const auto at = [&](double moved) {
        number = kept + moved;
        const double value = total(nobody);
        number = kept;
        return value;
      };
      worst = std::max(worst, std::abs(limit_of_differences(at, 1e-3) - found[p].values[i]));
    }
    CHECK(worst <= 1e-8 * (peak + 1));
  }
}

}  // namespace support
