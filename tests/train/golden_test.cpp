// Two tiny deep classifiers over twenty steps of AdamW: losses, first gradients and last weights are the reference's.
#include "layer/golden_layer.hpp"
#include "ssm/core/thread_pool.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/nn/backpropagation.hpp"
#include "ssm/nn/loss.hpp"
#include "ssm/optim/adamw.hpp"

using namespace ssm;
using support::Safetensors;

namespace {

template <class Layer>
nn::StackParameters<Layer> stored(const Safetensors& file, typename Layer::Parameters like) {
  nn::StackParameters<Layer> all;
  const auto number = [&](const char* key) { return support::size(file, key); };
  all.shape = {.inputs = file["u"].size(2),
               .features = number("H"),
               .states = number("N"),
               .layers = number("depth"),
               .outputs = file["initial/decoder/b"].size(0)};
  all.encoder = nn::Linear<double>(all.shape.inputs, all.shape.features);
  Random random(1);
  for (Index i = 0; i < all.shape.layers; ++i)
    all.blocks.emplace_back(nn::BlockShape{}, all.shape.features, like, random);
  all.decoder = nn::Linear<double>(all.shape.features, all.shape.outputs);
  return all;
}

/// visit(parameter, tensor) for all arrays but S4D's B, which the reference holds at 1.
template <class Visit>
void each_stored(std::vector<Parameter<double>> parameters, const Safetensors& file, const std::string& folder,
                 bool fixed_B, Visit visit) {
  for (auto& each : parameters)
    if (!(fixed_B && each.name.ends_with("ssm/B_ri"))) {
      INFO(folder << each.name);
      visit(each, file[folder + each.name]);
    }
}

template <class Layer>
void check_curve(const Safetensors& file, typename Layer::Parameters like, bool fixed_B) {
  nn::Stack<Layer> model([&] {
    auto weights = stored<Layer>(file, std::move(like));
    each_stored(parameters_of(weights), file, "initial/", fixed_B, [](auto& parameter, const support::Tensor& tensor) {
      REQUIRE(parameter.values.size() == tensor.values.size());
      std::copy(tensor.values.begin(), tensor.values.end(), parameter.values.begin());
    });
    return weights;
  }());
  const Index batch = file["u"].size(0), L = file["u"].size(1), inputs = file["u"].size(2);
  std::vector<nn::Example<double>> examples;
  for (Index b = 0; b < batch; ++b)
    examples.push_back({ConstSequence<double>(file["u"].values.data() + b * L * inputs, L, inputs)});
  const auto loss = [&](Index i, auto answer, auto danswer) {
    return nn::cross_entropy<double>(answer.row(0), static_cast<Index>(file["label"].values[std::size_t(i)]),
                                     danswer.row(0), 1 / double(batch)) /
           double(batch);
  };
  const auto trained = [&](nn::StackParameters<Layer>& weights) {
    auto list = parameters_of(weights);
    if (fixed_B) std::erase_if(list, [](const auto& each) { return each.name.ends_with("ssm/B_ri"); });
    return list;
  };
  optim::AdamW<double> optimizer(trained(model.weights()),
                                 {.learning_rate = 4e-3, .weight_decay = 0.01, .dynamics_learning_rate = 1e-3});
  ThreadPool threads(2);
  nn::Backpropagation<Layer> backpropagate(threads);
  Random random(1);
  for (std::size_t k = 0; k < file["loss"].values.size(); ++k) {
    auto gradient = zero(model.weights());
    const double found = backpropagate(model, examples, random, loss, gradient);
    CHECK(std::abs(found - file["loss"].values[k]) <= file.tolerance() * file["loss"].values[0]);
    if (k == 0)
      each_stored(parameters_of(gradient), file, "gradient/", fixed_B,
                  [&](auto& parameter, const support::Tensor& tensor) {
                    CHECK(support::relative_error(parameter.values, tensor.values) <= file.tolerance());
                  });
    optimizer.step(trained(gradient));
    model.refresh();
  }
  each_stored(model.parameters(), file, "final/", fixed_B, [&](auto& parameter, const support::Tensor& tensor) {
    CHECK(support::relative_error(parameter.values, tensor.values) <= file.tolerance());
  });
}

}  // namespace

TEST_CASE("a deep S4D classifier learns as the reference does", "[train][golden]") {
  for (const auto& path : support::golden_files("train", "loss_curve_s4d")) {
    const Safetensors file(path);
    S4DParameters<double> like(support::size(file, "H"), support::size(file, "N"));
    std::fill(like.B.begin(), like.B.end(), 1.0);
    check_curve<S4D<double>>(file, like, true);
  }
}

TEST_CASE("a deep S5 classifier learns as the reference does", "[train][golden]") {
  for (const auto& path : support::golden_files("train", "loss_curve_s5")) {
    const Safetensors file(path);
    check_curve<S5<double>>(file, S5Parameters<double>(support::size(file, "H"), support::size(file, "N")), false);
  }
}
