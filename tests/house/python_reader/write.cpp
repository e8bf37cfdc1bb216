// Writes a model, and what its first layer makes of a signal, for the Python lines of examples/README.md to be tried on.
#include <ssm/io/model.hpp>
#include <ssm/layer/s4d.hpp>

int main() {
  using namespace ssm;
  Random random(1);
  const nn::Stack<S4D<float>> model(diagonal::Linear{}, {.features = 5, .states = 8, .layers = 2, .outputs = 3},
                                    random);
  io::save("model.safetensors", model);
  std::vector<float> u(200), y(200);
  for (auto& each : u) each = static_cast<float>(random.normal());
  auto state = model.layers()[0].initial_state();
  model.layers()[0].forward({u.data(), 40, 5}, {y.data(), 40, 5}, state);
  io::File signal;
  io::put<float>(signal, {{"u", {40, 5}, u, Role::statistic}, {"y", {40, 5}, y, Role::statistic}});
  io::write("signal.safetensors", signal);
}
