// Handwritten digits, one pixel after another: 784 steps, then the answer.
//
// The task on which a recurrence shows what it remembers (Le, Jaitly, Hinton 2015, arXiv:1504.00941). --permuted
// shuffles the pixels, the same way for all images. --initial random begins with random eigenvalues instead of HiPPO's,
// all else equal: what S4's ablation is about (arXiv:2111.00396, section 4.4).
#include "support/mnist.hpp"
#include "support/training.hpp"

#include <ssm/layer/s4d.hpp>

#include <iomanip>
#include <numeric>

using namespace ssm;
using Layer = S4D<float>;
using Model = nn::Stack<Layer>;

namespace {

/// Pixels in the order they are read.
std::vector<std::size_t> reading_order(bool permuted) {
  std::vector<std::size_t> order(example::Mnist::pixels);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!permuted) return order;
  Random random(92916);  // one permutation for all images and all runs
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[static_cast<std::size_t>(random.uniform() * static_cast<double>(i))]);
  return order;
}
/// Mean 0 and variance 1 over the training set's pixels.
std::vector<float> as_input(const std::uint8_t* image, const std::vector<std::size_t>& order) {
  std::vector<float> u;
  for (const std::size_t at : order) u.push_back((static_cast<float>(image[at]) / 255 - 0.1307F) / 0.3081F);
  return u;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Classifies handwritten digits, pixel by pixel", "sequential_mnist");
  std::string out, data, model_path;
  std::string start = "hippo";
  bool permuted = false, evaluate = false;
  Index shift = 1;
  example::TrainingChoices choices;
  choices.options = {.epochs = 10, .batch = 50, .rate = 5e-3, .weight_decay = 0.02, .average = 0.999};
  nn::StackShape shape{
      .features = 64, .states = 16, .layers = 4, .outputs = 10, .dropout = 0.1, .dt_min = 1e-3, .dt_max = 1e-1};
  example::add_out(app, out);
  app.add_option("--data", data, "folder of the MNIST set: train-images-idx3-ubyte[.gz] and its like")->required();
  app.add_flag("--permuted", permuted, "pixels in one shuffled order");
  app.add_option("--initial", start, "eigenvalues that the layers begin with")
      ->check(CLI::IsMember({"hippo", "random"}))
      ->capture_default_str();
  app.add_flag("--evaluate", evaluate, "only measure --model");
  app.add_option("--model", model_path, "where the model goes, or comes from; in --out unless told");
  app.add_option("--shift", shift, "training images are moved by up to so many pixels")
      ->check(CLI::Range(0, 4))
      ->capture_default_str();
  example::add_shape(app, shape);
  example::add_training(app, choices);
  return example::run(app, count, arguments, [&] {
    const auto order = reading_order(permuted);
    const auto tested = example::read_mnist(data, "t10k");
    ThreadPool threads(choices.threads);
    const auto test = [&](const Model& trained) {
      return example::share(static_cast<Index>(tested.count()), threads, [&](Index i) {
        const auto u = as_input(tested.image(static_cast<std::size_t>(i)), order);
        return example::largest<float>(example::logits(trained, u)) == tested.labels[static_cast<std::size_t>(i)];
      });
    };
    const auto path = model_path.empty() ? std::filesystem::path(out) / "sequential_mnist.safetensors"
                                         : std::filesystem::path(model_path);
    if (evaluate) {
      std::map<std::string, std::string> said;
      const auto model = io::load<Model>(path, {}, &said);
      if (const std::string expected = permuted ? "permuted" : "in order"; said["pixels"] != expected)
        throw std::runtime_error(path.string() + ": expected a model of pixels " + expected + ", got one of pixels " +
                                 said["pixels"]);
      std::cout << "accuracy: " << std::fixed << std::setprecision(4) << test(model) << '\n';
      return;
    }
    const auto learnt = example::read_mnist(data, "train");
    Random random(choices.options.seed);
    Model model = start == "hippo" ? Model(diagonal::LegS{}, shape, random) : Model(diagonal::Random{}, shape, random);
    const auto sample = [&](Index i, Random& draw) -> train::Sample<float> {
      const std::uint8_t* const image = learnt.image(static_cast<std::size_t>(i));
      std::vector<std::uint8_t> moved(example::Mnist::pixels);
      const auto drawn = [&] {
        return static_cast<int>(std::floor(draw.uniform() * static_cast<double>(2 * shift + 1))) -
               static_cast<int>(shift);
      };
      const int down = drawn(), right = drawn();
      for (int y = std::max(0, down); y < std::min(28, 28 + down); ++y)
        for (int x = std::max(0, right); x < std::min(28, 28 + right); ++x)
          moved[static_cast<std::size_t>(28 * y + x)] = image[28 * (y - down) + x - right];
      return {as_input(moved.data(), order)};
    };
    const auto judge = [&](Index i, ConstSequence<float> logits, Sequence<float> dlogits,
                           double weight) -> train::Judged {
      return example::judge_class(learnt.labels[static_cast<std::size_t>(i)], logits, dlogits, weight, 0);
    };
    if (!example::train<Layer>(model, choices, out, threads, static_cast<Index>(learnt.count()), sample, judge, test))
      return;
    io::save(path, model, {{"labels", "0 1 2 3 4 5 6 7 8 9"}, {"pixels", permuted ? "permuted" : "in order"}});
    std::cout << "accuracy: " << std::fixed << std::setprecision(4) << test(model) << "\nThe model is in "
              << path.string() << '\n';
  });
}
