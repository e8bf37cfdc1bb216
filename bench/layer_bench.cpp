#include "common.hpp"

namespace {

using namespace bench;

// The dense recurrence in fp64 that the layer's is held to, one feature: O(N^2) a step.
ssm::Vector<double> dense_recurrence(const ssm::DiscreteDenseSystem<double>& system, const Rows& u) {
  ssm::Vector<double> x = ssm::Vector<double>::Zero(system.states()), y(u.rows());
  for (Index k = 0; k < u.rows(); ++k) {
    x = system.A_bar * x + system.B_bar * static_cast<double>(u(k, 0));
    y(k) = (system.C * x)(0);
  }
  return y;
}

// Arguments N, L; 16 features. `error`: of feature 0 against the dense fp64 recurrence, relative to its peak.
template <class Mode>
void forward(benchmark::State& state) {
  const Index H = 16, L = state.range(1);
  const auto stored = parameters(H, state.range(0));
  const ssm::S4<float> layer(stored);
  const Rows u = noise(L, H);
  Rows y(L, H);
  for (auto _ : state) {
    auto x = layer.initial_state();
    layer.forward(u, y, x, Mode{});
    benchmark::DoNotOptimize(y.data());
  }
  report(state, L, H);
  const double dt = std::exp(static_cast<double>(stored.log_dt(0))), D = stored.D(0);
  const ssm::Vector<double> exact =
      dense_recurrence(discretize(ssm::Bilinear{}, dense(stored.system(0)), dt), u.col(0)) +
      D * u.col(0).cast<double>();
  state.counters["error"] = (y.col(0).cast<double>() - exact).cwiseAbs().maxCoeff() / exact.cwiseAbs().maxCoeff();
}
BENCHMARK_TEMPLATE(forward, ssm::mode::recurrence)
    ->ArgsProduct({{16, 64, 256}, {1024, 16384}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(forward, ssm::mode::convolution<>)
    ->ArgsProduct({{16, 64, 256}, {1024, 16384}})
    ->Unit(benchmark::kMillisecond);

void recurrence_reference(benchmark::State& state) {
  const Index L = state.range(1);
  const auto system = discretize(ssm::Bilinear{}, dense(parameters(1, state.range(0)).system(0)), 0.01);
  const Rows u = noise(L, 1);
  for (auto _ : state) benchmark::DoNotOptimize(dense_recurrence(system, u).data());
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
