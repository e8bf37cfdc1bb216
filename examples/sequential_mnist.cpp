// Handwritten digits, one pixel after another: 784 steps, then the answer.
//
// The task on which a recurrence shows what it remembers (Le, Jaitly, Hinton 2015, arXiv:1504.00941). --permuted
// shuffles the pixels, the same way for all images. --compare-initial N trains N models each that begin with HiPPO's
// eigenvalues, with those of a random matrix, and with ones drawn over HiPPO's range, all else equal, and draws their
// curves: what HiPPO is for (S4, arXiv:2111.00396, section 2.2).
#include "support/mnist.hpp"
#include "support/s4d_model.hpp"

#include <Eigen/Eigenvalues>

#include <complex>
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

/// What the layers' eigenvalues begin with.
enum class Initial { hippo, matrix, drawn };

/// Eigenvalues of a matrix of normal numbers of variance 1/N, of each conjugate pair one; mirrored where they would
/// grow.
std::vector<std::complex<double>> of_random_matrix(Index states, Random& random) {
  const double deviation = 1 / std::sqrt(static_cast<double>(states));
  const Eigen::MatrixXd A = Eigen::MatrixXd::NullaryExpr(states, states, [&] { return deviation * random.normal(); });
  const Eigen::EigenSolver<Eigen::MatrixXd> solver(A, false);
  std::vector<std::complex<double>> half;  // with real ones, more than half
  for (const auto& each : solver.eigenvalues())
    if (each.imag() >= 0) half.emplace_back(-std::max(std::abs(each.real()), 1e-6), each.imag());
  return half;
}

/// What all trainings of a run have in common.
struct Task {
  std::vector<std::size_t> order;
  example::Mnist learnt, tested;
  nn::StackShape shape;
  Index shift;
  Executor& threads;

  double accuracy(const Model& model) const {
    return example::share(static_cast<Index>(tested.count()), threads, [&](Index i) {
      const auto u = as_input(tested.image(static_cast<std::size_t>(i)), order);
      return example::largest<float>(example::logits(model, u)) == tested.labels[static_cast<std::size_t>(i)];
    });
  }
  Model begun(Initial initial, std::uint64_t seed) const {
    Random random(seed);
    if (initial == Initial::drawn) return Model(diagonal::Random{}, shape, random);
    Model model(diagonal::LegS{}, shape, random);
    if (initial == Initial::matrix) {
      for (auto& block : model.weights().blocks)
        for (Index h = 0; h < block.ssm.A_re_log.rows(); ++h) {
          const auto eigenvalues = of_random_matrix(shape.states, random);
          for (Index n = 0; n < block.ssm.A_re_log.columns(); ++n) {
            const auto& each = eigenvalues[static_cast<std::size_t>(n)];
            block.ssm.A_re_log(h, n) = static_cast<float>(std::log(-each.real()));
            block.ssm.A_im(h, n) = static_cast<float>(each.imag());
          }
        }
      model.refresh();
    }
    return model;
  }
  std::optional<std::vector<train::Epoch>> train(Model& model, example::TrainingChoices choices,
                                                 const std::filesystem::path& out) const {
    return example::train<Layer>(
        model, choices, out, threads, static_cast<Index>(learnt.count()),
        [&](Index i, Random& random) -> train::Sample<float> {
          return {as_input(moved(learnt.image(static_cast<std::size_t>(i)), shift, random).data(), order)};
        },
        [&](Index i, ConstSequence<float> logits, Sequence<float> dlogits, double weight) {
          return example::judge_class(learnt.labels[static_cast<std::size_t>(i)], logits, dlogits, weight, 0);
        },
        [&](const Model& trained) { return accuracy(trained); });
  }
};

