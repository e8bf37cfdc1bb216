// HiPPO's matrix or a random one: the experiment of LSSL (arXiv:2110.13985, section 5.4), at a reduced size.
//
// Deep LSSLs read handwritten digits of 14 x 14 pixels, in order or permuted. Their A is HiPPO's or randn(N, N)/N, the
// same in every feature, with B = 1; A, B and dt are frozen, as in the authors' code, or trained. All else is equal.
// The curves of all models are in one picture. A frozen random A keeps little of the past: its kernels span a few
// directions (tests/layer/lssl_test.cpp counts them).
#include "support/mnist.hpp"
#include "support/training.hpp"

#include <ssm/core/thread_pool.hpp>
#include <ssm/layer/tabled_lssl.hpp>

#include <iomanip>

using namespace ssm;
using Layer = TabledLSSL<float>;
using Model = nn::Stack<Layer>;

namespace {

constexpr std::size_t side = 14, pixels = side * side;

/// Images of half the size, each pixel the mean of four, of mean 0 and variance about 1; pixels in the order of
/// reading.
std::vector<std::vector<float>> halved(const example::Mnist& images, std::size_t count, bool permuted) {
  const auto order = example::reading_order(pixels, permuted);
  std::vector<std::vector<float>> all(count, std::vector<float>(pixels));
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t k = 0; k < pixels; ++k) {
      const auto* const at = images.image(i) + 56 * (order[k] / side) + 2 * (order[k] % side);
      all[i][k] = (static_cast<float>(at[0] + at[1] + at[28] + at[29]) / (4 * 255) - 0.1307F) / 0.3081F;
    }
  return all;
}

struct Kind {
  bool hippo, frozen;
  std::string name, color;
};
const std::array<Kind, 4> kinds{{{true, false, "HiPPO, trained", "#123f73"},
                                 {true, true, "HiPPO, frozen", "#5aa0e0"},
                                 {false, false, "random, trained", "#8c1d10"},
                                 {false, true, "random, frozen", "#ef8a62"}}};

Model begun(const Kind& kind, const nn::StackShape& shape, std::uint64_t seed) {
  Random random(seed);
  Model model = kind.hippo ? Model(hippo::LegS{}, shape, random) : Model(RandomMatrix{}, shape, random);
  for (auto& block : model.weights().blocks) {
    block.ssm.frozen = kind.frozen;
    block.ssm.length = static_cast<Index>(pixels);
  }
  model.refresh();
  return model;
}

/// Draws the curves of all models.
void draw(const std::filesystem::path& out, const std::vector<std::string>& orders, Index seeds) {
  std::vector<std::string> titles, colors;
  for (const Kind& kind : kinds) {
    titles.push_back(kind.name);
    colors.push_back(kind.color);
  }
  example::draw(out, "hippo_or_random", "hippo_or_random",
                {{"ORDERS", example::words(orders)},
                 {"KINDS", example::words(titles)},
                 {"COLORS", example::words(colors)},
                 {"SEEDS", std::to_string(seeds)}});
}
/// Trains every kind with every seed in the orders that are asked for, and draws the curves.
void compare(const std::filesystem::path& out, const std::string& data, const std::string& order, Index images,
             Index tests, Index seeds, const nn::StackShape& shape, const example::TrainingChoices& choices) {
  ThreadPool threads(choices.threads);
  const auto learnt = example::read_mnist(data, "train"), tested = example::read_mnist(data, "t10k");
  const auto used = std::min(static_cast<std::size_t>(images), learnt.count());
  const auto measured = std::min(static_cast<std::size_t>(tests), tested.count());
  std::vector<std::string> names{"epoch"};
  std::vector<std::vector<double>> columns(1);
  std::vector<std::string> orders;
  std::cout << "Test accuracy after the last epoch, of every seed, follows each kind.\n"
            << std::fixed << std::setprecision(2);
  for (const std::string pixels_in : {"permuted", "in-order"}) {
    if (order != "both" && order != pixels_in) continue;
    const bool permuted = pixels_in == "permuted";
    const auto train_images = halved(learnt, used, permuted), test_images = halved(tested, measured, permuted);
    for (const Kind& kind : kinds) {
      std::vector<double> last;
      for (Index seed = 1; seed <= seeds; ++seed) {
        auto each = choices;
        each.options.seed = choices.options.seed + static_cast<std::uint64_t>(seed - 1);
        Model model = begun(kind, shape, each.options.seed);
        const std::string name = pixels_in + ", " + kind.name + ", seed " + std::to_string(each.options.seed);
        const auto curve = example::train<Layer>(
            model, each, out / name, threads, static_cast<Index>(used),
            [&](Index i, Random&) -> train::Sample<float> { return {train_images[static_cast<std::size_t>(i)]}; },
            [&](Index i, ConstSequence<float> logits, Sequence<float> dlogits, double weight) {
              return example::class_loss(learnt.labels[static_cast<std::size_t>(i)], logits, dlogits, weight, 0);
            },
            [&](const Model& trained) {
              return example::share(static_cast<Index>(measured), threads, [&](Index i) {
                const auto at = static_cast<std::size_t>(i);
                return example::largest<float>(example::logits(trained, test_images[at])) == tested.labels[at];
              });
            });
        if (!curve) return;
        names.push_back(name + " (%)");
        columns.emplace_back();
        columns[0].clear();
        for (const auto& epoch : *curve) {
          columns[0].push_back(epoch.epoch);
          columns.back().push_back(100 * epoch.test);
        }
        last.push_back(columns.back().back());
      }
      std::cout << std::left << std::setw(10) << pixels_in << std::setw(18) << kind.name;
      for (const double each : last) std::cout << each << " ";
      std::cout << "%\n";
    }
    orders.push_back(permuted ? "permuted" : "in order");
  }
  example::write_file(out / "hippo_or_random.tsv", example::table(names, columns));
  draw(out, orders, seeds);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Deep LSSLs that begin with HiPPO's matrix or a random one, on handwritten digits", "hippo_or_random");
  std::string out, data, order = "both";
  Index images = 8000, tests = 2500, seeds = 3;
  example::TrainingChoices choices;
  choices.options = {
      .epochs = 6, .batch = 50, .learning_rate = 4e-3, .weight_decay = 0.01, .dynamics_learning_rate = 1e-3};
  nn::StackShape shape{.features = 32, .states = 64, .layers = 3, .outputs = 10};
  example::add_out(app, out);
  app.add_option("--data", data, "folder of the MNIST set: train-images-idx3-ubyte[.gz] and its like")->required();
  app.add_option("--order", order, "of the pixels: permuted, in-order or both")
      ->check(CLI::IsMember({"permuted", "in-order", "both"}))
      ->capture_default_str();
  app.add_option("--images", images, "to learn from, the first of the set")
      ->check(CLI::Range(1, 60000))
      ->capture_default_str();
  app.add_option("--tests", tests, "images to measure on, the first of the set")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  app.add_option("--seeds", seeds, "models of each kind")->check(CLI::Range(1, 100))->capture_default_str();
  example::add_shape(app, shape);
  example::add_training(app, choices);
  return example::run(app, count, arguments, [&] { compare(out, data, order, images, tests, seeds, shape, choices); });
}
