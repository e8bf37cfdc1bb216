// A model that hears digits: raw samples in, no features, a deep S4D classifier.
//
// S4 and S5 learn from the wave itself (S4, arXiv:2111.00396, section 4.3; S5, arXiv:2208.04933, section 6.2), and
// since they are systems in continuous time, a model that was trained at one rate reads another: dt times `rate`. This
// program trains such a model, measures it, and lets it listen: sample by sample, in constant memory, faster than one
// can speak.
//
//     spoken_digits                              listens to a recording with the model that comes with it
//     spoken_digits --listen FILE                the same for another; - is standard input, raw samples:
//                                                sox -d -t raw -r 8000 -e signed -b 16 -c 1 - | spoken_digits --listen
//                                                -
//     spoken_digits --evaluate FOLDER            accuracy and confusions; --decimate 2 reads it at 4 kHz
//     spoken_digits --train FOLDER               the Free Spoken Digit Dataset: {digit}_{speaker}_{index}.wav
//     mpirun -n 4 spoken_digits --train FOLDER --ranks --threads 1      the same model, by the processes of an MPI run
#include "support/confusion.hpp"
#include "support/hearing.hpp"
#include "support/low_pass.hpp"
#include "support/ranks.hpp"
#include "support/s4d_model.hpp"
#include "support/wav.hpp"

#include <ssm/core/thread_pool.hpp>

#include <chrono>
#include <iomanip>

using namespace ssm;
using Layer = S4D<float>;
using Model = nn::Stack<Layer>;

namespace {

constexpr double trained_rate = 8000;  // Hz
constexpr float gain = 8;              // recordings are quiet
constexpr const char* task = "spoken digits";

/// Every `step`th sample, after a low pass that leaves out what those cannot hold.
std::vector<float> decimate(const std::vector<float>& samples, Index step) {
  const example::LowPass low_pass(0.45 / static_cast<double>(step), 16 * step);
  std::vector<float> result;
  for (Index k = 0; k < static_cast<Index>(samples.size()); k += step) result.push_back(low_pass(samples, k));
  return result;
}
/// As it sounds from a line of half the rate: every second sample, held for two.
std::vector<float> held(const std::vector<float>& samples) {
  const auto half = decimate(samples, 2);
  std::vector<float> result;
  for (std::size_t k = 0; k < samples.size(); ++k) result.push_back(half[k / 2]);
  return result;
}

struct Spoken {
  Index digit, index;
  std::vector<float> samples;  // amplified
  double rate;                 // Hz
};

/// The recordings of a folder whose names say what was said.
std::vector<Spoken> read_folder(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder))
    throw std::runtime_error(folder.string() +
                             ": expected a folder of recordings {digit}_{speaker}_{index}.wav, there is none");
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (example::has_extension(entry.path(), ".wav")) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Spoken> all;
  for (const auto& path : paths) {
    const std::string name = path.stem().string();
    const auto last = name.rfind('_');
    if (name.size() < 5 || name[0] < '0' || name[0] > '9' || name[1] != '_' || last < 3 ||
        name.find_first_not_of("0123456789", last + 1) != std::string::npos || last + 1 == name.size())
      throw std::runtime_error(path.string() + ": expected a name {digit}_{speaker}_{index}.wav");
    auto recording = example::read_wav(path);
    for (auto& sample : recording.samples) sample *= gain;
    all.push_back({name[0] - '0', std::stol(name.substr(last + 1)), std::move(recording.samples), recording.rate});
  }
  if (all.empty())
    throw std::runtime_error(folder.string() + ": expected recordings {digit}_{speaker}_{index}.wav, got none");
  return all;
}

