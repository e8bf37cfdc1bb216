// Measures what each algorithm of a layer costs over the length of the sequence, and where the costs cross.
//
// A layer runs as a recurrence, O(N L), or as a convolution by Fourier transforms, O(L log L), plus its kernel where
// that is not kept (S4, arXiv:2111.00396, section 2.3 and 2.4; S4D, arXiv:2206.11893, section 3.2). With few states the
// recurrence wins at every length. With many, a kept kernel wins beyond a length that this program measures. Times are
// medians of one thread; the planner's line is what it would choose.
#include "support/program.hpp"
#include "support/progress.hpp"

#include <ssm/layer/s4d.hpp>
#include <ssm/plan/plan.hpp>

#include <algorithm>

using namespace ssm;
using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

namespace {

constexpr Index features = 16;

// Returns ns for each feature and step, the median of a few runs.
template <class Work>
double nanoseconds(Index length, Work work) {
  std::vector<double> times;
  for (int run = 0; run < 5; ++run) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
    times.push_back(taken.count() / static_cast<double>(features * length));
  }
  std::nth_element(times.begin(), times.begin() + 2, times.end());
  return times[2];
}

/// Measures every algorithm for every N and length, and draws the times.
void measure(const std::filesystem::path& out, const std::vector<Index>& states, Index longest) {
  example::make_folder(out);
  example::Progress progress;
  std::vector<std::string> names{"length"};
  std::vector<std::vector<double>> columns(1);
  for (Index L = 64; L <= longest; L *= 2) columns[0].push_back(static_cast<double>(L));
  double done = 0;
  for (const Index N : states) {
    Random random(1);
    const S4D<float> layer(
        initial<S4D<float>>(diagonal::Linear{}, {.features = features, .states = N, .dt_max = 1e-2}, random));
    std::vector<double> recurrence, anew, kept, chosen;
    for (const double length : columns[0]) {
      const auto L = static_cast<Index>(length);
      progress(done / static_cast<double>(states.size() * columns[0].size()), "N = " + std::to_string(N));
      Rows u = Rows::Constant(L, features, 0.5F), y(L, features);
      auto state = layer.initial_state();
      recurrence.push_back(nanoseconds(L, [&] { layer.forward(u, y, state, algorithm::recurrence{}); }));
      anew.push_back(nanoseconds(L, [&] { layer.forward(u, y, state, algorithm::convolution{}); }));
      auto convolution = plan(layer, {.length = L}, algorithm::convolution{});
      kept.push_back(nanoseconds(L, [&] { convolution(u, y, state); }));
      const bool recurs = plan(layer, {.length = L}).explain().starts_with("recurrence");
      chosen.push_back(recurs ? recurrence.back() : kept.back());
      ++done;
    }
    std::size_t crossing = 0;
    while (crossing < kept.size() && kept[crossing] >= recurrence[crossing]) ++crossing;
    std::cout << "  N = " << N << ": a kept kernel "
              << (crossing < kept.size() ? "beats the recurrence from L = " + example::number(columns[0][crossing])
                                         : std::string("never beats the recurrence"))
              << '\n';
    for (auto* column : {&recurrence, &anew, &kept, &chosen}) {
      names.push_back("N = " + std::to_string(N));
      columns.push_back(*column);
    }
  }
  example::write_file(out / "modes.tsv", example::table(names, columns));
  example::draw(out, "modes", "modes", {{"STATES", example::words(states)}}, 600);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("What each mode costs over the length", "modes");
  std::string out;
  std::vector<Index> states{16, 256};
  Index longest = 1 << 15;
  example::add_out(app, out);
  app.add_option("--states", states, "states N, a panel each")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--longest", longest, "longest sequence")->check(CLI::Range(128, 1 << 20))->capture_default_str();
  return example::run(app, count, arguments, [&] { measure(out, states, longest); });
}
