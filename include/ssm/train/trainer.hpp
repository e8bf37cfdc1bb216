#pragma once

#include "ssm/io/model.hpp"
#include "ssm/optim/average.hpp"
#include "ssm/train/options.hpp"

#include <chrono>
#include <numeric>

namespace ssm::train {

/// A training that cannot go on. The message says where, and what is left.
struct TrainingError : Error {
  using Error::Error;
};

/// Trains a stack. Everything random in a step is drawn from (seed, step), or from (seed, step, example), so a training
/// that was stopped, or killed and resumed from its last checkpoint, gives the same bits as one that was left alone, for
/// any number of threads.
///
///     train::Trainer<Layer> trainer(model, options, threads);
///     trainer.run(examples, sample, loss, {.on_step = .., .evaluate = .., .should_stop = ..});
///
/// A finished or stopped training may be prolonged: by `prolong`, or by more epochs when it is resumed. All else, the
/// examples too, must be as it was; what is not is named.
template <TrainableLayer Layer>
class Trainer {
 public:
  /// Scalar type of inputs and outputs.
  using T = typename Layer::Scalar;
  /// See train::MakeSample.
  using MakeSample = train::MakeSample<T>;
  /// Returns the loss of the answer to example i, and adds its cotangent, times `weight`; from any thread.
  using Loss = std::function<LossResult(Index i, ConstSequence<T> answer, Sequence<T> danswer, double weight)>;
  /// Functions of the caller's that a training calls.
  struct Listener {
    std::function<void(const Progress&)> on_step = {};             ///< after every step
    std::function<double(const nn::Stack<Layer>&)> evaluate = {};  ///< after every epoch, of the averaged model
    std::function<bool()> should_stop = {};                        ///< asked after every step
    std::optional<MakeSample> validation_sample = {};  ///< what is held out; not set: as what is learnt, of one draw
  };

  /// @param model      is trained in place; must outlive it
  /// @param options    how
  /// @param executor   the caller's threads; must outlive it
  /// @param team       processes that train it together, each with the same model, options and examples, or nullptr:
  ///                   this one alone; must outlive it. Every batch is shared among them, the first writes checkpoints,
  ///                   and the model is what one process would make of it, to the bit
  /// @throws           DomainError if an option is out of its range, a team has more members than a batch has parts
  ///                   (Backpropagation::parts), or its members have other models or options
  Trainer(nn::Stack<Layer>& model, const Options& options, Executor& executor, Team* team = nullptr)
      : model_(model),
        options_((options.check(), options)),
        executor_(executor),
        team_(team),
        optimizer_(model.parameters(), options.optimizer()),
        average_(model.parameters(), options.ema_decay),
        backpropagate_(executor, team) {
    if (options_.validation > 0) best_ = kept(model_.parameters());
    if (team_ != nullptr) {
      require_agreement(*team_, "weights of the model", checksum(kept(model_.parameters())));
      std::string recipe;
      for (const auto& [name, value] : options_.recipe()) recipe += name + '=' + value + '\n';
      require_agreement(*team_, "options of the training", checksum(recipe));
    }
  }

  /// Steps taken.
  Index steps() const noexcept { return optimizer_.steps(); }
  /// Epochs done.
  const std::vector<Epoch>& curve() const noexcept { return curve_; }

  /// Whether it ended before its last epoch since what is held out did not get better: see Options::patience.
  bool ended_early() const noexcept { return options_.patience > 0 && stale() >= options_.patience; }
  /// The epoch, from 1, of the least loss on what is held out; 0 before there is one.
  Index best_epoch() const noexcept {
    std::size_t best = 0;
    for (std::size_t i = 1; i <= curve_.size(); ++i)
      if (std::isfinite(curve_[i - 1].validation) &&
          (best == 0 || curve_[i - 1].validation < curve_[best - 1].validation))
        best = i;
    return static_cast<Index>(best);
  }
  /// Makes the model that of the best epoch, which is kept beside the last one. A training that is prolonged afterwards
  /// goes on from it.
  /// @throws DomainError if nothing was held out, or no epoch is done
  void use_best() {
    if (best_epoch() == 0) throw DomainError("best model: expected an epoch with validation, got none");
    if (averaged_) exchange();
    averaged_ = false;
    put_back(model_.parameters(), best_);
    model_.refresh();
  }
  /// Sets another number of epochs, for a training that is to go on: run it again.
  /// @throws DomainError if more are done already
  void prolong(Index epochs) {
    require_epochs(epochs, std::ssize(curve_));
    options_.epochs = epochs;
  }

