// A model of one's own: a folder of recordings by class, a few lines of settings, a trained model out.
//
//     data/yes/*.wav, data/no/*.wav, ..      each a recording of its class; all at one rate
//     data/name.csv                          or a table a sequence in the folder of its class: a row a step, numbers by
//     commas
//     Name_TRAIN.ts                          or one file of the .ts format of the UEA and UCR archives
//
//     train_your_own --data data --config settings.txt
//     train_your_own --data Name_TRAIN.ts --test Name_TEST.ts
//
//     train_your_own --data data --evaluate              how well the model in --out hears the sequences of a folder
//     train_your_own --predict FILE                      what it takes one sequence for
//     train_your_own --stream FILE                       the same as it comes, row by row; - for rows on standard input
//
// settings.txt holds `name = value` lines, as --help lists the names without their dashes. Where there is no --test, a
// tenth of the sequences (every tenth of a class) is held out and measured. A table may begin with a line of names. The
// model is a safetensors file that `ssm::io::load` reads; this program says how.
#include "support/any_model.hpp"
#include "support/confusion.hpp"
#include "support/sequences.hpp"

#include <ssm/core/thread_pool.hpp>

#include <functional>
#include <iomanip>

using namespace ssm;
using example::Labelled, example::Sequences;
using Model = example::AnyModel;
using Layer = AnyLayer<float>;

namespace {

constexpr const char* task = "sequences of one's own";

/// What is learnt and what is measured.
struct Data {
  Sequences learnt, tested;
};
/// Reads what to learn from; what is tested is a file or folder of its own, or every tenth sequence of a class.
Data read_data(const std::filesystem::path& path, const std::string& test) {
  Data data;
  data.learnt = example::read_sequences(path);
  data.tested = data.learnt;
  if (test.empty()) {
    std::vector<Index> seen(data.learnt.classes.size());
    std::vector<Labelled> learnt, tested;
    for (auto& each : data.learnt.all)
      (seen[static_cast<std::size_t>(each.label)]++ % 10 == 9 ? tested : learnt).push_back(std::move(each));
    data.learnt.all = std::move(learnt);
    data.tested.all = std::move(tested);
    return data;
  }
  data.tested = example::read_sequences(test);
  if (data.tested.classes != data.learnt.classes || data.tested.columns != data.learnt.columns ||
      data.tested.rate != data.learnt.rate)
    throw std::runtime_error(test + ": expected the classes, columns and rate of " + path.string());
  return data;
}

/// What is subtracted from the numbers of each column, and what they are multiplied by.
struct Scaling {
  std::vector<float> mean, scale;

  /// Makes all columns 0 in the mean and 1 in the mean square.
  explicit Scaling(const Sequences& of) {
    const auto columns = static_cast<std::size_t>(of.columns);
    std::vector<double> sum(columns), square(columns);
    double steps = 0;
    for (const auto& each : of.all)
      for (std::size_t i = 0; i < each.u.size(); ++i) {
        const auto value = static_cast<double>(each.u[i]);
        sum[i % columns] += value;
        square[i % columns] += value * value;
        if (i % columns == 0) steps += 1;
      }
    for (std::size_t c = 0; c < columns; ++c) {
      const double average = sum[c] / steps, power = square[c] / steps - average * average;
      mean.push_back(static_cast<float>(average));
      scale.push_back(static_cast<float>(1 / std::sqrt(std::max(power, 1e-30))));
    }
  }
  /// As a file says them.
  Scaling(const std::string& means, const std::string& scales) {
    for (const auto& each : example::parts_of(means, ',')) mean.push_back(example::number_in(each));
    for (const auto& each : example::parts_of(scales, ',')) scale.push_back(example::number_in(each));
  }
  std::vector<float> operator()(std::vector<float> u) const {
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = scale[i % scale.size()] * (u[i] - mean[i % mean.size()]);
    return u;
  }
  static std::string text(const std::vector<float>& numbers) {
    std::string all;
    for (const float each : numbers) all += (all.empty() ? "" : ",") + example::number(static_cast<double>(each));
    return all;
  }
};

/// A model and what its file says besides.
struct Trained {
  Model model;
  std::vector<std::string> classes;
  Scaling scaling;
  double rate;  // Hz; 0: tables
};
Trained read_trained(const std::filesystem::path& path) {
  std::map<std::string, std::string> said;
  auto model = example::load_any_model(path, task, &said);
  Trained result{std::move(model), example::parts_of(said["labels"], '\n'),
                 Scaling(said["input_mean"], said["input_scale"]),
                 static_cast<double>(example::number_in(said["sample_rate"]))};
  const auto good = [&](const std::vector<float>& numbers) {
    return std::ssize(numbers) == result.model.shape().inputs &&
           std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); });
  };
  if (std::ssize(result.classes) != result.model.shape().outputs || !good(result.scaling.mean) ||
      !good(result.scaling.scale) || !std::isfinite(result.rate))
    throw std::runtime_error(path.string() +
                             ": expected labels, input_mean, input_scale and sample_rate in its metadata");
  return result;
}
/// Probability of each class.
std::vector<float> heard(const Trained& trained, const std::vector<float>& u) {
  auto answer = example::logits(trained.model, trained.scaling(u));
  nn::softmax<float>(answer, answer);
  return answer;
}
std::string quoted(const Trained& trained, std::span<const float> answer) {
  return "'" + trained.classes[static_cast<std::size_t>(example::largest<float>(answer))] + "'";
}

