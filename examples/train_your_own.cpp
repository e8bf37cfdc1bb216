// A model of one's own: a folder of recordings by class, a few lines of settings, a trained model out.
//
//     data/yes/*.wav, data/no/*.wav, ..      each a recording of its class; all at one rate
//     data/name.csv                          or a table a sequence in the folder of its class: a row a step, numbers by
//     commas
//
//     train_your_own --data data --config settings.txt
//
// settings.txt holds `name = value` lines, as --help lists the names without their dashes. A tenth of the sequences
// (every tenth of a class) is held out and measured. The model is a safetensors file that `ssm::io::load` reads; this
// program says how.
#include "support/training.hpp"
#include "support/wav.hpp"

#include <ssm/layer/s4d.hpp>

#include <iomanip>

using namespace ssm;
using Layer = S4D<float>;
using Model = nn::Stack<Layer>;

namespace {

struct Labelled {
  std::vector<float> u;
  Index label;
};

/// Numbers of a comma-separated table, row after row.
std::vector<float> read_csv(const std::filesystem::path& path, Index& columns) {
  std::ifstream file(path);
  std::vector<float> numbers;
  std::string line;
  for (Index row = 1; std::getline(file, line); ++row) {
    const auto fail = [&](const std::string& why) {
      throw std::runtime_error(path.string() + ": row " + std::to_string(row) + ": " + why);
    };
    if (line.empty() || line == "\r") continue;
    std::istringstream fields(line);
    Index count = 0;
    for (std::string field; std::getline(fields, field, ',');) {
      std::size_t used = 0;
      float value = NAN;
      try {
        value = std::stof(field, &used);
      } catch (const std::exception&) {
        used = std::string::npos;
      }
      if (used == std::string::npos || field.find_first_not_of(" \t\r", used) != std::string::npos ||
          !std::isfinite(value))
        fail("expected a finite number, got '" + field + "'");
      numbers.push_back(value);
      ++count;
    }
    if (columns == 0) columns = count;
    if (count != columns)
      fail("expected " + std::to_string(columns) + " numbers as elsewhere, got " + std::to_string(count));
  }
  if (numbers.empty()) throw std::runtime_error(path.string() + ": expected numbers, got none");
  return numbers;
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
      if (entry.path().extension() == ".wav" || entry.path().extension() == ".csv") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    if (files.empty()) throw std::runtime_error(each.string() + ": expected .wav or .csv files, got none");
    for (std::size_t i = 0; i < files.size(); ++i) {
      Labelled one{{}, static_cast<Index>(data.classes.size())};
      if (files[i].extension() == ".csv") {
        one.u = read_csv(files[i], data.columns);
      } else {
        auto recording = example::read_wav(files[i]);
        if (data.columns > 1)
          throw std::runtime_error(files[i].string() + ": expected tables of " + std::to_string(data.columns) +
                                   " numbers as elsewhere, got a recording");
        data.columns = 1;
        if (data.rate == 0) data.rate = recording.rate;
        if (data.rate != recording.rate)
          throw std::runtime_error(files[i].string() + ": expected " + example::number(data.rate) +
                                   " Hz as elsewhere, got " + example::number(recording.rate));
        one.u = std::move(recording.samples);
      }
      (i % 10 == 9 ? data.held_out : data.learnt).push_back(std::move(one));
    }
    data.classes.push_back(each.filename().string());
  }
  return data;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Trains a model on sequences of one's own, by class", "train_your_own");
  std::string out, folder;
  example::TrainingChoices choices;
  choices.options = {.epochs = 30, .batch = 16, .rate = 4e-3, .weight_decay = 0.05, .average = 0.99};
  nn::StackShape shape{.features = 64, .states = 32, .layers = 4, .dropout = 0.1};
  double noise = 0.01;
  example::add_out(app, out);
  app.add_option("--data", folder, "a folder with a folder of .wav or .csv files for each class")->required();
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
    const Data data = read_data(folder);
    double square = 0, numbers = 0;
    for (const auto& each : data.learnt)
      for (const float value : each.u) {
        square += static_cast<double>(value) * static_cast<double>(value);
        numbers += 1;
      }
    const auto scale = static_cast<float>(1 / std::max(std::sqrt(square / numbers), 1e-30));
    std::cout << data.classes.size() << " classes, " << data.learnt.size() << " sequences to learn from, "
              << data.held_out.size() << " held out, " << data.columns << " numbers a step\n";
    shape.inputs = data.columns;
    shape.outputs = static_cast<Index>(data.classes.size());
    ThreadPool threads(choices.threads);
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
    const auto judge = [&](Index i, ConstSequence<float> logits, Sequence<float> dlogits,
                           double weight) -> train::Judged {
      return example::judge_class(data.learnt[static_cast<std::size_t>(i)].label, logits, dlogits, weight, 0.1);
    };
    const auto test = [&](const Model& trained) {
      return example::share(static_cast<Index>(data.held_out.size()), threads, [&](Index i) {
        const auto& each = data.held_out[static_cast<std::size_t>(i)];
        return example::largest<float>(example::logits(trained, scaled(each.u))) == each.label;
      });
    };
    if (!example::train<Layer>(model, choices, out, threads, static_cast<Index>(data.learnt.size()), sample, judge,
                               test))
      return;
    std::string labels;
    for (const auto& each : data.classes) labels += (labels.empty() ? "" : " ") + each;
    const auto path = std::filesystem::path(out) / "model.safetensors";
    io::save(path, model,
             {{"labels", labels},
              {"input_scale", example::number(static_cast<double>(scale))},
              {"sample_rate", example::number(data.rate)}});
    std::cout << "held-out accuracy: " << std::fixed << std::setprecision(4) << test(model) << "\nThe model is in "
              << path.string()
              << "; a program reads it by\n\n  const auto model = ssm::io::load<ssm::nn::Stack<ssm::S4D<float>>>(\""
              << path.string()
              << "\");\n  auto stream = model.stream();\n  auto logits = stream.step(u_k);   // u_k: what was "
                 "measured, times "
              << scale << '\n';
  });
}