  /// Trains to the end, or until `should_stop`.
  /// @param examples   how many there are
  /// @param sample     makes them
  /// @param loss       of their answers
  /// @param listener   see above
  /// @return           whether it came to the end; the model is the averaged one then
  /// @throws           DomainError if there were other examples when this training began; TrainingError where an
  ///                   example cannot be made, or its loss or a gradient is not finite: with the step, the example, the
  ///                   array and the last checkpoint, or where a member of the team does not answer; Error where the
  ///                   checkpoint cannot be written. The model is as after the step before.
  bool run(Index examples, const MakeSample& sample, const Loss& loss, const Listener& listener = {}) try {
    begin(examples, sample);
    remember();
    const Index together = examples_per_step(), per_epoch = steps_per_epoch(), total = options_.epochs * per_epoch;
    const auto begun = std::chrono::steady_clock::now();
    const Index already = steps();
    const double seconds_before = seconds_;
    Index seen = 0;
    std::vector<Index> order;
    std::vector<double> validation;  // losses after each epoch so far
    auto gradient = zero(model_.weights());
    while (steps() < total && !ended_early()) {
      const Index epoch = steps() / per_epoch, step = steps() % per_epoch;
      if (step == 0) loss_ = right_ = count_ = 0;
      if (order.empty() || step == 0) {
        order = shuffled(epoch);
        validation = validation_curve();
      }
      const Index first = step * together, count = std::min(together, std::ssize(learnt_) - first);
      const auto of_step = std::span<const Index>(order).subspan(at(first), at(count));
      clear(gradient);
      const LossResult result = add_gradient(of_step, sample, loss, gradient);
      require_finite(gradient, of_step);
      take_step(gradient, options_.schedule.factor({steps(), total, per_epoch, validation}));
      if (options_.ema_decay > 0) average_.update();
      loss_ += result.loss;
      right_ += result.accuracy;
      count_ += static_cast<double>(count);
      seen += count;
      const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
      seconds_ = seconds_before + elapsed;
      if (listener.on_step) {
        const double per_step = elapsed / static_cast<double>(steps() - already);
        listener.on_step({epoch, step + 1, per_epoch, loss_ / count_, right_ / count_,
                          static_cast<double>(seen) / elapsed, per_step * static_cast<double>(total - steps())});
      }
      const bool epoch_done = step + 1 == per_epoch;
      if (epoch_done) end_epoch(epoch, sample, loss, listener);
      const bool stopping = agreed(steps() < total && listener.should_stop && listener.should_stop());
      if (epoch_done || stopping) save();
      if (stopping) return false;
    }
    if (!averaged_) exchange();
    averaged_ = true;
    return true;
  } catch (const TeamError& error) {
    throw stopped(error.what());
  }

  /// Writes the checkpoint, whole or not at all; of a team the first member does.
  void save() {
    if (options_.checkpoint.empty()) return;
    if (team_ == nullptr || team_->rank() == 0) write();
    if (team_ != nullptr) wait_for_all(*team_);
    remember();
  }
  /// Goes on where the checkpoint was written, if there is one.
  /// @return   whether there was
  /// @throws   FormatError if it is damaged, or of another model or recipe; DomainError if more epochs are done than
  ///           are to be; the model is as before then
  bool resume() {
    if (options_.checkpoint.empty() || !std::filesystem::exists(options_.checkpoint)) return false;
    const io::File file = io::read(options_.checkpoint);
    const auto fail = [&](const std::string& why) {
      throw io::FormatError(ssm::detail::message(options_.checkpoint.string(), ": ", why));
    };
    if (const std::string format = io::detail::need(file, "format"); format != "ssm checkpoint")
      fail(ssm::detail::message("format: expected 'ssm checkpoint', got '", format, "'"));
    for (const auto& [name, value] : options_.recipe())
      if (const std::string was = io::detail::need(file, "training/" + name); was != value)
        fail(ssm::detail::message(name, ": expected that of the training that the checkpoint is of, '", was, "', got '",
                                  value, "'; remove the checkpoint to begin anew"));
    const auto found = file.tensors.find("progress");
    if (found == file.tensors.end() || found->second.type != "F64" || found->second.shape.size() != 1 ||
        found->second.shape[0] < 6 || (found->second.shape[0] - 6) % epoch_numbers != 0)
      fail("progress: expected in the file, is not there");
    std::vector<double> numbers(at(found->second.shape[0]));
    io::take<double>(file, {{"progress", found->second.shape, numbers, Role::statistic}});
    require_epochs(options_.epochs, (std::ssize(numbers) - 6) / epoch_numbers);
    auto arrays = model_.parameters();  // all at once: what is damaged is found before anything is changed
    for (auto& each : optimizer_.state()) arrays.push_back(std::move(each));
    if (options_.ema_decay > 0)
      for (auto& each : average_.state()) arrays.push_back(std::move(each));
    if (!best_.empty())
      for (auto& each : best_arrays()) arrays.push_back(std::move(each));
    const std::string fingerprint = io::detail::need(file, "examples/fingerprint");
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
    fingerprint_ = fingerprint;
    averaged_ = false;
    optimizer_.set_steps(static_cast<Index>(numbers[0]));
    average_.set_updates(static_cast<Index>(numbers[1]));
    loss_ = numbers[2];
    right_ = numbers[3];
    count_ = numbers[4];
    seconds_ = numbers[5];
    curve_.clear();
    for (std::size_t i = 6; i < numbers.size(); i += epoch_numbers)
      curve_.push_back(
          {numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3], numbers[i + 4], numbers[i + 5], numbers[i + 6]});
    return true;
  }

