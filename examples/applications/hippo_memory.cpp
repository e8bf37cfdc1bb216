// Four memories of one signal, each of N numbers.
//
// HiPPO (arXiv:2008.07669, section 2) keeps the coefficients c of a signal's past f in a basis that suits a measure of
// what matters: c' = (A c + B f)/t for LegS (all of the past, stretched), c' = (A c + B f)/scale for LegT and Fourier
// (a window) and LagT (a past that fades). Here each reads the same signal sample by sample and then draws what it
// still knows: LegS all of it and ever more coarsely, LegT its window sharply, Fourier its window as if it were a
// circle, LagT what is near. N and the window are options.
#include "support/program.hpp"

#include <ssm/hippo/online_memory.hpp>

#include <cmath>

namespace hippo = ssm::hippo;
using ssm::Index;

namespace {

constexpr int length = 3000;

// A tone that rises, and a step.
double signal(double t) {
  const double s = t / length;
  return std::sin(2 * std::numbers::pi * (4 * s + 8 * s * s)) + (s > 0.55 ? 0.8 : 0.0);
}

// Returns the past as a memory still has it, NaN where it has nothing, and prints the error.
template <class Memory>
std::vector<double> past(const std::string& name, Memory memory, double reach) {
  for (int k = 0; k < length; ++k) memory.update(signal(k + 0.5));
  std::vector<double> values(length, std::nan(""));
  double error = 0, known = 0;
  for (int k = 0; k < length; ++k) {
    const std::vector<double> time{k + 0.5};
    if (time[0] < memory.oldest() || memory.time() - time[0] > reach) continue;
    values[std::size_t(k)] = memory.reconstruct(time)[0];
    error += std::pow(values[std::size_t(k)] - signal(time[0]), 2);
    ++known;
  }
  std::cout << "  " << name << ": " << known << " samples known, error " << std::sqrt(error / known) << '\n';
  return values;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Four HiPPO memories of one signal", "hippo_memory");
  std::string out;
  Index N = 48;
  double window = 1000;
  example::add_out(app, out);
  app.add_option("--numbers", N, "numbers of each memory")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--window", window, "samples of the window")->check(CLI::Range(10.0, 3000.0))->capture_default_str();
  return example::run(app, count, arguments, [&] {
    example::make_folder(out);
    std::cout << length << " samples remembered in " << N << " numbers\n";
    std::vector<double> time(length), f(length);
    for (int k = 0; k < length; ++k) {
      time[std::size_t(k)] = k + 0.5;
      f[std::size_t(k)] = signal(k + 0.5);
    }
    const double fade = window / 12;  // the last number of LagT reaches some 4 N fades back
    const std::vector<std::vector<double>> columns{
        time,
        f,
        past("LegS   ", hippo::OnlineMemory<hippo::LegS>(N), length),
        past("LegT   ", hippo::OnlineMemory<hippo::LegT>(N, window), length),
        past("Fourier", hippo::OnlineMemory<hippo::Fourier>(N, window), length),
        past("LagT   ", hippo::OnlineMemory<hippo::LagT>(N, fade), window)};
    example::write_file(std::filesystem::path(out) / "hippo_memory.tsv",
                        example::table({"time", "signal", "LegS", "LegT", "Fourier", "LagT"}, columns));
    example::draw(out, "hippo_memory", "hippo_memory", {{"NUMBERS", std::to_string(N)}}, 1200);
  });
}
