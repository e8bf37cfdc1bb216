#include "common.hpp"

namespace {

using namespace bench;

// One feature; arguments N, L.
void generating_function(benchmark::State& state) {
  const auto system = parameters(1, state.range(0)).system(0);
  for (auto _ : state) benchmark::DoNotOptimize(ssm::kernel::generating_function(system, 0.01, state.range(1)).data());
  report(state, state.range(1), 1);
}

void krylov_reference(benchmark::State& state) {
  const auto system = dense(parameters(1, state.range(0)).system(0));
  for (auto _ : state)
    benchmark::DoNotOptimize(ssm::kernel::krylov(discretize(ssm::Bilinear{}, system, 0.01), state.range(1)).data());
  report(state, state.range(1), 1);
}

void vandermonde(benchmark::State& state) {
  const auto system = discretize(ssm::ZeroOrderHold{}, diagonal_parameters(1, state.range(0)).system(0), 0.01);
  for (auto _ : state) benchmark::DoNotOptimize(ssm::kernel::vandermonde(system, state.range(1)).data());
  report(state, state.range(1), 1);
}

void krylov_by_squaring(benchmark::State& state) {
  const auto system = discretize(ssm::Bilinear{}, dense(parameters(1, state.range(0)).system(0)), 0.01);
  for (auto _ : state) benchmark::DoNotOptimize(ssm::kernel::krylov_by_squaring(system, state.range(1)).data());
  report(state, state.range(1), 1);
}

void krylov_by_blocks(benchmark::State& state) {
  const auto system = dense(discretize(ssm::Bilinear{}, parameters(1, state.range(0)).system(0), 0.01));
  for (auto _ : state) benchmark::DoNotOptimize(ssm::kernel::krylov_by_blocks(system, state.range(1)).data());
  report(state, state.range(1), 1);
}

// C~ given.
void cauchy_kernel(benchmark::State& state) {
  const auto system = parameters(1, state.range(0)).system(0);
  ssm::kernel::CauchyKernel<float> kernel(state.range(1));
  const auto C_tilde = ssm::kernel::truncated_output(discretize(ssm::Bilinear{}, system, 0.01), {kernel.points(), 1.0});
  std::vector<float> K(static_cast<std::size_t>(state.range(1)));
  for (auto _ : state) {
    kernel(system, C_tilde, 0.01, K);
    benchmark::DoNotOptimize(K.data());
  }
  report(state, state.range(1), 1);
}

BENCHMARK(cauchy_kernel)->ArgsProduct({{16, 64, 256}, {1024, 16384, 131072}})->Unit(benchmark::kMillisecond);
BENCHMARK(krylov_by_blocks)->ArgsProduct({{16, 64, 256}, {1024, 16384, 131072}})->Unit(benchmark::kMillisecond);
BENCHMARK(vandermonde)->ArgsProduct({{16, 64, 256}, {1024, 16384, 131072}})->Unit(benchmark::kMillisecond);
BENCHMARK(krylov_by_squaring)->ArgsProduct({{16, 64, 256}, {1024, 16384}})->Unit(benchmark::kMillisecond);
BENCHMARK(krylov_reference)->ArgsProduct({{16, 64}, {1024, 16384}})->Unit(benchmark::kMillisecond);
BENCHMARK(generating_function)->ArgsProduct({{16, 64, 256}, {1024, 16384, 131072}})->Unit(benchmark::kMillisecond);

// All of a layer: H = 256, N = 64, L = 16384.
void layer_kernel(benchmark::State& state) {
  const ssm::S4<float> layer(parameters(256, 64));
  for (auto _ : state) benchmark::DoNotOptimize(layer.impulse_response(16384).data());
  report(state, 16384, 256);
}
BENCHMARK(layer_kernel)->Unit(benchmark::kMillisecond);

}  // namespace
