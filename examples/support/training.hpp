#pragma once

#include "support/program.hpp"
#include "support/progress.hpp"

#include <ssm/nn/loss.hpp>
#include <ssm/train/trainer.hpp>

#include <atomic>
#include <cmath>
#include <csignal>
#include <optional>
#include <thread>

namespace example {

/// Ctrl-C sets this flag. A training then finishes its step, saves, and says how to go on.
inline std::atomic<bool>& interrupted() {
  static std::atomic<bool> flag{false};
  return flag;
}

/// Choices that every program offers that trains.
struct TrainingChoices {
  ssm::train::Options options;
  ssm::Index threads = static_cast<ssm::Index>(std::max(1U, std::thread::hardware_concurrency()));
  ssm::Team* team = nullptr;  ///< processes that train together, of which the first speaks and writes

  /// Whether this process speaks and writes.
  bool speaks() const { return team == nullptr || team->rank() == 0; }
};

inline void add_training(CLI::App& app, TrainingChoices& choices) {
  auto& options = choices.options;
  app.add_option("--epochs", options.epochs, "passes over the training data")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--batch", options.batch, "sequences of a step")->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--rate", options.learning_rate, "learning rate")->check(CLI::Range(1e-8, 1.0))->capture_default_str();
  app.add_option("--seed", options.seed, "of weights, shuffling, augmentation")->capture_default_str();
  app.add_option("--threads", choices.threads, "threads; results do not depend on it")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
}

/// Adds options for a share of the examples that chooses the best model.
inline void add_validation(CLI::App& app, TrainingChoices& choices) {
  app.add_option("--validation", choices.options.validation,
                 "share of what is learnt from that is kept aside and chooses the best epoch's model")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  app.add_option("--patience", choices.options.patience,
                 "end after so many epochs without a better loss there; 0: never")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
}

/// Adds options for the sizes of a model.
/// @return   the options
inline std::vector<CLI::Option*> add_shape(CLI::App& app, ssm::nn::StackShape& shape) {
  const auto size = [&](const char* name, ssm::Index& of, const char* what, int most) {
    return app.add_option(name, of, what)->check(CLI::Range(1, most))->capture_default_str();
  };
  return {size("--features", shape.features, "H, of every layer", 1024),
          size("--states", shape.states, "N, of every layer", 1024), size("--layers", shape.layers, "blocks", 64),
          app.add_option("--dropout", shape.dropout, "of features, in training")
              ->check(CLI::Range(0.0, 0.9))
              ->capture_default_str()};
}

/// Reads a model of this task; `metadata` becomes what its file says besides.
/// @throws std::runtime_error that names the file if it is of another task; io::FormatError if it is no model
template <class Model, class... Kinds>
Model load_model(const std::filesystem::path& path, const std::string& task, ssm::Sampling sampling = {},
                 std::map<std::string, std::string>* metadata = nullptr) {
  std::map<std::string, std::string> said;
  auto model = ssm::io::load<Model, Kinds...>(path, sampling, &said);
  if (said["task"] != task)
    throw std::runtime_error(path.string() + ": expected a model of " + task + ", got one of " +
                             (said["task"].empty() ? "something else, it does not say of what" : said["task"]));
  if (metadata != nullptr) *metadata = said;
  return model;
}