void learn(const std::filesystem::path& folder, const std::filesystem::path& out, const std::string& model_path,
           const std::string& from, nn::StackShape shape, example::TrainingChoices& choices) {
  std::vector<Spoken> learnt, held_out;
  for (auto& each : read_folder(folder)) {
    if (each.rate != trained_rate)
      throw std::runtime_error(folder.string() + ": expected recordings at 8000 Hz, got one at " +
                               example::number(each.rate) + " Hz");
    if (each.index >= 5)
      learnt.push_back(std::move(each));
    else if (each.index >= 2)
      held_out.push_back(std::move(each));
  }
  if (learnt.empty())
    throw std::runtime_error(folder.string() + ": expected recordings of index 5 and above to train on, got none");
  ThreadPool threads(choices.threads);
  Random random(choices.options.seed);
  Model model = from.empty() ? Model(diagonal::Linear{}, shape, random) : example::load_model<Model>(from, task);
  if (choices.speaks())
    std::cout << "Training on " << learnt.size() << " recordings, testing on " << held_out.size() << ".\n";
  const auto sample = [&](Index i, Random& draw) -> train::Sample<float> {
    std::vector<float> u = learnt[static_cast<std::size_t>(i)].samples;
    if (draw.uniform() < 0.4) u = held(u);        // as a poor line would bring it
    const double speed = draw.uniform(0.9, 1.1);  // slower and deeper, or faster and higher
    const auto length = std::min<Index>(static_cast<Index>(static_cast<double>(u.size() - 1) / speed), 8000);
    const auto silence = static_cast<Index>(draw.uniform() * 800);
    const auto loud = static_cast<float>(draw.log_uniform(0.4, 2.5)),
               noise = static_cast<float>(draw.log_uniform(1e-4, 3e-2));
    std::vector<float> heard(static_cast<std::size_t>(silence + length));
    for (Index k = 0; k < length; ++k) {
      const double at = static_cast<double>(k) * speed;
      const auto before = static_cast<std::size_t>(at);
      const auto part = static_cast<float>(at - static_cast<double>(before));
      heard[static_cast<std::size_t>(silence + k)] = loud * ((1 - part) * u[before] + part * u[before + 1]);
    }
    for (auto& each : heard) each += noise * static_cast<float>(draw.uniform(-1.7, 1.7));
    return {std::move(heard)};
  };
  const auto loss = [&](Index i, ConstSequence<float> logits, Sequence<float> dlogits,
                        double weight) -> train::LossResult {
    return example::class_loss(learnt[static_cast<std::size_t>(i)].digit, logits, dlogits, weight, 0.1);
  };
  const auto test = [&](const Model& trained) {
    return example::share(static_cast<Index>(held_out.size()), threads, [&](Index i) {
      const Spoken& each = held_out[static_cast<std::size_t>(i)];
      return example::largest<float>(example::logits(trained, each.samples)) == each.digit;
    });
  };
  if (!example::train<Layer>(model, choices, out, threads, static_cast<Index>(learnt.size()), sample, loss, test) ||
      !choices.speaks())
    return;
  const auto path = model_path.empty() ? out / "spoken_digits.safetensors" : std::filesystem::path(model_path);
  io::save(path, model, {{"task", task}, {"labels", "0 1 2 3 4 5 6 7 8 9"}, {"sample_rate", "8000"}});
  std::cout << "test accuracy: " << test(model) << "\nThe model is in " << path.string() << '\n';
}

