#include "common.hpp"

#ifdef SSM_BENCH_FFTW
#include <ssm/fft/fftw.hpp>
#endif

namespace {

using namespace bench;

template <class Backend>
void convolution(benchmark::State& state) {
  const Index L = state.range(0), H = 16;
  const Rows u = noise(L, H), K = noise(L, H);
  Rows y(L, H);
  for (auto _ : state) {
    ssm::conv::causal<Backend, float>(u, K, y);
    benchmark::DoNotOptimize(y.data());
  }
  report(state, L, H);
}

// The definition, term by term: O(L^2).
void convolution_reference(benchmark::State& state) {
  const Index L = state.range(0), H = 16;
  const Rows u = noise(L, H), K = noise(L, H);
  Rows y(L, H);
  for (auto _ : state) {
    y.setZero();
    for (Index k = 0; k < L; ++k)
      for (Index j = 0; j <= k; ++j) y.row(k) += K.row(j).cwiseProduct(u.row(k - j));
    benchmark::DoNotOptimize(y.data());
  }
  report(state, L, H);
}

BENCHMARK(convolution_reference)->Arg(256)->Arg(1024)->Arg(4096)->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(convolution, ssm::fft::EigenBackend)
    ->RangeMultiplier(4)
    ->Range(256, 65536)
    ->Unit(benchmark::kMillisecond);
#ifdef SSM_BENCH_FFTW
BENCHMARK_TEMPLATE(convolution, ssm::fft::FftwBackend)
    ->RangeMultiplier(4)
    ->Range(256, 65536)
    ->Unit(benchmark::kMillisecond);
#endif

}  // namespace
