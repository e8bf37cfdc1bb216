// A stream: one sample in, one sample out, for ever, in constant memory. The state is a value, so it can be kept.
#include <ssm/ssm.hpp>

#include <cmath>
#include <iostream>
#include <vector>

int main() {
  ssm::Random random(7);
  const ssm::S4D<float> layer(
      ssm::initial<ssm::S4D<float>>(ssm::diagonal::Linear{}, {.features = 1, .states = 32}, random));

  auto state = layer.initial_state();
  const auto run = [&](int from, int to) {
    float u = 0, y = 0;
    for (int k = from; k < to; ++k) {
      u = std::sin(0.05F * static_cast<float>(k));
      layer.step({&u, 1}, {&y, 1}, state);  // does not allocate, does not throw
    }
    return y;
  };

  run(0, 1000);
  const auto before = state;  // a copy, to come back to
  std::cout << "step 2000:              " << run(1000, 2000) << '\n';
  state = before;
  std::cout << "step 2000, once more:   " << run(1000, 2000) << '\n';

  std::vector<std::byte> bytes(static_cast<std::size_t>(ssm::byte_size(before)));  // for a file, or another machine
  ssm::save(before, bytes);
  ssm::restore(state, bytes);
  std::cout << "step 2000, from bytes:  " << run(1000, 2000) << '\n';
}
