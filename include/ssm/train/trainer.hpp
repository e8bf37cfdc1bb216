#pragma once

#include "ssm/io/model.hpp"
#include "ssm/nn/backpropagation.hpp"
#include "ssm/optim/adamw.hpp"
#include "ssm/optim/average.hpp"
#include "ssm/optim/schedule.hpp"

#include <chrono>
#include <functional>
#include <numeric>

/// The loop around a model: shuffling, batches, schedule, averages, checkpoints.
namespace ssm::train {

/// A training that cannot go on. The message says where, and what is left.
struct TrainingError : Error {
  using Error::Error;
};

/// Options of a training.
struct Options {
  Index epochs = 20;                                  ///< passes over all examples
  Index batch = 32;                                   ///< sequences of a step
  double learning_rate = 4e-3;                        ///< see optim::AdamWOptions
  double weight_decay = 0.05;                         ///< the same
  std::optional<double> dynamics_learning_rate = {};  ///< the same
  double warmup = 1;                                  ///< epochs of rising rate; a cosine to 0 over the rest
  double clip = 1;                                    ///< largest norm of a step's gradient
  double ema_decay = 0;                   ///< decay of the exponential moving average of the weights; 0: none
  std::uint64_t seed = 1;                 ///< seed of shuffling, augmentation and dropout
  std::vector<std::string> frozen = {};   ///< see optim::AdamWOptions
  std::filesystem::path checkpoint = {};  ///< written after every epoch and when stopped; empty: none

  /// @throws DomainError that names what is out of its range
  void check() const {
    ssm::detail::require_at_least("epochs", 0, epochs);
    ssm::detail::require_at_least("batch", 1, batch);
    if (!(warmup >= 0) || !std::isfinite(warmup))
      throw DomainError(ssm::detail::message("warmup: expected a finite number of epochs, at least 0, got ", warmup));
    if (!(ema_decay >= 0 && ema_decay < 1))
      throw DomainError(ssm::detail::message("ema_decay: expected a decay in [0, 1), got ", ema_decay));
    optimizer().check();
  }
  /// Returns the options of the optimiser.
  optim::AdamWOptions optimizer() const {
    optim::AdamWOptions all;
    all.learning_rate = learning_rate;
    all.weight_decay = weight_decay;
    all.dynamics_learning_rate = dynamics_learning_rate;
    all.clip = clip;
    all.frozen = frozen;
    return all;
  }
};

/// One epoch of a curve.
struct Epoch {
  double epoch;     ///< from 1
  double loss;      ///< mean over its examples, while the weights changed
  double accuracy;  ///< share of right answers, likewise
  double seconds;   ///< since training began, stops not counted
  double test;      ///< result of `evaluate` after it; NaN without one
};

/// Progress of a training.
struct Progress {
  Index epoch;                ///< from 0
  Index step;                 ///< number within the epoch, from 1
  Index steps;                ///< steps in an epoch
  double loss;                ///< mean over the epoch so far
  double accuracy;            ///< likewise
  double samples_per_second;  ///< since this run began
  double seconds_left;        ///< at that speed
};

/// A sequence to learn from, made for one step: what `Example` points to.
template <Real T>
struct Sample {
  std::vector<T> u;               ///< (L, inputs)
  std::vector<T> intervals = {};  ///< (L), or empty
};

/// Loss of one answer, and its accuracy.
struct LossResult {
  double loss;      ///< to be made small
  double accuracy;  ///< share of the answer that is right, 0 .. 1
};

/// Trains a stack. Everything random in a step is drawn from (seed, step), so a training that was stopped, or killed
/// and resumed from its last checkpoint, gives the same bits as one that was left alone, for any number of threads.
///
///     train::Trainer<Layer> trainer(model, options, threads);
///     trainer.run(examples, sample, loss, {.on_step = .., .evaluate = .., .should_stop = ..});
template <TrainableLayer Layer>
class Trainer {
 public:
  /// Scalar type of inputs and outputs.
  using T = typename Layer::Scalar;
  /// Example i as it is to be learnt this time: augmented by what is drawn.
  using MakeSample = std::function<Sample<T>(Index i, Random& random)>;
  /// Returns the loss of the answer to example i, and adds its cotangent, times `weight`; from any thread.
  using Loss = std::function<LossResult(Index i, ConstSequence<T> answer, Sequence<T> danswer, double weight)>;
  /// Functions of the caller's that a training calls.
  struct Listener {
    std::function<void(const Progress&)> on_step = {};             ///< after every step
    std::function<double(const nn::Stack<Layer>&)> evaluate = {};  ///< after every epoch, of the averaged model
    std::function<bool()> should_stop = {};                        ///< asked after every step
  };

