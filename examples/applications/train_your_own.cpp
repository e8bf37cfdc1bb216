// A model of one's own: a folder of recordings by class, a few lines of settings, a trained model out.
//
//     data/yes/*.wav, data/no/*.wav, ..      each a recording of its class; all at one rate
//     data/name.csv                          or a table a sequence in the folder of its class: a row a step, numbers by
//     commas
//
//     train_your_own --data data --config settings.txt
//
//     train_your_own --data data --evaluate              how well the model in --out hears the sequences of a folder
//     train_your_own --predict FILE                      what it takes one sequence for
//
// settings.txt holds `name = value` lines, as --help lists the names without their dashes. A tenth of the sequences
// (every tenth of a class) is held out and measured. A table may begin with a line of names. The model is a safetensors
// file that `ssm::io::load` reads; this program says how.
#include "support/s4d_model.hpp"
#include "support/wav.hpp"

#include <functional>
#include <iomanip>

using namespace ssm;
using Layer = S4D<float>;
using Model = nn::Stack<Layer>;

namespace {

struct Labelled {
  std::vector<float> u;
  Index label;
};

constexpr const char* task = "sequences of one's own";

/// A field as a number; NaN if it is none.
float number_in(const std::string& field) {
  std::size_t used = 0;
  try {
    const float value = std::stof(field, &used);
    return field.find_first_not_of(" \t\r", used) == std::string::npos ? value : NAN;
  } catch (const std::exception&) {
    return NAN;
  }
}

/// Numbers of a comma-separated table, row after row; a first row without any number names the columns.
std::vector<float> read_csv(const std::filesystem::path& path, Index& columns) {
  std::ifstream file(path);
  std::vector<float> numbers;
  std::string line;
  for (Index row = 1; std::getline(file, line); ++row) {
    const auto fail = [&](const std::string& why) {
      throw std::runtime_error(path.string() + ": row " + std::to_string(row) + ": " + why);
    };
    if (line.empty() || line == "\r") continue;
    std::istringstream text(line);
    std::vector<std::string> fields;
    for (std::string field; std::getline(text, field, ',');) fields.push_back(field);
    if (row == 1 && std::none_of(fields.begin(), fields.end(),
                                 [](const std::string& field) { return std::isfinite(number_in(field)); }))
      continue;
    const auto count = static_cast<Index>(fields.size());
    for (const std::string& field : fields) {
      const float value = number_in(field);
      if (!std::isfinite(value)) fail("expected a finite number, got '" + field + "'");
      numbers.push_back(value);
    }
    if (columns == 0) columns = count;
    if (count != columns)
      fail("expected " + std::to_string(columns) + " numbers as elsewhere, got " + std::to_string(count));
  }
  if (numbers.empty()) throw std::runtime_error(path.string() + ": expected numbers, got none");
  return numbers;
}

/// The numbers of a recording or a table.
/// @param columns   numbers of a step, becomes those of this file where it is 0
/// @param rate      Hz, becomes that of a recording where it is 0
std::vector<float> read_sequence(const std::filesystem::path& path, Index& columns, double& rate) {
  if (!example::has_extension(path, ".wav")) return read_csv(path, columns);
  auto recording = example::read_wav(path);
  if (columns > 1)
    throw std::runtime_error(path.string() + ": expected tables of " + std::to_string(columns) +
                             " numbers as elsewhere, got a recording");
  columns = 1;
  if (rate == 0) rate = recording.rate;
  if (rate != recording.rate)
    throw std::runtime_error(path.string() + ": expected " + example::number(rate) + " Hz as elsewhere, got " +
                             example::number(recording.rate));
  return std::move(recording.samples);
}

struct Data {
  std::vector<std::string> classes;
  std::vector<Labelled> learnt, held_out;
  Index columns = 0;
  double rate = 0;  // Hz; 0: tables
};

Data read_data(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder))
    throw std::runtime_error(folder.string() + ": expected a folder with a folder for each class, there is none");
  Data data;
  std::vector<std::filesystem::path> classes;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_directory()) classes.push_back(entry.path());
  std::sort(classes.begin(), classes.end());
  if (classes.size() < 2)
    throw std::runtime_error(folder.string() + ": expected a folder for each of two classes or more, got " +
                             std::to_string(classes.size()));
  for (const auto& each : classes) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(each))
      if (example::has_extension(entry.path(), ".wav") || example::has_extension(entry.path(), ".csv"))
        files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    if (files.empty()) throw std::runtime_error(each.string() + ": expected .wav or .csv files, got none");
    for (std::size_t i = 0; i < files.size(); ++i) {
      Labelled one{{}, static_cast<Index>(data.classes.size())};
      one.u = read_sequence(files[i], data.columns, data.rate);
      (i % 10 == 9 ? data.held_out : data.learnt).push_back(std::move(one));
    }
    data.classes.push_back(each.filename().string());
  }
  return data;
}

