// Handwritten digits, one pixel after another: 784 steps, then the answer.
//
// The task on which a recurrence shows what it remembers (Le, Jaitly, Hinton 2015, arXiv:1504.00941). --permuted
// shuffles the pixels, the same way for all images.
#include "support/any_model.hpp"
#include "support/mnist.hpp"

#include <ssm/core/thread_pool.hpp>

#include <iomanip>

using namespace ssm;
using Layer = AnyLayer<float>;
using Model = example::AnyModel;

namespace {

/// Mean 0 and variance 1 over the training set's pixels.
std::vector<float> as_input(const std::uint8_t* image, const std::vector<std::size_t>& order) {
  std::vector<float> u;
  for (const std::size_t at : order) u.push_back((static_cast<float>(image[at]) / 255 - 0.1307F) / 0.3081F);
  return u;
}

/// A training image, moved by up to `shift` pixels each way.
std::vector<std::uint8_t> moved(const std::uint8_t* image, Index shift, Random& random) {
  std::vector<std::uint8_t> result(example::Mnist::pixels);
  const auto drawn = [&] {
    return static_cast<int>(std::floor(random.uniform() * static_cast<double>(2 * shift + 1))) -
           static_cast<int>(shift);
  };
  const int down = drawn(), right = drawn();
  for (int y = std::max(0, down); y < std::min(28, 28 + down); ++y)
    for (int x = std::max(0, right); x < std::min(28, 28 + right); ++x)
      result[static_cast<std::size_t>(28 * y + x)] = image[28 * (y - down) + x - right];
  return result;
}

/// What all trainings of a run have in common.
struct Task {
  std::vector<std::size_t> order;
  example::Mnist learnt, tested;
  nn::StackShape shape;
  example::LayerChoice layer;
  Index shift;
  Executor& threads;

  double accuracy(const Model& model) const {
    return example::share(static_cast<Index>(tested.count()), threads, [&](Index i) {
      const auto u = as_input(tested.image(static_cast<std::size_t>(i)), order);
      return example::largest<float>(example::logits(model, u)) == tested.labels[static_cast<std::size_t>(i)];
    });
  }
  Model begun(std::uint64_t seed) const {
    Random random(seed);
    return example::make_any_model(shape, layer, random);
  }
  std::optional<std::vector<train::Epoch>> train(Model& model, example::TrainingChoices choices,
                                                 const std::filesystem::path& out) const {
    return example::train<Layer>(
        model, choices, out, threads, static_cast<Index>(learnt.count()),
        [&](Index i, Random& random) -> train::Sample<float> {
          return {as_input(moved(learnt.image(static_cast<std::size_t>(i)), shift, random).data(), order)};
        },
        [&](Index i, ConstSequence<float> logits, Sequence<float> dlogits, double weight) {
          return example::class_loss(learnt.labels[static_cast<std::size_t>(i)], logits, dlogits, weight, 0);
        },
        [&](const Model& trained) { return accuracy(trained); });
  }
};

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Classifies handwritten digits, pixel by pixel", "sequential_mnist");
  std::string out, data, model_path, from;
  bool permuted = false, evaluate = false;
  Index shift = 1;
  example::TrainingChoices choices;
  choices.options = {.epochs = 24, .batch = 50, .learning_rate = 5e-3, .weight_decay = 0.02, .ema_decay = 0.999};
  nn::StackShape shape{
      .features = 64, .states = 16, .layers = 4, .outputs = 10, .dropout = 0.1, .dt_min = 1e-3, .dt_max = 1e-1};
  example::add_out(app, out);
  app.add_option("--data", data, "folder of the MNIST set: train-images-idx3-ubyte[.gz] and its like")->required();
  app.add_flag("--permuted", permuted, "pixels in one shuffled order");
  auto* const evaluate_option = app.add_flag("--evaluate", evaluate, "only measure --model");
  app.add_option("--model", model_path,
                 "where the model goes: into --out unless told; with --evaluate, what is measured: the one that comes "
                 "with the program unless told");
  auto* const from_option =
      app.add_option("--from", from, "a model to begin with, instead of initial values")->excludes(evaluate_option);
  app.add_option("--shift", shift, "training images are moved by up to so many pixels")
      ->check(CLI::Range(0, 4))
      ->capture_default_str();
  example::LayerChoice layer{.legs = true};
  for (const auto& choice :
       {example::add_shape(app, shape), example::add_block(app, shape), example::add_layer(app, layer)})
    for (auto* const each : choice) each->excludes(evaluate_option)->excludes(from_option);
  example::add_training(app, choices);
  return example::run(app, count, arguments, [&] {
    ThreadPool threads(choices.threads);
    Task task{example::reading_order(example::Mnist::pixels, permuted),
              {},
              example::read_mnist(data, "t10k"),
              shape,
              layer,
              shift,
              threads};
    const std::filesystem::path folder = evaluate ? SSM_EXAMPLE_MODELS : out;
    const auto path = model_path.empty() ? folder / (permuted ? "sequential_mnist_permuted.safetensors"
                                                              : "sequential_mnist.safetensors")
                                         : std::filesystem::path(model_path);
    const std::string kind = permuted ? "handwritten digits, pixels permuted" : "handwritten digits, pixels in order";
    const auto load = [&](const std::filesystem::path& file) { return example::load_any_model(file, kind); };
    if (evaluate) {
      const Model model = load(path);
      std::cout << "accuracy: " << std::fixed << std::setprecision(4) << task.accuracy(model) << '\n';
      return;
    }
    task.learnt = example::read_mnist(data, "train");
    Model model = from.empty() ? task.begun(choices.options.seed) : load(from);
    if (!task.train(model, choices, out)) return;
    io::save(path, model, {{"labels", "0 1 2 3 4 5 6 7 8 9"}, {"task", kind}});
    std::cout << "accuracy: " << std::fixed << std::setprecision(4) << task.accuracy(model) << "\nThe model is in "
              << path.string() << '\n';
  });
}
