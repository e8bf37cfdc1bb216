#include "common.hpp"

namespace {

using namespace bench;

// Arguments N, L; 16 features.
template <class Mode>
void forward(benchmark::State& state) {
  const Index H = 16, L = state.range(1);
  const ssm::S4<float> layer(parameters(H, state.range(0)));
  const Rows u = noise(L, H);
  Rows y(L, H);
  auto x = layer.initial_state();
  for (auto _ : state) {
    layer.forward(u, y, x, Mode{});
    benchmark::DoNotOptimize(y.data());
  }
  report(state, L, H);
}
BENCHMARK_TEMPLATE(forward, ssm::mode::recurrence)
    ->ArgsProduct({{16, 64, 256}, {1024, 16384}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(forward, ssm::mode::convolution<>)
    ->ArgsProduct({{16, 64, 256}, {1024, 16384}})
    ->Unit(benchmark::kMillisecond);

// The dense recurrence that the layer's is held to: O(N^2) a step.
void recurrence_reference(benchmark::State& state) {
  const Index L = state.range(1);
  const auto system = discretize(ssm::Bilinear{}, dense(parameters(1, state.range(0)).system(0)), 0.01);
  const Rows u = noise(L, 1);
  Rows y(L, 1);
  ssm::Vector<double> x = ssm::Vector<double>::Zero(system.states());
  for (auto _ : state) {
    for (Index k = 0; k < L; ++k) {
      x = system.A_bar * x + system.B_bar * static_cast<double>(u(k, 0));
      y(k, 0) = static_cast<float>((system.C * x)(0));
    }
    benchmark::DoNotOptimize(y.data());
  }
  report(state, L, 1);
}
BENCHMARK(recurrence_reference)->ArgsProduct({{16, 64}, {1024}})->Unit(benchmark::kMillisecond);

// Arguments H, N.
void step(benchmark::State& state) {
  const Index H = state.range(0);
  const ssm::S4<float> layer(parameters(H, state.range(1)));
  std::vector<float> u(static_cast<std::size_t>(H), 0.5F), y(u.size());
  auto x = layer.initial_state();
  for (auto _ : state) {
    layer.step(u, y, x);
    benchmark::DoNotOptimize(y.data());
  }
  report(state, 1, H);
}
BENCHMARK(step)->ArgsProduct({{1, 16, 256}, {16, 64}});

void discretize_layer(benchmark::State& state) {
  const auto stored = parameters(256, 64);
  for (auto _ : state) benchmark::DoNotOptimize(ssm::S4<float>(stored).features());
}
BENCHMARK(discretize_layer)->Unit(benchmark::kMicrosecond);

}  // namespace