/// A model and what its file says besides.
struct Trained {
  Model model;
  std::vector<std::string> classes;
  float scale;
  double rate;  // Hz; 0: tables
};
Trained read_trained(const std::filesystem::path& path) {
  std::map<std::string, std::string> said;
  auto model = example::load_model<Model>(path, task, {}, &said);
  Trained result{std::move(model), {}, number_in(said["input_scale"]), 0};
  result.rate = static_cast<double>(number_in(said["sample_rate"]));
  std::istringstream labels(said["labels"]);
  for (std::string each; std::getline(labels, each);) result.classes.push_back(each);
  if (static_cast<Index>(result.classes.size()) != result.model.shape().outputs || !std::isfinite(result.scale) ||
      !std::isfinite(result.rate))
    throw std::runtime_error(path.string() + ": expected labels, input_scale and sample_rate in its metadata");
  return result;
}
/// Probability of each class.
std::vector<float> heard(const Trained& trained, std::vector<float> u) {
  for (auto& each : u) each *= trained.scale;
  auto answer = example::logits(trained.model, u);
  nn::softmax<float>(answer, answer);
  return answer;
}

void predict(const std::filesystem::path& file, const std::filesystem::path& model_path) {
  const Trained trained = read_trained(model_path);
  Index columns = trained.model.shape().inputs;
  double rate = trained.rate;
  const auto answer = heard(trained, read_sequence(file, columns, rate));
  for (std::size_t c = 0; c < answer.size(); ++c)
    std::cout << std::fixed << std::setprecision(4) << answer[c] << "  '" << trained.classes[c] << "'\n";
  std::cout << "'" << trained.classes[static_cast<std::size_t>(example::largest<float>(answer))] << "'\n";
}

void evaluate(const std::filesystem::path& folder, const std::filesystem::path& model_path, Executor& threads) {
  const Trained trained = read_trained(model_path);
  Data data = read_data(folder);
  if (data.classes != trained.classes || data.columns != trained.model.shape().inputs || data.rate != trained.rate)
    throw std::runtime_error(folder.string() + ": expected the classes, columns and rate that " + model_path.string() +
                             " was trained on");
  const auto accuracy = [&](const std::vector<Labelled>& all) {
    return example::share(static_cast<Index>(all.size()), threads, [&](Index i) {
      const Labelled& each = all[static_cast<std::size_t>(i)];
      return example::largest<float>(heard(trained, each.u)) == each.label;
    });
  };
  std::cout << std::fixed << std::setprecision(4);
  std::cout << "accuracy on the " << data.learnt.size()
            << " that a training on this folder learns from: " << accuracy(data.learnt) << '\n';
  if (data.held_out.empty())
    std::cout << "nothing is held out: every tenth sequence of a class would be, and no class has ten\n";
  else
    std::cout << "accuracy on the " << data.held_out.size() << " that it holds out: " << accuracy(data.held_out)
              << '\n';
}

