// One signal sampled unevenly, through S5, against the dense solution.
//
// S5 (arXiv:2208.04933, section 3 and 6.3) solves x' = Lambda x + B u, y = 2 Re(C x) + D u exactly where u is held
// between samples, for any interval between them: Lambda_bar_k = exp(interval_k dt Lambda). Here a signal is read at
// uneven times by one layer that is told the intervals and by the same layer that takes them for even, and both are
// held against the dense system's solution by a matrix exponential over each interval (Van Loan).
#include "support/program.hpp"

#include <ssm/ssm.hpp>

using namespace ssm;
using Rows = Eigen::Matrix<float, Eigen::Dynamic, 1>;

namespace {

double signal(double t) { return std::sin(t) + 0.5 * std::sin(2.7 * t + 1); }

// Solves x' = A x + B u over each interval, u being held. S5 must give the same.
std::vector<double> dense_solution(const S5Parameters<float>& parameters, const Rows& u, const std::vector<float>& dt) {
  const Index S = parameters.modes();
  DiagonalSystem<double> modes{2 * S, Vector<Complex<double>>(S), Matrix<Complex<double>>(S, 1),
                               Matrix<Complex<double>>(1, S)};
  for (Index s = 0; s < S; ++s) {
    modes.Lambda(s) = parameters.dt(s) * parameters.Lambda(s);
    modes.B(s, 0) = parameters.dt(s) * Complex<double>(parameters.B(s, 0));
    modes.C(0, s) = Complex<double>(parameters.C(0, s));
  }
  const DenseSystem<double> system = dense(modes);
  Vector<double> x = Vector<double>::Zero(2 * S);
  std::vector<double> y;
  for (Index k = 0; k < u.size(); ++k) {
    const auto step = discretize(ZeroOrderHold{}, system, static_cast<double>(dt[std::size_t(k)]));
    x = (step.A_bar * x + step.B_bar * static_cast<double>(u(k))).eval();
    y.push_back((system.C * x)(0) + static_cast<double>(parameters.D(0) * u(k)));
  }
  return y;
}

/// Reads the signal with a layer that is told the intervals and one that is not, and draws both.
void compare(const std::filesystem::path& out, Index samples, Index states, std::uint64_t seed) {
  example::make_folder(out);
  Random random(seed);
  const auto parameters =
      initial<S5<float>>(hippo::LegS{}, {.features = 1, .states = states, .dt_min = 0.3, .dt_max = 1.0}, random);
  const S5<float> layer(parameters);
  Rows u(samples), told(samples), untold(samples);
  std::vector<float> intervals;
  std::vector<double> time;
  double now = 0, whole = 0;
  for (Index k = 0; k < samples; ++k) {
    intervals.push_back(static_cast<float>(random.log_uniform(0.01, 0.5)));
    now += static_cast<double>(intervals.back());
    time.push_back(now);
    u(k) = static_cast<float>(signal(now));
    whole = now;
  }
  auto state = layer.initial_state();
  layer.forward(u, InLayerSteps<float>{intervals}, told, state);
  const S5<float> even(parameters, {.rate = whole / static_cast<double>(samples)});  // the mean interval
  state = even.initial_state();
  even.forward(u, untold, state);

  const auto exact = dense_solution(parameters, u, intervals);
  double peak = 0, told_error = 0, untold_error = 0;
  std::vector<double> input, y_told, y_untold;
  for (Index k = 0; k < samples; ++k) {
    const double y = exact[std::size_t(k)];
    input.push_back(static_cast<double>(u(k)));
    y_told.push_back(static_cast<double>(told(k)));
    y_untold.push_back(static_cast<double>(untold(k)));
    peak = std::max(peak, std::abs(y));
    told_error = std::max(told_error, std::abs(y_told.back() - y));
    untold_error = std::max(untold_error, std::abs(y_untold.back() - y));
  }
  std::cout << "Largest error of the peak, told the intervals: " << told_error / peak
            << ", told nothing: " << untold_error / peak << '\n';
  example::write_file(out / "irregular.tsv",
                      example::table({"time", "u", "dense", "told", "untold"}, {time, input, exact, y_told, y_untold}));
  example::draw(out, "irregular", "irregular", {{"SHOWN", std::to_string(std::min(whole, 25.0))}});
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("One signal sampled unevenly, through S5", "irregular");
  std::string out;
  Index samples = 400, states = 16;
  std::uint64_t seed = 5;
  example::add_out(app, out);
  app.add_option("--samples", samples, "uneven samples")->check(CLI::Range(2, 100'000))->capture_default_str();
  app.add_option("--states", states, "states P, even")->check(CLI::Range(2, 256))->capture_default_str();
  app.add_option("--seed", seed, "seed of the times and the layer")->capture_default_str();
  return example::run(app, count, arguments, [&] { compare(out, samples, states, seed); });
}