  /// @param model      is trained in place; must outlive it
  /// @param options    how
  /// @param executor   the caller's threads; must outlive it
  /// @throws           DomainError if an option is out of its range
  Trainer(nn::Stack<Layer>& model, const Options& options, Executor& executor)
      : model_(model),
        options_((options.check(), options)),
        optimizer_(model.parameters(), options.optimizer()),
        average_(model.parameters(), options.ema_decay),
        backpropagate_(executor) {}

  /// Steps taken.
  Index steps() const noexcept { return optimizer_.steps(); }
  /// Epochs done.
  const std::vector<Epoch>& curve() const noexcept { return curve_; }

  /// Trains to the end, or until `should_stop`.
  /// @param examples   how many there are
  /// @param sample     makes them
  /// @param loss       of their answers
  /// @param listener   see above
  /// @return           whether it came to the end; the model is the averaged one then
  /// @throws           DomainError if there were other examples when this training began; TrainingError where an
  ///                   example cannot be made, or its loss or a gradient is not finite: with the step, the example, the
  ///                   array and the last checkpoint; Error where that cannot be written. The model is as after the
  ///                   step before.
  bool run(Index examples, const MakeSample& sample, const Loss& loss, const Listener& listener = {}) {
    ssm::detail::require_at_least("examples", 1, examples);
    if (examples_ > 0 && examples != examples_)
      throw DomainError(
          ssm::detail::message("examples: expected the ", examples_, " that this training began with, got ", examples));
    examples_ = examples;
    const Index batch = std::min(options_.batch, examples), per_epoch = (examples + batch - 1) / batch;
    const auto warmup = static_cast<Index>(options_.warmup * static_cast<double>(per_epoch));
    const auto begun = std::chrono::steady_clock::now();
    const Index already = steps();
    const double seconds_before = seconds_;
    Index seen = 0;
    std::vector<Index> order;
    auto gradient = zero(model_.weights());
    while (steps() < options_.epochs * per_epoch) {
      const Index epoch = steps() / per_epoch, step = steps() % per_epoch;
      if (step == 0) loss_ = right_ = count_ = 0;
      if (order.empty() || step == 0) order = shuffled(examples, epoch);
      Random random(mixed(options_.seed, 2, steps()));
      const Index first = step * batch, count = std::min(batch, examples - first);
      std::vector<Sample<T>> samples;
      std::vector<nn::Example<T>> views;
      const auto of_example = [&](Index i, const std::string& why) {  // what is wrong with one of them
        return stopped(ssm::detail::message("example ", order[at(first + i)], ": ", why));
      };
      for (Index i = 0; i < count; ++i) try {
          samples.push_back(sample(order[at(first + i)], random));
          views.push_back({ConstSequence<T>(std::span<const T>(samples.back().u), model_.shape().inputs),
                           samples.back().intervals});
        } catch (const std::exception& error) {
          throw of_example(i, error.what());
        }
      std::vector<double> right(at(count)), losses(at(count));
      clear(gradient);
      double sum = 0;
      try {
        sum = backpropagate_(
            model_, views, random,
            [&](Index i, ConstSequence<T> answer, Sequence<T> danswer) {
              const LossResult result = loss(order[at(first + i)], answer, danswer, 1 / static_cast<double>(count));
              right[at(i)] = result.accuracy;
              return losses[at(i)] = result.loss;
            },
            gradient);
      } catch (const nn::ExampleError& error) {
        throw of_example(error.example, error.what());
      }
      for (Index i = 0; i < count; ++i)
        if (!std::isfinite(losses[at(i)]))
          throw of_example(i, std::isnan(losses[at(i)]) ? "its loss is nan" : "its loss is infinite");
      require_finite(gradient, std::span<const Index>(order).subspan(at(first), at(count)));
      take_step(gradient, optim::warmup_cosine(steps(), warmup, options_.epochs * per_epoch));
      if (options_.ema_decay > 0) average_.update();
      loss_ += sum;
      right_ += std::accumulate(right.begin(), right.end(), 0.0);
      count_ += static_cast<double>(count);
      seen += count;
      const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
      seconds_ = seconds_before + elapsed;
      if (listener.on_step) {
        const double per_step = elapsed / static_cast<double>(steps() - already);
        listener.on_step({epoch, step + 1, per_epoch, loss_ / count_, right_ / count_,
                          static_cast<double>(seen) / elapsed,
                          per_step * static_cast<double>(options_.epochs * per_epoch - steps())});
      }
      const bool epoch_done = step + 1 == per_epoch;
      if (epoch_done) {
        double test = std::numeric_limits<double>::quiet_NaN();
        if (listener.evaluate) {
          exchange();
          test = listener.evaluate(model_);
          exchange();
        }
        curve_.push_back({static_cast<double>(epoch + 1), loss_ / count_, right_ / count_, seconds_, test});
      }
      const bool stopping = steps() < options_.epochs * per_epoch && listener.should_stop && listener.should_stop();
      if (epoch_done || stopping) save();
      if (stopping) return false;
    }
    exchange();
    return true;
  }

