// The error of every path in float against fp64: of each layer and initial value, the worst over dt = 1e-3, 3e-3, 1e-2
// and 1e-1, a column for each input. Relative to the peak of the exact output of a feature, or to a third of what its
// terms come to where they cancel further. The fp64 layers are what the tests hold to the definition.
// `ssm_accuracy [LENGTH..]`, 16384 unless said; H = 4, N = 64 (LSSL 16, S5: P = 64).

#include "common.hpp"

#include <ssm/fft/fftw.hpp>

#include "layer/widened.hpp"

#include <cmath>
#include <iomanip>
#include <iostream>

namespace {

using namespace bench;
using Wide = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr double steps[] = {1e-3, 3e-3, 1e-2, 1e-1};
constexpr const char* inputs[] = {"noise", "constant", "ramp", "slow sine", "impulse"};

Rows input(std::size_t which, Index L, Index H) {
  if (which == 0) return noise(L, H);
  return Rows::NullaryExpr(L, H, [&](Index k, Index) {
    const double time = static_cast<double>(k) / static_cast<double>(L);
    const double values[] = {0, 1, time, std::sin(18.85 * time), k == 0 ? 1.0 : 0.0};
    return static_cast<float>(values[which]);
  });
}

/// Sum of the magnitudes of a feature's terms after a run, where the layer's state is in modes.
template <class Layer>
double terms(const Layer& layer, const typename Layer::State& state, Index h) {
  if constexpr (requires { state.modes(); }) {
    double sum = 0;
    for (Index n = 0; n < state.modes(); ++n)
      sum += 2 * std::abs(ssm::Complex<double>(layer.parameters().C(h, n)) * ssm::Complex<double>(state.x(h, n)));
    return sum;
  } else {
    return 0;
  }
}

/// @param init   an initial value
template <class Narrow, class Exact, class Init, class... Mode>
void line(const std::string& name, Init init, Index N, Index L, Mode... mode) {
  std::cout << std::left << std::setw(34) << name << std::right << std::flush;
  for (std::size_t which = 0; which < std::size(inputs); ++which) {
    double worst = 0;
    for (const double dt : steps) {
      ssm::Random random(7);
      typename Narrow::Shape shape{};
      shape.features = 4;
      shape.states = N;
      shape.dt_min = shape.dt_max = dt;
      const auto stored = ssm::initial<Narrow>(init, shape, random);
      const Narrow layer(stored);
      const Exact oracle(support::widened(stored));
      const Rows u = input(which, L, layer.features());
      Rows y = u;
      Wide exact = u.cast<double>();
      auto state = layer.initial_state();
      auto wide = oracle.initial_state();
      layer.forward(u, y, state, mode...);
      std::vector<double> largest(4);
      for (Index k = 0; k < L; k += 256) {
        const Index count = std::min<Index>(256, L - k);
        oracle.forward(exact.middleRows(k, count), exact.middleRows(k, count), wide);
        for (std::size_t h = 0; h < largest.size(); ++h)
          largest[h] = std::max(largest[h], terms(oracle, wide, static_cast<Index>(h)));
      }
      for (Index h = 0; h < layer.features(); ++h) {
        const double off = (y.col(h).cast<double>() - exact.col(h)).cwiseAbs().maxCoeff();
        worst = std::max(worst,
                         off / std::max(exact.col(h).cwiseAbs().maxCoeff(), largest[static_cast<std::size_t>(h)] / 3));
      }
    }
    std::cout << std::setw(11) << std::scientific << std::setprecision(1) << worst << std::flush;
  }
  std::cout << '\n';
}

/// S4's Cauchy kernel in lanes has no input: the worst over dt.
void cauchy_line(Index L) {
  double worst = 0;
  for (const double dt : steps) {
    const auto system = parameters(1, 64).system(0);
    const auto discrete = discretize(ssm::Bilinear{}, system, dt);
    ssm::kernel::CauchyKernel<float, ssm::fft::FftwBackend> kernel(L);
    std::vector<float> K(static_cast<std::size_t>(L));
    kernel(system, ssm::kernel::truncated_output(discrete, {kernel.points(), 1}), dt, K);
    const auto exact = ssm::kernel::krylov_by_blocks(dense(discrete), L);
    double off = 0;
    for (Index k = 0; k < L; ++k)
      off = std::max(off, std::abs(static_cast<double>(K[static_cast<std::size_t>(k)]) - exact(k)));
    worst = std::max(worst, off / exact.cwiseAbs().maxCoeff());
  }
  std::cout << std::left << std::setw(34) << "S4 kernel, Cauchy in lanes" << std::right << std::setw(11)
            << std::scientific << std::setprecision(1) << worst << '\n';
}

void table(Index L) {
  std::cout << std::left << std::setw(34) << "L = " + std::to_string(L) << std::right;
  for (const char* each : inputs) std::cout << std::setw(11) << each;
  std::cout << '\n';
  using ssm::algorithm::recurrence, ssm::algorithm::convolution, ssm::fft::FftwBackend;
  using D32 = ssm::S4D<float>;
  using D64 = ssm::S4D<double>;
  using S32 = ssm::S4<float>;
  using S64 = ssm::S4<double>;
  line<D32, D64>("S4D recurrence, N = 1", ssm::diagonal::Linear{}, 1, L, recurrence{});
  line<D32, D64>("S4D recurrence, Linear", ssm::diagonal::Linear{}, 64, L, recurrence{});
  line<D32, D64>("S4D recurrence, Inverse", ssm::diagonal::Inverse{}, 64, L, recurrence{});
  line<D32, D64>("S4D recurrence, LegS", ssm::hippo::LegS{}, 64, L, recurrence{});
  line<D32, D64>("S4D recurrence, Random", ssm::diagonal::Unstructured{}, 64, L, recurrence{});
  line<D32, D64>("S4D recurrence, Fourier", ssm::hippo::Fourier{}, 64, L, recurrence{});
  line<D32, D64>("S4D convolution, Linear, Eigen", ssm::diagonal::Linear{}, 64, L, convolution<>{});
  line<D32, D64>("S4D convolution, Linear, FFTW", ssm::diagonal::Linear{}, 64, L, convolution<FftwBackend>{});
  line<S32, S64>("S4 recurrence, LegS", ssm::hippo::LegS{}, 64, L, recurrence{});
  line<S32, S64>("S4 recurrence, LegT", ssm::hippo::LegT{}, 64, L, recurrence{});
  line<S32, S64>("S4 recurrence, LagT", ssm::hippo::LagT{}, 64, L, recurrence{});
  line<S32, S64>("S4 recurrence, Fourier", ssm::hippo::Fourier{}, 64, L, recurrence{});
  line<S32, S64>("S4 convolution, LegS, FFTW", ssm::hippo::LegS{}, 64, L, convolution<FftwBackend>{});
  cauchy_line(L);
  line<ssm::S5<float>, ssm::S5<double>>("S5 scan", ssm::hippo::LegS{}, 64, L, ssm::algorithm::scan{});
  line<ssm::LSSL<float>, ssm::LSSL<double>>("LSSL recurrence, LegS", ssm::hippo::LegS{}, 16, L, recurrence{});
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<Index> lengths;
  for (int i = 1; i < argc; ++i) lengths.push_back(size_of("LENGTH", argv[i]));
  if (lengths.empty()) lengths = {16384};
  for (const Index L : lengths) table(L);
} catch (const std::exception& error) {
  std::cerr << "ssm_accuracy: " << error.what() << '\n';
  return 1;
}
