// S5 on unevenly sampled sequences, told the times or not, with looks that are missing.
//
// A damped, driven pendulum is looked at now and then, through noise: sin and cos of its angle, at times that are
// drawn. From those, how fast it turns is to be told at each look, also at those where nothing was seen. S5 takes a
// time step of its own for every sample (S5, arXiv:2208.04933, section 6.3); the same model, told nothing of the times,
// has to guess. Both are trained with three seeds; all else is equal. At the end a sequence goes through the trained
// model once more, look by look in constant memory, and the answers are compared.
#include "support/training.hpp"

#include <ssm/core/thread_pool.hpp>
#include <ssm/layer/s5.hpp>
#include <ssm/nn/loss.hpp>

#include <iomanip>

using namespace ssm;
using Layer = S5<float>;
using Model = nn::Stack<Layer>;

namespace {

constexpr Index looks = 60;
constexpr double mean_gap = 0.25;  // s

struct Swing {
  std::vector<float> u;                // sin and cos of the angle, noisy     (looks, 2)
  std::vector<float> gaps;             // s since the last look               (looks)
  std::vector<std::uint8_t> observed;  // 0 where nothing was seen      (looks)
  std::vector<float> velocity;         // 1/s, what is asked for              (looks)

  std::vector<float> in_mean_gaps() const {
    std::vector<float> all;
    for (const float gap : gaps) all.push_back(gap / static_cast<float>(mean_gap));
    return all;
  }
  nn::Reading<float> reading(const Model& model, bool told) const {
    if (!told) return {.observed = observed};
    return {.intervals = InSeconds<float>{gaps, model.layer_step()}, .observed = observed};
  }
};

/// angle'' = -sin(angle) - 0.2 angle' + 0.7 cos(0.9 t + phase), by Runge and Kutta's rule in steps of at most 10 ms.
Swing swing(Random& random, double noise, double missing) {
  double angle = random.uniform(-2, 2), velocity = random.uniform(-2, 2), time = 0;
  const double phase = random.uniform(0, 6.283185307179586);
  const auto slope = [&](double a, double v, double t) {
    return -std::sin(a) - 0.2 * v + 0.7 * std::cos(0.9 * t + phase);
  };
  Swing result;
  for (Index k = 0; k < looks; ++k) {
    const double gap =
        random.uniform() < 0.5 ? mean_gap * random.uniform(0.02, 0.4) : mean_gap * random.uniform(1, 2.6);
    const auto parts = static_cast<Index>(std::ceil(gap / 0.01));
    const double h = gap / static_cast<double>(parts);
    for (Index i = 0; i < parts; ++i, time += h) {
      const double a1 = velocity, v1 = slope(angle, velocity, time);
      const double a2 = velocity + h / 2 * v1, v2 = slope(angle + h / 2 * a1, velocity + h / 2 * v1, time + h / 2);
      const double a3 = velocity + h / 2 * v2, v3 = slope(angle + h / 2 * a2, velocity + h / 2 * v2, time + h / 2);
      const double a4 = velocity + h * v3, v4 = slope(angle + h * a3, velocity + h * v3, time + h);
      angle += h / 6 * (a1 + 2 * a2 + 2 * a3 + a4);
      velocity += h / 6 * (v1 + 2 * v2 + 2 * v3 + v4);
    }
    const bool seen = random.uniform() >= missing;
    constexpr float nothing = std::numeric_limits<float>::quiet_NaN();
    result.u.push_back(seen ? static_cast<float>(std::sin(angle) + noise * random.normal()) : nothing);
    result.u.push_back(seen ? static_cast<float>(std::cos(angle) + noise * random.normal()) : nothing);
    result.gaps.push_back(static_cast<float>(gap));
    result.observed.push_back(seen ? 1 : 0);
    result.velocity.push_back(static_cast<float>(velocity));
  }
  return result;
}

/// What there is to learn from.
struct Data {
  Index sequences = 1000;
  double noise = 0.05;
  double missing = 0.15;  // share of looks
};

/// The largest difference between the answers to whole sequences and those of a stream, look by look.
double stream_difference(const Model& model, const std::vector<Swing>& swings, bool told) {
  auto stream = model.stream();
  double worst = 0;
  for (const Swing& each : swings) {
    std::vector<float> whole(each.velocity.size());
    model.forward({each.u.data(), looks, 2}, {whole.data(), looks, 1}, each.reading(model, told));
    stream.reset();
    for (std::size_t k = 0; k < whole.size(); ++k) {
      const Seconds gap{told ? static_cast<double>(each.gaps[k]) : mean_gap};
      const float answer = each.observed[k] != 0 ? stream.step({&each.u[2 * k], 2}, gap)[0] : stream.skip(gap)[0];
      worst = std::max(worst, static_cast<double>(std::abs(answer - whole[k])));
    }
  }
  return worst;
}

/// Trains a model and returns its error on what was held out. The first seed's answer to one sequence goes to `shown`.
double error_of(bool told, Index seed, const Data& data, train::Options options, Executor& threads,
                std::vector<std::vector<double>>& shown) {
  options.seed += static_cast<std::uint64_t>(seed);
  Random random(options.seed);
  std::vector<Swing> learnt, held_out;
  for (Index i = 0; i < data.sequences; ++i) learnt.push_back(swing(random, data.noise, data.missing));
  for (Index i = 0; i < data.sequences; ++i) held_out.push_back(swing(random, data.noise, data.missing));
  Model model(hippo::LegS{},
              {.inputs = 2,
               .features = 32,
               .states = 32,
               .layers = 2,
               .outputs = 1,
               .pool = nn::Pool::none,
               .dt_min = 1e-2,
               .dt_max = 1,
               .step_seconds = mean_gap},
              random);
  train::Trainer<Layer> trainer(model, options, threads);
  example::TrainingBar bar;
  trainer.run(
      data.sequences,
      [&](Index i, Random&) -> train::Sample<float> {
        const Swing& each = learnt[static_cast<std::size_t>(i)];
        return {.u = each.u, .intervals = told ? each.in_mean_gaps() : std::vector<float>{}, .observed = each.observed};
      },
      [&](Index i, ConstSequence<float> answer, Sequence<float> danswer, double weight) -> train::LossResult {
        const auto& target = learnt[static_cast<std::size_t>(i)].velocity;
        return {nn::mean_squared_error<float>({answer.data(), target.size()}, target, {danswer.data(), target.size()},
                                              weight),
                0};
      },
      {.on_step = [&](const auto& at) { bar(at); }});
  double sum = 0;
  for (const Swing& each : held_out) {
    std::vector<float> answer(each.velocity.size()), nobody(answer.size());
    model.forward({each.u.data(), looks, 2}, {answer.data(), looks, 1}, each.reading(model, told));
    sum += nn::mean_squared_error<float>(answer, each.velocity, nobody) / static_cast<double>(data.sequences);
    if (&each == &held_out.front() && seed == 0) {
      double time = 0;
      for (std::size_t k = 0; k < answer.size(); ++k) {
        time += static_cast<double>(each.gaps[k]);
        if (told) {
          shown[0].push_back(time);
          shown[1].push_back(static_cast<double>(each.velocity[k]));
          if (each.observed[k] == 0) shown[4].push_back(time);
        }
        shown[told ? 2 : 3].push_back(static_cast<double>(answer[k]));
      }
    }
  }
  if (seed == 0)
    std::cout << "look by look and as a whole, the answers differ by at most " << std::setprecision(2)
              << stream_difference(model, held_out, told) << " 1/s\n";
  return sum;
}
/// Trains models of both kinds, and draws their errors and one answer of each.
void compare(const std::string& out, Index seeds, const Data& data, const example::TrainingChoices& choices) {
  example::make_folder(out);
  ThreadPool threads(choices.threads);
  std::vector<std::vector<double>> columns(4), shown(5);
  for (const bool told : {true, false}) {
    std::vector<double> errors;
    for (Index seed = 0; seed < seeds; ++seed) {
      errors.push_back(error_of(told, seed, data, choices.options, threads, shown));
    }
    double mean = 0, square = 0;
    for (const double each : errors) mean += each / static_cast<double>(errors.size());
    for (const double each : errors)
      square += (each - mean) * (each - mean) / std::max(1.0, static_cast<double>(errors.size() - 1));
    std::cout << (told ? "told the intervals: " : "told nothing:       ") << "mean squared error "
              << std::setprecision(3) << mean << " +- " << std::sqrt(square) << " over " << seeds << " seeds\n";
    columns[0].push_back(told ? 0 : 1);
    columns[1].push_back(mean);
    columns[2].push_back(*std::min_element(errors.begin(), errors.end()));
    columns[3].push_back(*std::max_element(errors.begin(), errors.end()));
  }
  example::write_file(out + "/errors.tsv", example::table({"kind", "mean", "least", "largest"}, columns));
  const std::vector<std::vector<double>> unseen{shown[4]};
  shown.pop_back();
  example::write_file(out + "/missing.tsv", example::table({"seconds"}, unseen));
  example::write_file(out + "/irregular_sampling.tsv", example::table({"seconds", "truth", "told", "not told"}, shown));
  example::draw(out, "irregular_sampling", "irregular_sampling", {}, 500);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("S5 told the time steps, against the same model told nothing", "irregular_sampling");
  std::string out;
  Index seeds = 3;
  Data data;
  example::TrainingChoices choices;
  choices.options = {.epochs = 30, .batch = 32, .learning_rate = 4e-3, .weight_decay = 0.01, .ema_decay = 0.98};
  example::add_out(app, out);
  app.add_option("--sequences", data.sequences, "to learn from; as many again are held out")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--seeds", seeds, "trainings of each kind")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--noise", data.noise, "of a look")->check(CLI::Range(0.0, 10.0))->capture_default_str();
  app.add_option("--missing", data.missing, "share of looks at which nothing is seen")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  example::add_training(app, choices);
  return example::run(app, count, arguments, [&] { compare(out, seeds, data, choices); });
}