  /// Writes the checkpoint, whole or not at all.
  void save() {
    if (options_.checkpoint.empty()) return;
    io::File file;
    io::detail::describe<Layer>(file, model_.weights());
    file.metadata["format"] = "ssm checkpoint";
    file.metadata["training"] = recipe();
    file.metadata["examples"] = std::to_string(examples_);
    io::put(file, model_.parameters());
    io::put(file, optimizer_.state());
    if (options_.ema_decay > 0) io::put(file, average_.state());
    auto numbers = progress();
    io::put<double>(file, {{"progress", {static_cast<Index>(numbers.size())}, numbers, Role::statistic}});
    io::write(options_.checkpoint, file);
  }
  /// Goes on where the checkpoint was written, if there is one.
  /// @return   whether there was
  /// @throws   FormatError if it is damaged, or of another model or recipe
  bool resume() {
    if (options_.checkpoint.empty() || !std::filesystem::exists(options_.checkpoint)) return false;
    const io::File file = io::read(options_.checkpoint);
    const auto fail = [&](const std::string& why) { throw io::FormatError(options_.checkpoint.string() + ": " + why); };
    if (const std::string format = io::detail::need(file, "format"); format != "ssm checkpoint")
      fail("format: expected 'ssm checkpoint', got '" + format + "'");
    if (const std::string training = io::detail::need(file, "training"); training != recipe())
      fail("expected the training '" + recipe() + "', got '" + training + "': remove it to begin anew");
    const auto found = file.tensors.find("progress");
    if (found == file.tensors.end() || found->second.type != "F64" || found->second.shape.size() != 1 ||
        found->second.shape[0] < 6 || (found->second.shape[0] - 6) % 5 != 0)
      fail("progress: expected in the file, is not there");
    std::vector<double> numbers(at(found->second.shape[0]));
    io::take<double>(file, {{"progress", found->second.shape, numbers, Role::statistic}});
    auto arrays = model_.parameters();  // all at once: what is damaged is found before anything is changed
    for (auto& each : optimizer_.state()) arrays.push_back(std::move(each));
    if (options_.ema_decay > 0)
      for (auto& each : average_.state()) arrays.push_back(std::move(each));
    const auto examples = io::detail::number<Index>(file, "examples");
    const auto before = kept(arrays);
    io::take(file, arrays);
    try {
      model_.refresh();
    } catch (const Error& error) {
      put_back(arrays, before);
      fail(error.what());
    }
    examples_ = examples;
    optimizer_.set_steps(static_cast<Index>(numbers[0]));
    average_.set_updates(static_cast<Index>(numbers[1]));
    loss_ = numbers[2];
    right_ = numbers[3];
    count_ = numbers[4];
    seconds_ = numbers[5];
    curve_.clear();
    for (std::size_t i = 6; i < numbers.size(); i += 5)
      curve_.push_back({numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3], numbers[i + 4]});
    return true;
  }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  /// A seed of its own for every purpose and number: splitmix64's mixing.
  static std::uint64_t mixed(std::uint64_t seed, std::uint64_t purpose, Index number) {
    std::uint64_t z = seed * 0x9E3779B97F4A7C15U + purpose * 0xBF58476D1CE4E5B9U + static_cast<std::uint64_t>(number);
    for (int i = 0; i < 2; ++i) {
      z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
      z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
      z ^= z >> 31U;
    }
    return z;
  }
  std::vector<Index> shuffled(Index examples, Index epoch) const {
    Random random(mixed(options_.seed, 1, epoch));
    std::vector<Index> order(at(examples));
    std::iota(order.begin(), order.end(), Index{0});
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[static_cast<std::size_t>(random.uniform() * static_cast<double>(i))]);
    return order;
  }
  /// A copy of what arrays hold, and back.
  static std::vector<T> kept(const std::vector<Parameter<T>>& arrays) {
    std::vector<T> all;
    for (const auto& each : arrays) all.insert(all.end(), each.values.begin(), each.values.end());
    return all;
  }
  static void put_back(const std::vector<Parameter<T>>& arrays, const std::vector<T>& all) {
    auto from = all.begin();
    for (const auto& each : arrays) {
      std::copy_n(from, each.values.size(), each.values.begin());
      from += static_cast<std::ptrdiff_t>(each.values.size());
    }
  }
  /// A step of the optimiser; where no layer can be made of what it leads to, the weights are those before.
  void take_step(nn::StackParameters<Layer>& gradient, double schedule) {
    const auto arrays = model_.parameters();
    const auto before = kept(arrays);
    optimizer_.step(parameters_of(gradient), schedule);
    try {
      model_.refresh();
    } catch (const Error& error) {
      put_back(arrays, before);
      throw stopped(std::string("no layer can be made of the weights that it leads to: ") + error.what());
    }
  }
  static void clear(nn::StackParameters<Layer>& gradient) {
    for (const auto& each : parameters_of(gradient)) std::fill(each.values.begin(), each.values.end(), T(0));
  }
  void require_finite(nn::StackParameters<Layer>& gradient, std::span<const Index> batch) const {
    for (const auto& each : parameters_of(gradient))
      for (const T value : each.values)
        if (!std::isfinite(value)) {
          std::string which;
          for (const Index i : batch) which += (which.empty() ? "" : ", ") + std::to_string(i);
          throw stopped("examples " + which + ": the gradient of " + each.name + " is not finite");
        }
  }
  TrainingError stopped(const std::string& why) const {
    const bool kept = !options_.checkpoint.empty() && std::filesystem::exists(options_.checkpoint);
    return TrainingError(ssm::detail::message("step ", steps() + 1, ": ", why, "; the last good checkpoint is ",
                                              kept ? options_.checkpoint.string() : "not there"));
  }
  void exchange() {
    if (options_.ema_decay <= 0 || average_.updates() == 0) return;
    average_.swap();
    model_.refresh();
  }
  std::string recipe() const {
    return ssm::detail::message("epochs ", options_.epochs, ", batch ", options_.batch, ", rate ",
                                options_.learning_rate, ", decay ", options_.weight_decay, ", dynamics ",
                                options_.dynamics_learning_rate.value_or(-1), ", warm-up ", options_.warmup, ", clip ",
                                options_.clip, ", average ", options_.ema_decay, ", seed ", options_.seed,
                                frozen_names());
  }
  std::string frozen_names() const {
    std::string all;
    for (const auto& name : options_.frozen) all += (all.empty() ? ", frozen " : " ") + name;
    return all;
  }
  std::vector<double> progress() const {
    std::vector<double> numbers{
        static_cast<double>(steps()), static_cast<double>(average_.updates()), loss_, right_, count_, seconds_};
    for (const Epoch& each : curve_)
      for (const double number : {each.epoch, each.loss, each.accuracy, each.seconds, each.test})
        numbers.push_back(number);
    return numbers;
  }

  nn::Stack<Layer>& model_;
  Options options_;
  optim::AdamW<T> optimizer_;
  optim::Average<T> average_;
  nn::Backpropagation<Layer> backpropagate_;
  std::vector<Epoch> curve_;
  Index examples_ = 0;  // that it began with
  double loss_ = 0, right_ = 0, count_ = 0, seconds_ = 0;
};

}  // namespace ssm::train
