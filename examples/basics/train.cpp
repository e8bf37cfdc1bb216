// A training: a small deep model learns to tell a slow wave from a fast one, is written to a file and read back.
#include <ssm/io/model.hpp>
#include <ssm/ssm.hpp>
#include <ssm/train/trainer.hpp>

#include <cmath>
#include <iostream>

using Model = ssm::nn::Stack<ssm::S4D<float>>;

int main() {
  ssm::Random random(7);
  Model model(ssm::diagonal::Linear{}, {.features = 8, .states = 8, .layers = 2, .outputs = 2, .dt_min = 1e-2}, random);

  const auto sample = [](ssm::Index i, ssm::Random& noise) {  // example i: a wave, of label i % 2
    ssm::train::Sample<float> wave;
    for (int k = 0; k < 100; ++k)
      wave.u.push_back(static_cast<float>(std::sin((i % 2 == 0 ? 0.2 : 0.3) * k) + 0.5 * noise.normal()));
    return wave;
  };
  const auto loss = [](ssm::Index i, ssm::ConstSequence<float> answer, ssm::Sequence<float> danswer, double weight) {
    const bool right = (answer(0, 1) > answer(0, 0)) == (i % 2 == 1);
    return ssm::train::LossResult{ssm::nn::cross_entropy<float>(answer.row(0), i % 2, danswer.row(0), weight),
                                  right ? 1.0 : 0.0};
  };
  ssm::ThreadPool threads(2);
  ssm::train::Trainer<ssm::S4D<float>> trainer(model, {.epochs = 10, .batch = 16, .learning_rate = 1e-2}, threads);
  trainer.run(200, sample, loss);
  for (const auto& epoch : trainer.curve()) std::cout << "epoch " << epoch.epoch << ": loss " << epoch.loss << '\n';

  ssm::io::save("waves.safetensors", model);
  const auto read = ssm::io::load<Model>("waves.safetensors");  // strict: tries itself, or throws
  auto stream = read.stream();
  std::span<const float> logits;
  for (const float u : sample(1, random).u) logits = stream.step({&u, 1});
  std::cout << "a fast wave, sample by sample: " << (logits[1] > logits[0] ? "fast" : "slow") << '\n';
}