/// Returns the position of the largest number.
template <class T>
ssm::Index largest(std::span<const T> values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

/// Returns a classifier's logits for a whole sequence.
template <class Layer>
std::vector<float> logits(const ssm::nn::Stack<Layer>& model, const std::vector<float>& u) {
  std::vector<float> answer(static_cast<std::size_t>(model.shape().outputs));
  model.forward({std::span<const float>(u), model.shape().inputs}, {answer.data(), 1, model.shape().outputs});
  return answer;
}

/// Returns the cross-entropy of a classifier's answer, and whether the answer is right.
inline ssm::train::LossResult class_loss(ssm::Index label, ssm::ConstSequence<float> answer,
                                         ssm::Sequence<float> danswer, double weight, double smoothing) {
  return {ssm::nn::cross_entropy<float>(answer.row(0), label, danswer.row(0), weight, smoothing),
          largest<float>(answer.row(0)) == label ? 1.0 : 0.0};
}

/// A bar with loss, accuracy, sequences a second and the time left, on the error stream.
class TrainingBar {
 public:
  void operator()(const ssm::train::Progress& at) {
    const auto now = std::chrono::steady_clock::now();
    if (!on_terminal() || (shown_ && now - last_ < std::chrono::milliseconds(200) && at.step != at.steps)) return;
    last_ = now;
    shown_ = true;
    const auto filled = static_cast<std::size_t>(20 * at.step / at.steps);
    const auto left = static_cast<long>(at.seconds_left);
    std::fprintf(stderr, "\repoch %3ld [%-20s] loss %.4f  accuracy %5.2f %%  %.1f/s  %ld:%02ld left  ",
                 static_cast<long>(at.epoch + 1), std::string(filled, '#').c_str(), at.loss, 100 * at.accuracy,
                 at.samples_per_second, left / 60, left % 60);
  }
  TrainingBar() = default;
  TrainingBar(const TrainingBar&) = delete;
  TrainingBar& operator=(const TrainingBar&) = delete;
  ~TrainingBar() {
    if (shown_) std::fprintf(stderr, "\n");
  }

 private:
  std::chrono::steady_clock::time_point last_{};
  bool shown_ = false;
};

/// A figure that is measured after every epoch.
struct TestMeasure {
  std::string name = "accuracy (%)";
  double scale = 100;       ///< of the number in what is shown
  bool is_accuracy = true;  ///< can be drawn beside the share of right answers in training
};

/// Writes curve.tsv and curve.png into `folder`.
inline void draw_curve(const std::filesystem::path& folder, const std::vector<ssm::train::Epoch>& curve,
                       const TestMeasure& measure) {
  if (curve.empty()) return;
  std::vector<std::vector<double>> columns(5);
  for (const auto& each : curve) {
    columns[0].push_back(each.epoch);
    columns[1].push_back(each.loss);
    columns[2].push_back(100 * each.accuracy);
    columns[3].push_back(measure.scale * each.test);
    columns[4].push_back(each.seconds / 60);
  }
  write_file(folder / "curve.tsv",
             table({"epoch", "loss", "training accuracy (%)", "test " + measure.name, "minutes"}, columns));
  draw(folder, "curve", "curve",
       {{"MEASURE", "'" + measure.name + "'"}, {"ACCURACY", measure.is_accuracy ? "1" : "0"}});
}

/// Trains to the end or to Ctrl-C, from the checkpoint in `folder` where there is one.
/// @param test      measures a model on what it is not trained on; or empty
/// @param measure   name and kind of what `test` returns
/// @return          the curve, where it came to the end
template <class Layer>
std::optional<std::vector<ssm::train::Epoch>> train(ssm::nn::Stack<Layer>& model, TrainingChoices& choices,
                                                    const std::filesystem::path& folder, ssm::Executor& threads,
                                                    ssm::Index examples,
                                                    const typename ssm::train::Trainer<Layer>::MakeSample& sample,
                                                    const typename ssm::train::Trainer<Layer>::Loss& loss,
                                                    const std::function<double(const ssm::nn::Stack<Layer>&)>& test,
                                                    const TestMeasure& measure = {}) {
  make_folder(folder);
  choices.options.checkpoint = folder / "checkpoint.safetensors";
  ssm::train::Trainer<Layer> trainer(model, choices.options, threads, choices.team);
  if (trainer.resume() && choices.speaks())
    std::cout << "Going on from " << choices.options.checkpoint.string() << ", after step " << trainer.steps() << ".\n";
  std::signal(SIGINT, [](int) { interrupted() = true; });
  bool done = false;
  {
    TrainingBar bar;
    done = trainer.run(examples, sample, loss,
                       {.on_step =
                            [&](const auto& at) {
                              if (choices.speaks()) bar(at);
                            },
                        .evaluate =
                            [&](const auto& trained) {
                              if (!test) return std::numeric_limits<double>::quiet_NaN();
                              const double measured = test(trained);
                              if (choices.speaks())
                                std::fprintf(stderr, " test %s %.4g\n", measure.name.c_str(), measure.scale * measured);
                              return measured;
                            },
                        .should_stop = [] { return interrupted().load(); }});
  }
  std::signal(SIGINT, SIG_DFL);
  if (choices.speaks()) draw_curve(folder, trainer.curve(), measure);
  if (done && trainer.best_epoch() > 0) {
    trainer.use_best();
    if (choices.speaks())
      std::cout << (trainer.ended_early() ? "Ended early. " : "") << "The model is that of epoch "
                << trainer.best_epoch() << ", the best on what was kept aside.\n";
  }
  if (done) return trainer.curve();
  if (choices.speaks())
    std::cout << "Stopped after step " << trainer.steps() << ", saved. The same command goes on from there.\n";
  return {};
}

/// Returns the share of right answers, right(i) for every i, over the caller's threads.
template <class Right>
double share(ssm::Index count, ssm::Executor& threads, Right right) {
  std::vector<char> found(static_cast<std::size_t>(count));
  threads.run(count, [&](ssm::Index i, ssm::Index) { found[static_cast<std::size_t>(i)] = right(i) ? 1 : 0; });
  double sum = 0;
  for (const char each : found) sum += each;
  return sum / static_cast<double>(std::max<ssm::Index>(count, 1));
}

}  // namespace example