/// Trains models from each kind of eigenvalues, and draws the curves of all.
void compare_initial(const Task& task, const example::TrainingChoices& choices, Index seeds,
                     const std::filesystem::path& out) {
  struct Kind {
    Initial initial;
    std::string name, title, color;
  };
  const std::vector<Kind> kinds{{Initial::hippo, "HiPPO", "HiPPO (LegS)", "#2c6fbb"},
                                {Initial::matrix, "matrix", "of a random matrix", "#c0392b"},
                                {Initial::drawn, "random", "random, over the range of S4D-Lin", "#27ae60"}};
  std::vector<std::string> names{"epoch"};
  std::vector<std::vector<double>> columns(1);
  std::string plots;
  for (const Kind& kind : kinds) {
    std::vector<double> last;
    for (Index seed = 0; seed < seeds; ++seed) {
      auto each = choices;
      each.options.seed += static_cast<std::uint64_t>(seed);
      Model model = task.begun(kind.initial, each.options.seed);
      const auto curve = task.train(model, each, out / (kind.name + "-" + std::to_string(each.options.seed)));
      if (!curve) return;
      names.push_back(kind.name + ", seed " + std::to_string(each.options.seed) + " (%)");
      columns.emplace_back();
      columns[0].clear();
      for (const auto& epoch : *curve) {
        columns[0].push_back(epoch.epoch);
        columns.back().push_back(100 * epoch.test);
      }
      last.push_back(columns.back().back());
      plots += (plots.empty() ? "plot " : ", ") +
               example::line(columns.size(), seed == 0 ? kind.title : "", kind.color, "lw 2");
    }
    std::cout << kind.name << ": test accuracy " << std::fixed << std::setprecision(2);
    for (const double each : last) std::cout << each << " ";
    std::cout << "%\n";
  }
  example::write_file(out / "initial.tsv", example::table(names, columns));
  example::draw(
      out, "initial",
      "set xlabel 'epoch'\nset ylabel 'test accuracy (%)'\nset yrange [*:100]\nset key bottom right inside\n" + plots +
          "\n",
      600);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Classifies handwritten digits, pixel by pixel", "sequential_mnist");
  std::string out, data, model_path, from;
  bool permuted = false, evaluate = false;
  Index shift = 1, seeds = 0;
  example::TrainingChoices choices;
  choices.options = {.epochs = 24, .batch = 50, .rate = 5e-3, .weight_decay = 0.02, .average = 0.999};
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
  app.add_option("--compare-initial", seeds,
                 "so many trainings each from HiPPO's eigenvalues, a random matrix's and random ones")
      ->check(CLI::Range(1, 100))
      ->excludes(evaluate_option)
      ->excludes(from_option);
  app.add_option("--shift", shift, "training images are moved by up to so many pixels")
      ->check(CLI::Range(0, 4))
      ->capture_default_str();
  for (auto* const size : example::add_shape(app, shape)) size->excludes(evaluate_option)->excludes(from_option);
  example::add_training(app, choices);
  return example::run(app, count, arguments, [&] {
    ThreadPool threads(choices.threads);
    Task task{reading_order(permuted), {}, example::read_mnist(data, "t10k"), shape, shift, threads};
    const std::filesystem::path folder = evaluate ? SSM_EXAMPLE_MODELS : out;
    const auto path = model_path.empty() ? folder / (permuted ? "sequential_mnist_permuted.safetensors"
                                                              : "sequential_mnist.safetensors")
                                         : std::filesystem::path(model_path);
    const std::string kind = permuted ? "handwritten digits, pixels permuted" : "handwritten digits, pixels in order";
    const auto load = [&](const std::filesystem::path& file) { return example::load_model<Model>(file, kind); };
    if (evaluate) {
      const Model model = load(path);
      std::cout << "accuracy: " << std::fixed << std::setprecision(4) << task.accuracy(model) << '\n';
      return;
    }
    task.learnt = example::read_mnist(data, "train");
    if (seeds > 0) return compare_initial(task, choices, seeds, out);
    Model model = from.empty() ? task.begun(Initial::hippo, choices.options.seed) : load(from);
    if (!task.train(model, choices, out)) return;
    io::save(path, model, {{"labels", "0 1 2 3 4 5 6 7 8 9"}, {"task", kind}});
    std::cout << "accuracy: " << std::fixed << std::setprecision(4) << task.accuracy(model) << "\nThe model is in "
              << path.string() << '\n';
  });
}