void predict(const std::filesystem::path& file, const std::filesystem::path& model_path) {
  const Trained trained = read_trained(model_path);
  Index columns = trained.model.shape().inputs;
  double rate = trained.rate;
  const auto answer = heard(trained, example::read_sequence(file, columns, rate));
  for (std::size_t c = 0; c < answer.size(); ++c)
    std::cout << std::fixed << std::setprecision(4) << answer[c] << "  '" << trained.classes[c] << "'\n";
  std::cout << quoted(trained, answer) << '\n';
}

/// Says what a sequence is taken for while it comes, step by step in constant memory.
void stream(const std::string& source, const std::filesystem::path& model_path, Index every) {
  const Trained trained = read_trained(model_path);
  const Index inputs = trained.model.shape().inputs;
  auto stream = trained.model.stream();
  std::vector<float> answer(trained.classes.size());
  const auto step = [&](std::vector<float> row) {
    const auto logits = stream.step(trained.scaling(std::move(row)));
    nn::softmax<float>(logits, answer);
    if (stream.steps() % every == 0)
      std::cout << stream.steps() << "  " << quoted(trained, answer) << "  " << std::fixed << std::setprecision(4)
                << *std::max_element(answer.begin(), answer.end()) << std::endl;
  };
  if (source == "-") {  // rows as they are written, a line each
    std::string line;
    while (std::getline(std::cin, line)) {
      std::istringstream row(line + "\n");
      Index columns = inputs;
      if (!line.empty())
        step(example::read_table(row, columns, "standard input, step " + std::to_string(stream.steps() + 1)));
    }
    if (stream.steps() == 0) throw std::runtime_error("standard input: expected rows of numbers, got none");
  } else {
    Index columns = inputs;
    double rate = trained.rate;
    const auto u = example::read_sequence(source, columns, rate);
    for (auto at = u.begin(); at != u.end(); at += inputs) step({at, at + inputs});
    const auto whole = heard(trained, u);
    float apart = 0;
    for (std::size_t c = 0; c < whole.size(); ++c) apart = std::max(apart, std::abs(whole[c] - answer[c]));
    std::cout << "the whole sequence at once differs by " << std::scientific << std::setprecision(1) << apart << '\n';
  }
  std::cout << quoted(trained, answer) << '\n';
}