/// Returns the factor that makes the sequences' numbers 1 in the mean square.
float input_scale(const std::vector<Labelled>& sequences) {
  double square = 0, numbers = 0;
  for (const auto& each : sequences)
    for (const float value : each.u) {
      square += static_cast<double>(value) * static_cast<double>(value);
      numbers += 1;
    }
  return static_cast<float>(1 / std::max(std::sqrt(square / numbers), 1e-30));
}
/// Writes the model with what a program needs to use it, and says how to.
void save(const Model& model, const Data& data, float scale, const std::filesystem::path& to) {
  std::string labels;
  for (const auto& each : data.classes) labels += each + "\n";
  io::save(to, model,
           {{"task", task},
            {"labels", labels},
            {"input_scale", example::number(static_cast<double>(scale))},
            {"sample_rate", example::number(data.rate)}});
  std::cout << "classes:";
  for (const auto& each : data.classes) std::cout << " '" << each << "'";
  std::cout << "\nThe model is in " << to.string()
            << "; a program reads it by\n\n  const auto model = ssm::io::load<ssm::nn::Stack<ssm::S4D<float>>>(\""
            << to.string()
            << "\");\n  auto stream = model.stream();\n  auto logits = stream.step(u_k);   // u_k: what was "
               "measured, times "
            << scale << '\n';
}
/// Trains a model on a folder and measures it on what was held out.
void learn(const std::filesystem::path& folder, const std::filesystem::path& out, nn::StackShape shape,
           example::TrainingChoices& choices, double noise, Executor& threads) {
  const Data data = read_data(folder);
  const float scale = input_scale(data.learnt);
  std::cout << data.classes.size() << " classes, " << data.learnt.size() << " sequences to learn from, "
            << data.held_out.size() << " held out, " << data.columns << " numbers a step\n";
  shape.inputs = data.columns;
  shape.outputs = static_cast<Index>(data.classes.size());
  Random random(choices.options.seed);
  Model model(diagonal::Linear{}, shape, random);
  const auto scaled = [&](std::vector<float> u) {
    for (auto& each : u) each *= scale;
    return u;
  };
  const auto sample = [&](Index i, Random& draw) -> train::Sample<float> {
    auto u = scaled(data.learnt[static_cast<std::size_t>(i)].u);
    const auto loud = static_cast<float>(draw.log_uniform(0.7, 1.4));
    for (auto& each : u) each = loud * each + static_cast<float>(noise * draw.uniform(-1.7, 1.7));
    return {std::move(u)};
  };
  const auto loss = [&](Index i, ConstSequence<float> logits, Sequence<float> dlogits,
                        double weight) -> train::LossResult {
    return example::class_loss(data.learnt[static_cast<std::size_t>(i)].label, logits, dlogits, weight, 0.1);
  };
  std::function<double(const Model&)> test = [&](const Model& trained) {
    return example::share(static_cast<Index>(data.held_out.size()), threads, [&](Index i) {
      const auto& each = data.held_out[static_cast<std::size_t>(i)];
      return example::largest<float>(example::logits(trained, scaled(each.u))) == each.label;
    });
  };
  if (data.held_out.empty()) test = {};
  if (!example::train<Layer>(model, choices, out, threads, static_cast<Index>(data.learnt.size()), sample, loss, test))
    return;
  save(model, data, scale, out / "model.safetensors");
  std::cout << std::fixed << std::setprecision(4);
  if (test)
    std::cout << "held-out accuracy: " << test(model) << '\n';
  else
    std::cout << "nothing was held out: every tenth sequence of a class is, and no class has ten\n";
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Trains a model on sequences of one's own, by class", "train_your_own");
  std::string out, folder, model_path, file;
  bool evaluating = false;
  example::TrainingChoices choices;
  choices.options = {.epochs = 30, .batch = 16, .learning_rate = 4e-3, .weight_decay = 0.05, .ema_decay = 0.99};
  nn::StackShape shape{.features = 64, .states = 32, .layers = 4, .dropout = 0.1};
  double noise = 0.01;
  example::add_out(app, out);
  auto* const data_option =
      app.add_option("--data", folder, "a folder with a folder of .wav or .csv files for each class");
  app.add_flag("--evaluate", evaluating, "only measure --model on --data")->needs(data_option);
  auto* const predict_option =
      app.add_option("--predict", file, "only say what --model takes this file for")->excludes(data_option);
  data_option->excludes(predict_option);
  app.add_option("--model", model_path,
                 "with --evaluate and --predict: the model, model.safetensors in --out unless told");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.set_config("--config", "", "a file of lines name = value, as the options here without dashes");
  example::add_shape(app, shape);
  app.add_option("--dt-min", shape.dt_min, "least time step; 1/dt-min should reach the length of the sequences")
      ->check(CLI::Range(1e-9, 1e3))
      ->capture_default_str();
  app.add_option("--dt-max", shape.dt_max, "largest time step")->check(CLI::Range(1e-9, 1e3))->capture_default_str();
  app.add_option("--noise", noise, "added in training, of the sequences' own size")
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
  example::add_training(app, choices);
  return example::run(app, count, arguments, [&] {
    const auto path =
        model_path.empty() ? std::filesystem::path(out) / "model.safetensors" : std::filesystem::path(model_path);
    if (!file.empty()) return predict(file, path);
    if (folder.empty()) throw std::runtime_error("expected --data FOLDER to train on, or --predict FILE");
    ThreadPool threads(choices.threads);
    if (evaluating) return evaluate(folder, path, threads);
    learn(folder, out, shape, choices, noise, threads);
  });
}
