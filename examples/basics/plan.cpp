// A plan: prepare a layer once for a batch of sequences, and run it as often as you like.
#include <ssm/ssm.hpp>

#include <iostream>
#include <vector>

int main() {
  ssm::Random random(7);
  const ssm::S4D<float> layer(
      ssm::initial<ssm::S4D<float>>(ssm::diagonal::Linear{}, {.features = 16, .states = 32}, random));

  const ssm::Index length = 4096, count = 4, features = 16;
  ssm::ThreadPool threads(2);
  auto run = ssm::plan(layer, {.length = length, .batch = count, .executor = threads});
  std::cout << run.explain() << '\n';

  std::vector<float> u(static_cast<std::size_t>(count * length * features)), y(u.size());
  for (float& value : u) value = static_cast<float>(random.normal());
  const ssm::ConstBatch<float> inputs(u.data(), count, length, features);
  const ssm::Batch<float> outputs(y.data(), count, length, features);
  std::vector<ssm::S4D<float>::State> states(static_cast<std::size_t>(count), layer.initial_state());
  for (int time = 0; time < 3; ++time) run(inputs, outputs, states);  // does not allocate
  std::cout << "last output of each sequence:";
  for (ssm::Index b = 0; b < count; ++b) std::cout << ' ' << outputs[b](length - 1, 0);
  std::cout << '\n';
}