/// Says how well a model does, and what it takes for what.
void measure(const Trained& trained, const Sequences& of, Executor& threads, const std::string& what) {
  std::vector<std::size_t> answers(of.all.size());
  const double right = example::share(std::ssize(of.all), threads, [&](Index i) {
    const Labelled& each = of.all[static_cast<std::size_t>(i)];
    const Index answer = example::largest<float>(heard(trained, each.u));
    answers[static_cast<std::size_t>(i)] = static_cast<std::size_t>(answer);
    return answer == each.label;
  });
  std::cout << what << std::fixed << std::setprecision(4) << right << '\n';
  example::Confusion confusion(of.classes);
  for (std::size_t i = 0; i < answers.size(); ++i) confusion.add(static_cast<std::size_t>(of.all[i].label), answers[i]);
  confusion.print("is", "taken for");
}
void evaluate(const std::filesystem::path& path, const std::string& test, const std::filesystem::path& model_path,
              Executor& threads) {
  const Trained trained = read_trained(model_path);
  const Data data = read_data(path, test);
  if (data.learnt.classes != trained.classes || data.learnt.columns != trained.model.shape().inputs ||
      data.learnt.rate != trained.rate)
    throw std::runtime_error(path.string() + ": expected the classes, columns and rate that " + model_path.string() +
                             " was trained on");
  measure(trained, data.learnt, threads,
          "accuracy on the " + std::to_string(data.learnt.all.size()) + " that a training on this data learns from: ");
  if (data.tested.all.empty())
    std::cout << "nothing is held out: every tenth sequence of a class would be, and no class has ten\n";
  else
    measure(trained, data.tested, threads,
            "accuracy on the " + std::to_string(data.tested.all.size()) +
                (test.empty() ? " that it holds out: " : " of the test: "));
}

/// Writes the model with what a program needs to use it, and says how to.
void save(const Trained& trained, const std::filesystem::path& to, bool streams) {
  std::string labels;
  for (const auto& each : trained.classes) labels += each + "\n";
  io::save(to, trained.model,
           {{"task", task},
            {"labels", labels},
            {"input_mean", Scaling::text(trained.scaling.mean)},
            {"input_scale", Scaling::text(trained.scaling.scale)},
            {"sample_rate", example::number(trained.rate)}});
  std::cout << "classes:";
  for (const auto& each : trained.classes) std::cout << " '" << each << "'";
  std::cout << "\nThe model is in " << to.string()
            << "; a program reads it by\n\n  #include <ssm/io/any_layer.hpp>\n  #include <ssm/io/model.hpp>\n"
            << "  const auto model = ssm::io::load<ssm::nn::Stack<ssm::AnyLayer<float>>>(\"" << to.string() << "\");\n";
  if (streams)
    std::cout << "  auto stream = model.stream();\n"
              << "  auto logits = stream.step(u_k);   // u_k: what was measured, less input_mean, times input_scale\n";
  else
    std::cout << "  model.forward(u, logits);         // u: what was measured, less input_mean, times input_scale\n";
}

