// Measures this machine's constants for the planner, and prints them as a table to hand to `plan` (plan/cost.hpp):
//
//     build/native/bench/ssm_calibrate
//
// Each constant is read from a run in which it decides, the others taken away; the least of several rounds.

#include "common.hpp"

#include <ssm/fft/fftw.hpp>

#include <cmath>
#include <iomanip>
#include <iostream>

namespace {

using namespace bench;

/// ns of a run of L steps, states at both ends, everything kept.
template <class Layer, class Stored, class Mode>
double run(const Stored& stored, Index L, Mode mode) {
  const Layer layer(stored);
  auto plan = ssm::plan(layer, {.length = L}, mode);
  const Rows u = noise(L, layer.features());
  Rows y = u;
  auto state = layer.initial_state();
  return nanoseconds(5, 2e7, [&] { plan(u, y, state); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    std::cerr << "ssm_calibrate: expected no options, got " << argv[1] << '\n';
    return 1;
  }
  using ssm::algorithm::recurrence, ssm::algorithm::convolution;
  constexpr Index L = 2048, H = 64;
  constexpr double all = L * H;
  ssm::cost::Table table;
  const double few = run<ssm::S4D<float>>(diagonal_parameters(H, 16), L, recurrence{}) / all;
  const double many = run<ssm::S4D<float>>(diagonal_parameters(H, 128), L, recurrence{}) / all;
  table.mode_step = (many - few) / (64 - 8);
  table.feature_step = std::max(few - 8 * table.mode_step, 0.0);
  const double ranked = run<ssm::S4<float>>(parameters(H, 128), L, recurrence{}) / all;
  table.rank_step = (ranked - table.feature_step) / 64 - table.mode_step;
  const double narrow = run<ssm::LSSL<float>>(dense_parameters(H, 16), L, recurrence{}) / all;
  const double wide = run<ssm::LSSL<float>>(dense_parameters(H, 96), L, recurrence{}) / all;
  table.dense_step = (wide / 96 - narrow / 16) / (96 - 16);
  table.row_step = std::max(narrow / 16 - 16 * table.dense_step, 0.0);
  const double S5_width = 256;
  table.product =
      run<ssm::S5<float>>(mimo_parameters(256, 256), L, ssm::algorithm::scan{}) / (L * 2 * S5_width * S5_width);
  // what is left of a convolution: copies, and the states at its ends
  const auto kept = diagonal_parameters(16, 4);
  const double work = ssm::conv::cut(L, ssm::detail::audible_length(ssm::S4D<float>(kept).engine(), L)).work();
  const double convolved = run<ssm::S4D<float>>(kept, L, convolution<>{}) / 16;
  const double fftw = run<ssm::S4D<float>>(kept, L, convolution<ssm::fft::FftwBackend>{}) / 16;
  table.transform = convolved / work;
  const double dense = run<ssm::S4<float>>(parameters(16, 128), L, convolution<>{}) / 16;
  const double diagonal = run<ssm::S4D<float>>(diagonal_parameters(16, 128), L, convolution<>{}) / 16;
  const double blocks = L / 128.0 + 1;
  table.jump = std::max((dense - diagonal) / (2 * 128.0 * 128.0 * blocks), 0.0);
  std::cout << std::setprecision(3) << "const ssm::cost::Table table{.mode_step = " << table.mode_step
            << ", .rank_step = " << table.rank_step << ", .feature_step = " << table.feature_step
            << ", .row_step = " << table.row_step << ", .dense_step = " << table.dense_step
            << ", .transform = " << table.transform << ", .product = " << table.product << ", .jump = " << table.jump
            << "};\n// a convolution by FFTW takes " << fftw / convolved << " of one by Eigen\n";
}
