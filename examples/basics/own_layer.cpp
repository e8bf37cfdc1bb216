// A layer of your own: support/moving_average.hpp is one in 40 lines, and runs wherever the library's layers do.
#include "support/moving_average.hpp"

#include <ssm/ssm.hpp>

#include <cmath>
#include <iostream>

static_assert(ssm::TimeInvariantSSMLayer<example::MovingAverage<float>>);

int main() {
  const example::MovingAverage<float> layer({0.5F, 0.05F});  // a fast and a slow one
  constexpr ssm::Index length = 200;
  Eigen::Matrix<float, length, 2, Eigen::RowMajor> u, y;
  for (ssm::Index k = 0; k < length; ++k) u.row(k).setConstant(k < 100 ? 1.0F : 0.0F);

  auto state = layer.initial_state();
  layer.forward(u, y, state);
  for (const ssm::Index k : {0, 10, 99, 100, 110, 199})
    std::cout << "step " << k << ": " << y(k, 0) << ' ' << y(k, 1) << '\n';

  const ssm::Bidirectional both(layer, layer);  // the same, seen from both sides
  both.forward(u, y);
  std::cout << "in the middle, from both sides: " << y(99, 0) << ' ' << y(99, 1) << '\n';
}
