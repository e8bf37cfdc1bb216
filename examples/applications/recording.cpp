// A recording remembered by HiPPO and filtered by S4.
//
// HiPPO-LegS (arXiv:2008.07669, section 3) keeps the whole past of a signal f in N numbers c: c' = (A c + B f) / t.
// Their Legendre series is drawn over the signal: the more numbers, the finer the past. An S4 layer (arXiv:2111.00396,
// section 3) then reads the recording as a convolution y = K * u + D u, as the recurrence x_k = A_bar x_{k-1} + B_bar
// u_k, in chunks and sample by sample, and says how far apart the four are; and at half the rate, with every time step
// doubled.
#include "support/low_pass.hpp"
#include "support/program.hpp"
#include "support/progress.hpp"
#include "support/wav.hpp"

#include <ssm/ssm.hpp>

#include <iomanip>
#include <numbers>

using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ssm::Index;

struct Options {
  std::string in, out = "recording-out";
  std::vector<Index> memory{128, 512, 2048};
  Index features = 16, states = 64, chunk = 256;
  std::uint64_t seed = 7;
};

// The past that memories of several sizes N still hold, over the signal. Each sample is held for 8 steps of the memory:
// at one step each, the bilinear rule delays what is near the sampling rate.
constexpr int held = 8;
void remember(const example::Recording& recording, const Options& options, example::Progress& progress) {
  const auto& f = recording.samples;
  const std::size_t points = std::min<std::size_t>(f.size(), 4000);
  std::vector<double> memory_times(points), seconds(points), signal(points);
  for (std::size_t i = 0; i < points; ++i) {
    const std::size_t k = i * f.size() / points;
    memory_times[i] = held * (static_cast<double>(k) + 0.5);
    seconds[i] = (static_cast<double>(k) + 0.5) / recording.rate;
    signal[i] = f[k];
  }
  std::vector<std::string> names{"time", "signal"};
  std::vector<std::vector<double>> columns{seconds, signal};
  std::cout << "HiPPO-LegS: " << f.size() << " samples remembered in N numbers\n";
  for (const Index N : options.memory) {
    ssm::hippo::OnlineMemory<ssm::hippo::LegS> memory(N);
    for (std::size_t k = 0; k < f.size(); ++k) {
      for (int i = 0; i < held; ++i) memory.update(double(f[k]));
      if (k % 4096 == 0) progress(0.4 * double(k) / double(f.size()), "HiPPO, N = " + std::to_string(N));
    }
    columns.push_back(memory.reconstruct(memory_times));
    double error = 0, power = 0;
    for (std::size_t i = 0; i < points; ++i) {
      error += std::pow(columns.back()[i] - signal[i], 2);
      power += std::pow(signal[i], 2);
    }
    std::cout << "  N = " << std::setw(5) << N << "   error " << std::sqrt(error / std::max(power, 1e-300))
              << " of the signal\n";
    names.push_back("N = " + std::to_string(N));
  }
  example::write_file(std::filesystem::path(options.out) / "memory.tsv", example::table(names, columns));
  example::draw(options.out, "memory", "memory", {{"NUMBERS", example::words(options.memory)}});
}

// Runs one layer in four ways.
Rows run_modes(const ssm::S4<float>& layer, const Rows& u, Index chunk, example::Progress& progress) {
  const Index L = u.rows(), H = u.cols();
  Rows recurrence(L, H), y(L, H);
  const auto timed = [&](const char* name, double done, Rows& out, auto&& work) {
    progress(done, name);
    auto state = layer.initial_state();
    const auto start = std::chrono::steady_clock::now();
    work(out, state);
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
    std::cout << "  " << std::left << std::setw(17) << name << std::right << std::setw(10) << std::fixed
              << std::setprecision(2) << taken.count() << " ms" << std::defaultfloat << std::setprecision(3)
              << "   differs by "
              << (out - recurrence).cwiseAbs().maxCoeff() / std::max(recurrence.cwiseAbs().maxCoeff(), 1e-30F) << '\n';
  };
  std::cout << "S4: " << H << " features, " << layer.states()
            << " states each, in four ways (difference relative to the peak)\n";
  timed("recurrence", 0.45, recurrence,
        [&](Rows& out, auto& state) { layer.forward(u, out, state, ssm::algorithm::recurrence{}); });
  timed("convolution", 0.6, y,
        [&](Rows& out, auto& state) { layer.forward(u, out, state, ssm::algorithm::convolution{}); });
  timed("chunks", 0.75, y, [&](Rows& out, auto& state) {
    for (Index k = 0; k < L; k += chunk)
      layer.forward(u.middleRows(k, std::min(chunk, L - k)), out.middleRows(k, std::min(chunk, L - k)), state);
  });
  timed("sample by sample", 0.85, y, [&](Rows& out, auto& state) {
    const auto size = static_cast<std::size_t>(H);
    for (Index k = 0; k < L; ++k) layer.step({u.row(k).data(), size}, std::span<float>(out.row(k).data(), size), state);
  });
  return recurrence;
}

