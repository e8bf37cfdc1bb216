// One layer, four sampling rates.
//
// A layer's parameters are in continuous time, x' = A x + B u; `rate` multiplies every time step dt (S4,
// arXiv:2111.00396, section 3 and 4.3: trained at one rate, tested at another). Here one S4D layer hears one signal
// sampled at 1, 1/2, 1/4 and 1/8 of a rate, told so, and gives the same output; and at 1/4 not told, which is another
// output. Zero-order hold is exact for what is held, so the difference that is left is that between the signal and its
// steps.
#include "support/program.hpp"

#include <ssm/layer/s4d.hpp>

using namespace ssm;
using Rows = Eigen::Matrix<float, Eigen::Dynamic, 1>;

namespace {

constexpr double seconds = 4, full_rate = 2000;  // Hz

float signal(double t) {
  return static_cast<float>(std::sin(2 * std::numbers::pi * 3 * t) +
                            0.6 * std::sin(2 * std::numbers::pi * 7.3 * t + 1));
}

// The output at every 8th full-rate step, of a layer that hears every `divisor`-th sample.
std::vector<double> hear(const S4DParameters<float>& parameters, Index divisor, double rate) {
  const S4D<float> layer(parameters, {.rate = rate});
  const auto length = static_cast<Index>(seconds * full_rate) / divisor;
  Rows u(length), y(length);
  for (Index k = 0; k < length; ++k)
    u(k) = signal(static_cast<double>((k + 1) * divisor) / full_rate);  // ends of steps
  auto state = layer.initial_state();
  layer.forward(u, y, state);
  std::vector<double> every_eighth;
  for (Index k = 8 / divisor - 1; k < length; k += 8 / divisor) every_eighth.push_back(static_cast<double>(y(k)));
  return every_eighth;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("One S4D layer at four sampling rates", "resample");
  std::string out;
  Index states = 32;
  std::uint64_t seed = 11;
  example::add_out(app, out);
  app.add_option("--states", states, "states N")->check(CLI::Range(1, 512))->capture_default_str();
  app.add_option("--seed", seed, "seed of the layer")->capture_default_str();
  return example::run(app, count, arguments, [&] {
    example::make_folder(out);
    Random random(seed);
    auto parameters = initial<S4D<float>>(diagonal::Linear{},
                                          {.features = 1, .states = states, .dt_min = 2e-3, .dt_max = 2e-3}, random);
    parameters.D(0) = 0;
    std::vector<std::vector<double>> columns(1);
    std::vector<std::string> names{"time", "1", "1/2", "1/4", "1/8", "1/4 untold"};
    for (const Index divisor : {1, 2, 4, 8}) columns.push_back(hear(parameters, divisor, static_cast<double>(divisor)));
    columns.push_back(hear(parameters, 4, 1));
    for (std::size_t k = 0; k < columns[1].size(); ++k)
      columns[0].push_back(static_cast<double>(8 * (k + 1)) / full_rate);
    for (std::size_t c = 2; c < columns.size(); ++c) {
      double error = 0, peak = 0;
      for (std::size_t k = 0; k < columns[1].size(); ++k) {
        error = std::max(error, std::abs(columns[c][k] - columns[1][k]));
        peak = std::max(peak, std::abs(columns[1][k]));
      }
      std::cout << "  at " << names[c] << " of the rate: differs by " << error / peak << " of the peak\n";
    }
    example::write_file(std::filesystem::path(out) / "resample.tsv", example::table(names, columns));
    example::draw(out, "resample", "resample");
  });
}
