// The error of every fast path in float against fp64, relative to the peak of the exact output, where all time steps
// are one: a line for each path, a column for each dt and L. The fp64 layers are what the tests hold to the dense
// systems. `ssm_accuracy [LENGTH..]`, 4096 65536 1048576 unless said; H = 4, N = 64 (S5: H = 16, P = 64).

#include "common.hpp"

#include <ssm/fft/fftw.hpp>

#include <cmath>
#include <iomanip>
#include <iostream>

namespace {

using namespace bench;
using Wide = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr double steps[] = {1e-3, 1e-2, 1e-1};

/// The same numbers, in fp64.
template <class Number>
auto widened(const ssm::Array<Number>& from) {
  using Wider = std::conditional_t<std::is_same_v<Number, float>, double, ssm::Complex<double>>;
  ssm::Array<Wider> to(from.rows(), from.columns(), from.depth());
  std::copy(from.values().begin(), from.values().end(), to.values().begin());
  return to;
}
/// What all layers store.
template <class To, class From>
void widen_common(To& to, const From& from) {
  to.states = from.states;
  to.B = widened(from.B);
  to.C = widened(from.C);
  to.D = widened(from.D);
  to.log_dt = widened(from.log_dt);
}
template <class To, class From>
void widen_modes(To& to, const From& from) {
  widen_common(to, from);
  to.A_re_log = widened(from.A_re_log);
  to.A_im = widened(from.A_im);
}
ssm::S4DParameters<double> widened(const ssm::S4DParameters<float>& from) {
  ssm::S4DParameters<double> to;
  widen_modes(to, from);
  return to;
}
ssm::S4Parameters<double> widened(const ssm::S4Parameters<float>& from) {
  ssm::S4Parameters<double> to;
  widen_modes(to, from);
  to.P = widened(from.P);
  return to;
}
ssm::S5Parameters<double> widened(const ssm::S5Parameters<float>& from) {
  ssm::S5Parameters<double> to;
  widen_common(to, from);
  to.spectrum = from.spectrum;
  to.Lambda_re = widened(from.Lambda_re);
  to.Lambda_im = widened(from.Lambda_im);
  return to;
}

double error(const Rows& y, const Wide& exact) {
  return (y.cast<double>() - exact).cwiseAbs().maxCoeff() / exact.cwiseAbs().maxCoeff();
}

/// @param make   dt -> parameters in float
template <class Narrow, class Exact, class Make, class... Mode>
void line(const char* name, Make make, const std::vector<Index>& lengths, Mode... mode) {
  std::cout << std::left << std::setw(34) << name << std::right << std::flush;
  for (const double dt : steps)
    for (const Index L : lengths) {
      const auto stored = make(dt);
      const Narrow layer(stored);
      const Exact oracle(widened(stored));
      const Rows u = noise(L, layer.features());
      Rows y = u;
      Wide exact = u.cast<double>();
      auto state = layer.initial_state();
      auto wide = oracle.initial_state();
      layer.forward(u, y, state, mode...);
      oracle.forward(exact, exact, wide);
      std::cout << std::setw(10) << std::scientific << std::setprecision(1) << error(y, exact) << std::flush;
    }
  std::cout << '\n';
}

void cauchy_line(const std::vector<Index>& lengths) {
  std::cout << std::left << std::setw(34) << "S4 kernel, Cauchy in lanes" << std::right << std::flush;
  for (const double dt : steps)
    for (const Index L : lengths) {
      const auto system = parameters(1, 64).system(0);
      const auto discrete = discretize(ssm::Bilinear{}, system, dt);
      ssm::kernel::CauchyKernel<float, ssm::fft::FftwBackend> kernel(L);
      std::vector<float> K(static_cast<std::size_t>(L));
      kernel(system, ssm::kernel::truncated_output(discrete, {kernel.points(), 1}), dt, K);
      const auto exact = ssm::kernel::krylov_by_blocks(dense(discrete), L);
      double worst = 0;
      for (Index k = 0; k < L; ++k)
        worst = std::max(worst, std::abs(static_cast<double>(K[static_cast<std::size_t>(k)]) - exact(k)));
      std::cout << std::setw(10) << std::scientific << std::setprecision(1) << worst / exact.cwiseAbs().maxCoeff()
                << std::flush;
    }
  std::cout << '\n';
}

template <class Stored>
Stored with_step(Stored stored, double dt) {
  for (auto& each : stored.log_dt.values()) each = static_cast<float>(std::log(dt));
  return stored;
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<Index> lengths;
  for (int i = 1; i < argc; ++i) lengths.push_back(size_of("LENGTH", argv[i]));
  if (lengths.empty()) lengths = {4096, 65536, 1 << 20};
  std::cout << std::left << std::setw(34) << "dt" << std::right;
  for (const double dt : steps)
    for (std::size_t i = 0; i < lengths.size(); ++i) std::cout << std::setw(10) << dt;
  std::cout << '\n' << std::left << std::setw(34) << "L" << std::right;
  for (std::size_t i = 0; i < std::size(steps); ++i)
    for (const Index L : lengths) std::cout << std::setw(10) << L;
  std::cout << '\n';
  const auto s4d = [](double dt) { return with_step(diagonal_parameters(4, 64), dt); };
  const auto s4 = [](double dt) { return with_step(parameters(4, 64), dt); };
  const auto s5 = [](double dt) { return with_step(mimo_parameters(16, 64), dt); };
  using ssm::mode::recurrence, ssm::mode::convolution, ssm::fft::FftwBackend;
  line<ssm::S4D<float>, ssm::S4D<double>>("S4D recurrence", s4d, lengths, recurrence{});
  line<ssm::S4D<float>, ssm::S4D<double>>("S4D convolution, Eigen", s4d, lengths, convolution<>{});
  line<ssm::S4D<float>, ssm::S4D<double>>("S4D convolution, FFTW", s4d, lengths, convolution<FftwBackend>{});
  line<ssm::S4<float>, ssm::S4<double>>("S4 recurrence", s4, lengths, recurrence{});
  line<ssm::S4<float>, ssm::S4<double>>("S4 convolution, FFTW", s4, lengths, convolution<FftwBackend>{});
  cauchy_line(lengths);
  line<ssm::S5<float>, ssm::S5<double>>("S5 scan", s5, lengths, ssm::mode::scan{});
} catch (const std::exception& error) {
  std::cerr << "ssm_accuracy: " << error.what() << '\n';
  return 1;
}