// Half as many samples, each the low-passed mean of two: step k of the half rate covers steps 2k and 2k + 1 of the full
// one, so the windowed sinc is centred between them.
std::vector<float> decimate(const std::vector<float>& samples) {
  const example::LowPass low_pass(0.25, 32, 0.5);
  std::vector<float> half;
  for (Index k = 0; k + 1 < static_cast<Index>(samples.size()); k += 2) half.push_back(low_pass(samples, k));
  return half;
}

Rows as_input(const std::vector<float>& samples, Index features) {
  return Eigen::Map<const Eigen::VectorXf>(samples.data(), static_cast<Index>(samples.size())).replicate(1, features);
}

void filter(const example::Recording& recording, const Options& options, example::Progress& progress) {
  ssm::Random random(options.seed);
  const auto parameters = ssm::initial<ssm::S4<float>>(
      ssm::hippo::LegS{}, {.features = options.features, .states = options.states, .dt_max = 1e-2}, random);
  const ssm::S4<float> layer(parameters), half_rate(parameters, {.rate = 2});
  const Rows y = run_modes(layer, as_input(recording.samples, options.features), options.chunk, progress);

  const Rows half_input = as_input(decimate(recording.samples), options.features);
  Rows y_half(half_input.rows(), half_input.cols());
  auto state = half_rate.initial_state();
  half_rate.forward(half_input, y_half, state);
  const Index shown = std::min<Index>(y_half.rows(), 4000);  // the first feature: one of the systems
  std::vector<double> time, full, half;
  for (Index k = 0; k < shown; ++k) {
    time.push_back(static_cast<double>(2 * k + 1) / recording.rate);
    full.push_back(y(2 * k + 1, 0));
    half.push_back(y_half(k, 0));
  }
  double error = 0, power = 0;
  for (std::size_t k = 0; k < time.size(); ++k) {
    error += std::pow(full[k] - half[k], 2);
    power += std::pow(full[k], 2);
  }
  std::cout << "Half the rate: y of feature 0 differs by " << std::sqrt(error / std::max(power, 1e-300))
            << " of the signal\n";
  example::write_file(std::filesystem::path(options.out) / "half_rate.tsv",
                      example::table({"time", "full rate", "half rate"}, {time, full, half}));
  const double middle = time[time.size() / 2];
  example::draw(
      options.out, "half_rate", "half_rate",
      {{"FROM", std::to_string(middle)}, {"TO", std::to_string(middle + std::min(0.02, time.back() - middle))}});
}

int main(int count, char** arguments) {
  Options options;
  CLI::App app("A recording remembered by HiPPO and filtered by S4", "recording");
  app.add_option("--in", options.in, "WAV file, any rate, mixed down to one channel")->required();
  app.add_option("--out", options.out, "folder for pictures and tables")->capture_default_str();
  app.add_option("--memory", options.memory, "numbers of the HiPPO memories")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--features", options.features, "features H of the S4 layer")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--states", options.states, "states N of each feature")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--chunk", options.chunk, "samples in a chunk")->check(CLI::Range(1, 1 << 30))->capture_default_str();
  app.add_option("--seed", options.seed, "seed of the layer's parameters")->capture_default_str();
  return example::run(app, count, arguments, [&] {
    const auto recording = example::read_wav(options.in);
    example::make_folder(options.out);
    example::Progress progress;
    std::cout << options.in << ": " << recording.samples.size() << " samples at " << recording.rate << " Hz\n";
    remember(recording, options, progress);
    filter(recording, options, progress);
  });
}