void evaluate(const std::filesystem::path& folder, const std::filesystem::path& out, const std::string& model_path,
              Index step, Index thread_count) {
  auto all = read_folder(folder);
  std::erase_if(all, [&, some = std::any_of(all.begin(), all.end(), [](const Spoken& each) { return each.index < 5; })](
                         const Spoken& each) {
    return some && each.index >= 5;  // those a model may have been trained on
  });
  ThreadPool threads(thread_count);
  const auto count = static_cast<Index>(all.size());
  std::vector<Index> heard(all.size());
  const auto stored = example::load_model<Model>(model_path, task);
  const auto accuracy = [&](bool right_rate) {
    return example::share(count, threads, [&](Index i) {
      const Spoken& each = all[static_cast<std::size_t>(i)];
      const double rate = right_rate ? trained_rate * static_cast<double>(step) / each.rate : 1;
      const Model model(stored.weights(), {rate});
      const Index digit =
          example::largest<float>(example::logits(model, step > 1 ? decimate(each.samples, step) : each.samples));
      if (right_rate) heard[static_cast<std::size_t>(i)] = digit;
      return digit == each.digit;
    });
  };
  const double right = accuracy(true);
  std::cout << count << " recordings, read at " << all.front().rate / static_cast<double>(step)
            << " Hz\naccuracy: " << std::fixed << std::setprecision(4) << right << '\n';
  if (step > 1) std::cout << "at the wrong rate, as if nothing had been left out: " << accuracy(false) << '\n';
  std::vector<std::vector<double>> columns(3);
  example::Confusion confusion({"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
  for (std::size_t i = 0; i < all.size(); ++i)
    confusion.add(static_cast<std::size_t>(all[i].digit), static_cast<std::size_t>(heard[i]));
  confusion.print("said", "heard");
  for (std::size_t said = 0; said < 10; ++said)
    for (std::size_t d = 0; d < 10; ++d) {
      columns[0].push_back(static_cast<double>(d));
      columns[1].push_back(static_cast<double>(said));
      columns[2].push_back(static_cast<double>(confusion.count(said, d)));
    }
  example::make_folder(out);
  example::write_file(out / "confusion.tsv", example::table({"heard", "said", "recordings"}, columns));
  example::draw(out, "confusion", "confusion");
}

/// Words in a stream, sample by sample, and the running probabilities within each.
void listen(const std::string& source, const std::filesystem::path& out, const std::string& model_path) {
  const bool raw = source == "-";
  const auto recording = raw ? example::Recording{{}, trained_rate} : example::read_wav(source);
  const auto model = example::load_model<Model>(model_path, task, {trained_rate / recording.rate});
  example::Hearing hearing(model, recording.rate, gain);
  const auto classes = static_cast<std::size_t>(model.shape().outputs);
  std::vector<std::vector<double>> columns(2 + classes);
  std::vector<example::Hearing::Word> words;
  double busy = 0, next_shown = 0.05;
  const auto keep = [&](std::optional<example::Hearing::Word> word) {
    if (!word) return;
    std::cout << std::fixed << std::setprecision(2) << "heard: " << word->label << "  (probability "
              << word->answer[static_cast<std::size_t>(word->label)] << ", from " << word->begin << " to " << word->end
              << " s)" << std::endl;
    words.push_back(std::move(*word));
  };
  const auto hear = [&](float sample) {
    const auto begun = std::chrono::steady_clock::now();
    auto word = hearing(sample);
    busy += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    const double time = static_cast<double>(hearing.steps()) / recording.rate;
    const auto& probabilities = hearing.probabilities();
    if (hearing.steps() % 4 == 0 && columns[0].size() < 200000) {
      columns[0].push_back(time);
      columns[1].push_back(static_cast<double>(sample));
      for (std::size_t c = 0; c < classes; ++c)
        columns[2 + c].push_back(hearing.in_word() ? static_cast<double>(probabilities[c]) : 0);
    }
    keep(std::move(word));
    if (time < next_shown) return;
    std::cout << std::fixed << std::setprecision(2) << time << " s  ";
    if (hearing.in_word()) {
      const Index digit = example::largest<float>(probabilities);
      std::cout << digit << "  "
                << std::string(static_cast<std::size_t>(40 * probabilities[static_cast<std::size_t>(digit)]), '#')
                << ' ' << probabilities[static_cast<std::size_t>(digit)] << std::endl;
      next_shown = time + 0.05;
    } else {
      std::cout << "nothing" << (words.empty() ? " yet" : "") << std::endl;
      next_shown = time + 0.5;
    }
  };
  if (raw) {
    std::int16_t sample = 0;
    while (std::cin.read(reinterpret_cast<char*>(&sample), 2)) hear(static_cast<float>(sample) / 32768);
    if (hearing.steps() == 0)
      throw std::runtime_error("standard input: expected raw samples (16 bit, 8000 Hz, one channel), got none");
  } else {
    for (const float sample : recording.samples) hear(sample);
  }
  keep(hearing.finish());
  if (words.empty()) std::cout << "heard: nothing\n";
  std::cout << std::fixed << std::setprecision(1) << static_cast<double>(hearing.steps()) / recording.rate / busy
            << " times faster than it was spoken\n";
  float apart = 0;
  for (const auto& word : words) {
    std::vector<float> whole = example::logits(model, word.samples);
    nn::softmax<float>(whole, whole);
    for (std::size_t c = 0; c < classes; ++c) apart = std::max(apart, std::abs(whole[c] - word.answer[c]));
  }
  if (!words.empty())
    std::cout << "each word at once differs by " << std::scientific << apart << " at most\n" << std::fixed;
  if (columns[0].empty()) return;
  example::make_folder(out);
  std::vector<std::string> names{"seconds", "wave"};
  for (std::size_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  example::write_file(out / "hearing.tsv", example::table(names, columns));
  example::draw(out, "hearing", "hearing", {{"CLASSES", std::to_string(classes)}});
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Hears spoken digits, sample by sample", "spoken_digits");
  std::string out, data, from, folder, source, model = SSM_EXAMPLE_MODELS "/spoken_digits.safetensors";
  Index step = 1;
  example::TrainingChoices choices;
  choices.options = {.epochs = 26, .batch = 8, .learning_rate = 4e-3, .weight_decay = 0.05, .ema_decay = 0.998};
  nn::StackShape shape{
      .features = 64, .states = 32, .layers = 4, .outputs = 10, .dropout = 0.1, .dt_min = 1e-3, .dt_max = 1e-1};
  example::add_out(app, out);
  auto* const train_option =
      app.add_option("--train,--data", data, "folder to train on: {digit}_{speaker}_{index}.wav, index 5 and above");
  auto* const evaluate_option = app.add_option(
      "--evaluate", folder,
      "folder to be measured on: of {digit}_{speaker}_{index}.wav those of index 0..4, where there are any");
  app.add_option("--decimate", step, "with --evaluate: read every so many samples, low-passed")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  auto* const listen_option =
      app.add_option("--listen", source, "a WAV file, or - for raw samples (16 bit, 8000 Hz) on standard input");
  train_option->excludes(evaluate_option)->excludes(listen_option);
  evaluate_option->excludes(listen_option);
  auto* const model_option = app.add_option("--model", model, "what to hear with; with --train, where it goes");
  auto* const from_option =
      app.add_option("--from", from, "with --train: a model to begin with, instead of initial values")
          ->needs(train_option);
  for (auto* const size : example::add_shape(app, shape)) from_option->excludes(size->needs(train_option));
  example::add_training(app, choices);
  bool ranks = false;
  app.add_flag("--ranks", ranks, "with --train: by all processes of mpirun, to the same model")->needs(train_option);
  return example::run(app, count, arguments, [&] {
    if (ranks)
      example::over_ranks(count, arguments, [&](Team& team) {
        choices.team = &team;
        learn(data, out, *model_option ? model : "", from, shape, choices);
      });
    else if (*train_option)
      learn(data, out, *model_option ? model : "", from, shape, choices);
    else if (*evaluate_option)
      evaluate(folder, out, model, step, choices.threads);
    else
      listen(*listen_option ? source : SSM_EXAMPLE_DATA "/nine.wav", out, model);
  });
}