 private:
  void write() {
    io::File file;
    io::detail::describe<Layer>(file, model_.weights());
    file.metadata["format"] = "ssm checkpoint";
    for (const auto& [name, value] : options_.recipe()) file.metadata["training/" + name] = value;
    file.metadata["examples"] = std::to_string(examples_);
    file.metadata["examples/fingerprint"] = fingerprint_;
    io::put(file, model_.parameters());
    io::put(file, optimizer_.state());
    if (options_.ema_decay > 0) io::put(file, average_.state());
    if (!best_.empty()) io::put(file, best_arrays());
    auto numbers = progress();
    io::put<double>(file, {{"progress", {static_cast<Index>(numbers.size())}, numbers, Role::statistic}});
    io::write(options_.checkpoint, file);
  }
  /// Returns what the first member says.
  bool agreed(bool said) {
    if (team_ == nullptr) return said;
    double first = team_->rank() == 0 && said ? 1 : 0;
    ssm::add_up(*team_, std::span(&first, 1));
    return first != 0;
  }
  /// FNV-1a
  static std::uint64_t checksum(const auto& numbers, std::uint64_t sum = 0xCBF29CE484222325U) {
    for (const std::byte each : std::as_bytes(std::span(numbers)))
      sum = (sum ^ static_cast<std::uint64_t>(each)) * 0x100000001B3U;
    return sum;
  }
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
  std::vector<Index> shuffled(Index epoch) const { return shuffled(learnt_, mixed(options_.seed, 1, epoch)); }
  static std::vector<Index> shuffled(std::vector<Index> order, std::uint64_t seed) {
    Random random(seed);
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
  /// Checks the examples, and parts those that are held out from those that are learnt.
  void begin(Index examples, const MakeSample& sample) {
    ssm::detail::require_at_least("examples", 1, examples);
    const auto held = static_cast<Index>(std::round(options_.validation * static_cast<double>(examples)));
    if (options_.validation > 0 && (held < 1 || held >= examples))
      throw DomainError(ssm::detail::message("validation: expected a share of the ", examples,
                                             " examples that holds out one and leaves one, got ", options_.validation));
    if (examples_ > 0 && examples != examples_)
      throw DomainError(
          ssm::detail::message("examples: expected the ", examples_, " that this training began with, got ", examples));
    std::string found = fingerprint(examples, sample);
    if (!fingerprint_.empty() && found != fingerprint_)
      throw DomainError(ssm::detail::message("examples: expected those that this training began with, of fingerprint ",
                                             fingerprint_, ", got others, of fingerprint ", found));
    examples_ = examples;
    fingerprint_ = std::move(found);
    std::vector<Index> all(at(examples));
    std::iota(all.begin(), all.end(), Index{0});
    if (held > 0) {
      const auto drawn = shuffled(all, mixed(options_.seed, 3, 0));
      held_.assign(drawn.begin(), drawn.begin() + held);
      all.assign(drawn.begin() + held, drawn.end());
      std::sort(held_.begin(), held_.end());
      std::sort(all.begin(), all.end());
    }
    learnt_ = std::move(all);
    if (averaged_ && steps() < options_.epochs * steps_per_epoch()) exchange();  // it goes on from the last weights
    averaged_ = averaged_ && steps() >= options_.epochs * steps_per_epoch();
  }
  Index examples_per_step() const { return std::min(options_.batch * options_.accumulate, std::ssize(learnt_)); }
  Index steps_per_epoch() const {
    const Index together = examples_per_step();
    return (std::ssize(learnt_) + together - 1) / together;
  }
  /// A checksum of up to 256 examples, evenly spread, as one draw makes them.
  std::string fingerprint(Index examples, const MakeSample& sample) const {
    std::uint64_t sum = 0xCBF29CE484222325U;
    const auto add = [&](const auto& numbers) { sum = checksum(numbers, sum); };
    const Index some = std::min<Index>(examples, 256);
    ssm::detail::in_order(team_, {std::as_writable_bytes(std::span(&sum, 1))}, [&] {
      const auto [first, end] = ssm::detail::share_of(team_, some);
      for (Index j = first; j < end; ++j) {
        const Index i = j * examples / some;
        Random random(mixed(0, 4, i));
        const Sample<T> each = made(i, sample, random);
        add(each.u);
        add(each.intervals);
        add(each.observed);
        add(each.other);
      }
    });
    std::ostringstream text;
    text << std::hex << sum;
    return text.str();
  }
  Sample<T> made(Index i, const MakeSample& sample, Random& random) const {
    try {
      return sample(i, random);
    } catch (const std::exception& error) {
      throw stopped(i, error.what());
    }
  }
  /// Adds the mean gradient of a step's examples, batch by batch.
  /// @return   the sums of losses and accuracies
  LossResult add_gradient(std::span<const Index> of_step, const MakeSample& sample, const Loss& loss,
                          nn::StackParameters<Layer>& gradient) {
    const std::size_t batch = at(options_.batch);
    const std::uint64_t seed = mixed(options_.seed, 2, steps());
    std::vector<Random> randoms{Random(seed)};
    LossResult sum{0, 0};
    for (std::size_t first = 0; first < of_step.size(); first += batch) {
      const auto some = of_step.subspan(first, std::min(batch, of_step.size() - first));
      std::vector<Sample<T>> samples;
      std::vector<nn::Example<T>> views;
      if (options_.draw_by_example) {
        randoms.clear();
        for (const Index i : some) randoms.emplace_back(mixed(seed, 6, i));
      }
      for (std::size_t i = 0; i < some.size(); ++i) {
        const bool own = !options_.draw_by_example || backpropagate_.has(static_cast<Index>(i), std::ssize(some));
        samples.push_back(own ? made(some[i], sample, randoms[options_.draw_by_example ? i : 0]) : Sample<T>{});
      }
      for (std::size_t i = 0; i < some.size(); ++i) try {
          views.push_back(samples[i].view(model_.shape().inputs));
        } catch (const std::exception& error) {
          throw stopped(some[i], error.what());
        }
      std::vector<double> right(some.size()), losses(some.size());
      try {
        sum.loss += backpropagate_(
            model_, views, std::span(randoms),
            [&](Index i, ConstSequence<T> answer, Sequence<T> danswer) {
              const LossResult result = loss(some[at(i)], answer, danswer, 1 / static_cast<double>(of_step.size()));
              right[at(i)] = result.accuracy;
              return losses[at(i)] = result.loss;
            },
            gradient);
      } catch (const nn::ExampleError& error) {
        throw stopped(some[at(error.example)], error.what());
      }
      if (team_ != nullptr) {  // each has those of its own examples
        ssm::add_up(*team_, std::span(losses));
        ssm::add_up(*team_, std::span(right));
      }
      for (std::size_t i = 0; i < some.size(); ++i)
        if (!std::isfinite(losses[i]))
          throw stopped(some[i], std::isnan(losses[i]) ? "its loss is nan" : "its loss is infinite");
      sum.accuracy += std::accumulate(right.begin(), right.end(), 0.0);
    }
    return sum;
  }
  /// Measures the averaged model, and keeps it where it is the best one.
  void end_epoch(Index epoch, const MakeSample& sample, const Loss& loss, const Listener& listener) {
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    Epoch done{static_cast<double>(epoch + 1), loss_ / count_, right_ / count_, seconds_, none, none, none};
    if (listener.evaluate || !held_.empty()) {
      exchange();
      if (listener.evaluate) done.test = listener.evaluate(model_);
      if (!held_.empty()) {
        const LossResult found = validate(listener.validation_sample.value_or(sample), loss);
        done.validation = found.loss;
        done.validation_accuracy = found.accuracy;
      }
      curve_.push_back(done);
      if (!held_.empty() && best_epoch() == std::ssize(curve_)) best_ = kept(model_.parameters());
      exchange();
    } else {
      curve_.push_back(done);
    }
  }
  /// Returns the mean loss and accuracy on what is held out.
  LossResult validate(const MakeSample& sample, const Loss& loss) {
    std::vector<LossResult> all(held_.size());
    std::vector<Sample<T>> samples;
    const auto [first, end] = ssm::detail::share_of(team_, std::ssize(held_));
    for (Index j = first; j < end; ++j) {
      Random random(mixed(options_.seed, 5, held_[at(j)]));
      samples.push_back(made(held_[at(j)], sample, random));
    }
    executor_.run(end - first, [&, begin = first](Index own, Index) {
      const Index j = begin + own;
      try {
        const nn::Example<T> each = samples[at(own)].view(model_.shape().inputs);
        const Index rows = model_.shape().compare ? 1 : model_.answers(each.u.length());
        std::vector<T> numbers(at(2 * rows * model_.shape().outputs));
        const Sequence<T> answer(numbers.data(), rows, model_.shape().outputs),
            danswer(numbers.data() + rows * model_.shape().outputs, rows, model_.shape().outputs);
        if (model_.shape().compare)
          model_.forward(each.u, each.other, answer, each.reading, each.other_reading);
        else
          model_.forward(each.u, answer, each.reading);
        all[at(j)] = loss(held_[at(j)], answer, danswer, 1);
      } catch (const std::exception& error) {
        throw stopped(held_[at(j)], error.what());
      }
    });
    if (team_ != nullptr) {
      std::vector<double> numbers;
      for (const LossResult& each : all) numbers.insert(numbers.end(), {each.loss, each.accuracy});
      ssm::add_up(*team_, std::span(numbers));
      for (std::size_t j = 0; j < all.size(); ++j) all[j] = {numbers[2 * j], numbers[2 * j + 1]};
    }
    LossResult mean{0, 0};
    for (const LossResult& each : all) {
      mean.loss += each.loss / static_cast<double>(all.size());
      mean.accuracy += each.accuracy / static_cast<double>(all.size());
    }
    return mean;
  }
  /// Epochs since the best one.
  Index stale() const noexcept { return std::ssize(curve_) - best_epoch(); }
  std::vector<double> validation_curve() const {
    std::vector<double> all;
    for (const Epoch& each : curve_)
      if (std::isfinite(each.validation)) all.push_back(each.validation);
    return all;
  }
  static void require_epochs(Index epochs, Index done) {
    if (epochs < done)
      throw DomainError(ssm::detail::message("epochs: expected at least the ", done, " that are done, got ", epochs));
  }
  /// The best weights, as a file has them.
  std::vector<Parameter<T>> best_arrays() {
    std::vector<Parameter<T>> all = model_.parameters();
    std::size_t first = 0;
    for (auto& each : all) {
      each.name = "best/" + each.name;
      each.values = std::span(best_).subspan(first, each.values.size());
      each.role = Role::statistic;
      first += each.values.size();
    }
    return all;
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
  TrainingError stopped(Index example, const std::string& why) const {
    return stopped(ssm::detail::message("example ", example, ": ", why));
  }
  TrainingError stopped(const std::string& why) const {
    return TrainingError(ssm::detail::message("step ", steps() + 1, ": ", why, "; ", last_checkpoint()));
  }
  std::string last_checkpoint() const {
    const bool kept = !options_.checkpoint.empty() && std::filesystem::exists(options_.checkpoint);
    return "the last good checkpoint is " + (kept ? options_.checkpoint.string() : "not there");
  }
  void remember() const {
    if (team_ != nullptr) team_->remember(last_checkpoint());
  }
  void exchange() {
    if (options_.ema_decay <= 0 || average_.updates() == 0) return;
    average_.swap();
    model_.refresh();
  }
  std::vector<double> progress() const {
    std::vector<double> numbers{
        static_cast<double>(steps()), static_cast<double>(average_.updates()), loss_, right_, count_, seconds_};
    for (const Epoch& each : curve_)
      for (const double number :
           {each.epoch, each.loss, each.accuracy, each.seconds, each.test, each.validation, each.validation_accuracy})
        numbers.push_back(number);
    return numbers;
  }

  static constexpr Index epoch_numbers = 7;  // of an Epoch, in a checkpoint

  nn::Stack<Layer>& model_;
  Options options_;
  Executor& executor_;
  Team* team_;
  optim::AdamW<T> optimizer_;
  optim::Average<T> average_;
  nn::Backpropagation<Layer> backpropagate_;
  std::vector<Epoch> curve_;
  Index examples_ = 0;                // that it began with
  std::string fingerprint_;           // of them
  std::vector<Index> learnt_, held_;  // numbers of examples
  std::vector<T> best_;               // all arrays of the best model, where something is held out
  bool averaged_ = false;             // whether the model is the averaged one
  double loss_ = 0, right_ = 0, count_ = 0, seconds_ = 0;
};

}  // namespace ssm::train