/// What a training is to be besides what its model is.
struct Settings {
  double noise = 0.01;    // added, of the sequences' own size
  double loudness = 1.4;  // sequences are made up to so much louder or softer
  double smoothing = 0.1;
};
/// Trains a model on the data and measures it on what was held out.
void learn(const Data& data, const std::filesystem::path& out, nn::StackShape shape, const example::LayerChoice& layer,
           example::TrainingChoices& choices, const Settings& settings, Executor& threads) {
  choices.options.check();
  const auto& learnt = data.learnt.all;
  shape.inputs = data.learnt.columns;
  shape.outputs = std::ssize(data.learnt.classes);
  Random random(choices.options.seed);
  Trained trained{example::make_any_model(shape, layer, random), data.learnt.classes, Scaling(data.learnt),
                  data.learnt.rate};
  std::cout << data.learnt.classes.size() << " classes, " << learnt.size() << " sequences to learn from, "
            << data.tested.all.size() << " held out, " << data.learnt.columns << " numbers a step\n";
  const auto sample = [&](Index i, Random& draw) {
    auto u = trained.scaling(learnt[static_cast<std::size_t>(i)].u);
    const auto loud = static_cast<float>(draw.log_uniform(1 / settings.loudness, settings.loudness));
    for (auto& each : u) each = loud * each + static_cast<float>(settings.noise * draw.uniform(-1.7, 1.7));
    return u;
  };
  const auto loss = [&](Index i, ConstSequence<float> logits, Sequence<float> dlogits, double weight) {
    return example::class_loss(learnt[static_cast<std::size_t>(i)].label, logits, dlogits, weight, settings.smoothing);
  };
  std::function<double(const Model&)> test = [&](const Model& model) {
    return example::share(std::ssize(data.tested.all), threads, [&](Index i) {
      const auto& each = data.tested.all[static_cast<std::size_t>(i)];
      return example::largest<float>(example::logits(model, trained.scaling(each.u))) == each.label;
    });
  };
  if (data.tested.all.empty()) test = {};
  if (!example::train<Layer>(trained.model, choices, out, threads, std::ssize(learnt), sample, loss, test)) return;
  save(trained, out / "model.safetensors", !layer.both);
  if (test)
    measure(trained, data.tested, threads, "held-out accuracy: ");
  else
    std::cout << "nothing was held out: every tenth sequence of a class is, and no class has ten\n";
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Trains a model on sequences of one's own, by class", "train_your_own");
  std::string out, data, test, model_path, file, source;
  bool evaluating = false;
  Index every = 100;
  Settings settings;
  example::LayerChoice layer;
  example::TrainingChoices choices;
  choices.options = {.epochs = 30, .batch = 16, .learning_rate = 4e-3, .weight_decay = 0.05, .ema_decay = 0.99};
  nn::StackShape shape{.features = 64, .states = 32, .layers = 4, .dropout = 0.1};
  example::add_out(app, out);
  auto* const data_option =
      app.add_option("--data", data, "a folder with a folder of .wav or .csv files for each class, or a .ts file");
  app.add_option("--test", test, "the same, to be measured on; every tenth sequence of a class of --data unless told")
      ->needs(data_option);
  app.add_flag("--evaluate", evaluating, "only measure --model on --data")->needs(data_option);
  auto* const predict_option =
      app.add_option("--predict", file, "only say what --model takes this file for")->excludes(data_option);
  auto* const stream_option =
      app.add_option("--stream", source, "only say it as the file comes, row by row; - for rows on standard input")
          ->excludes(data_option)
          ->excludes(predict_option);
  app.add_option("--every", every, "with --stream: rows between two lines")
      ->needs(stream_option)
      ->check(CLI::Range(1, 1000000000))
      ->capture_default_str();
  app.add_option("--model", model_path,
                 "with --evaluate, --predict and --stream: the model, model.safetensors in --out unless told");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.set_config("--config", "", "a file of lines name = value, as the options here without dashes");
  example::add_shape(app, shape);
  example::add_layer(app, layer);
  example::add_block(app, shape);
  example::add_words(app, "--pool", shape.pool, "how a sequence becomes an answer");
  app.add_option("--dt-min", shape.dt_min, "least time step; 1/dt-min should reach the length of the sequences")
      ->check(CLI::Range(1e-9, 1e3))
      ->capture_default_str();
  app.add_option("--dt-max", shape.dt_max, "largest time step")->check(CLI::Range(1e-9, 1e3))->capture_default_str();
  app.add_option("--noise", settings.noise, "added in training, of the sequences' own size")
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
  app.add_option("--loudness", settings.loudness, "in training, sequences are up to so much louder or softer")
      ->check(CLI::Range(1.0, 100.0))
      ->capture_default_str();
  app.add_option("--smoothing", settings.smoothing, "share of a label that is spread over all classes")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  example::add_training(app, choices);
  example::add_validation(app, choices);
  return example::run(app, count, arguments, [&] {
    const auto path =
        model_path.empty() ? std::filesystem::path(out) / "model.safetensors" : std::filesystem::path(model_path);
    if (!file.empty()) return predict(file, path);
    if (!source.empty()) return stream(source, path, every);
    if (data.empty()) throw std::runtime_error("expected --data FOLDER to train on, or --predict or --stream FILE");
    if (shape.pool == nn::Pool::none)
      throw std::runtime_error("pool: expected one answer for a sequence, got none: an answer for every step");
    ThreadPool threads(choices.threads);
    if (evaluating) return evaluate(data, test, path, threads);
    learn(read_data(data, test), out, shape, layer, choices, settings, threads);
  });
}
