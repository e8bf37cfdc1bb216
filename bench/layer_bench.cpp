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
BENCHMARK_TEMPLATE(forward, ssm::algorithm::recurrence)
    ->ArgsProduct({{16, 64, 256}, {1024, 16384}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(forward, ssm::algorithm::convolution<>)
    ->ArgsProduct({{16, 64, 256}, {1024, 16384}})
    ->Unit(benchmark::kMillisecond);

// Every layer in its modes, kernels kept: what the planner's table (plan/cost.hpp) is read from. Arguments H, N, L.
template <class Layer, class Parameters, class... Mode>
void planned(benchmark::State& state, Parameters make, Mode... mode) {
  const Index H = state.range(0), L = state.range(2);
  const Layer layer(make(H, state.range(1)));
  auto run = ssm::plan(layer, {.length = L}, mode...);
  const Rows u = noise(L, H);
  Rows y(L, H);
  auto x = layer.initial_state();
  for (auto _ : state) {
    run(u, y, x);
    benchmark::DoNotOptimize(y.data());
  }
  report(state, L, H);
  state.counters["bytes"] = static_cast<double>(run.bytes());
}
void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{16}, {16, 64, 256}, {256, 4096, 16384}})->Unit(benchmark::kMillisecond);
}
void wide_shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{64, 256}, {64, 256}, {4096, 16384}})->Unit(benchmark::kMillisecond);
}
const auto s4d = planned<ssm::S4D<float>, decltype(&diagonal_parameters), ssm::algorithm::recurrence>;
const auto s4d_kept = planned<ssm::S4D<float>, decltype(&diagonal_parameters), ssm::algorithm::convolution<>>;
const auto s4_kept = planned<ssm::S4<float>, decltype(&parameters), ssm::algorithm::convolution<>>;
const auto lssl = planned<ssm::LSSL<float>, decltype(&dense_parameters), ssm::algorithm::recurrence>;
const auto lssl_kept = planned<ssm::LSSL<float>, decltype(&dense_parameters), ssm::algorithm::convolution<>>;
const auto s5 = planned<ssm::S5<float>, decltype(&mimo_parameters), ssm::algorithm::scan>;
const auto s5_steps = planned<ssm::S5<float>, decltype(&mimo_parameters), ssm::algorithm::recurrence>;
BENCHMARK_CAPTURE(s4d, recurrence, diagonal_parameters, ssm::algorithm::recurrence{})->Apply(shapes);
BENCHMARK_CAPTURE(s4d_kept, convolution, diagonal_parameters, ssm::algorithm::convolution{})->Apply(shapes);
BENCHMARK_CAPTURE(s4_kept, convolution, parameters, ssm::algorithm::convolution{})->Apply(shapes);
BENCHMARK_CAPTURE(lssl, recurrence, dense_parameters, ssm::algorithm::recurrence{})->Apply(shapes);
BENCHMARK_CAPTURE(lssl_kept, convolution, dense_parameters, ssm::algorithm::convolution{})->Apply(shapes);
BENCHMARK_CAPTURE(s5, scan, mimo_parameters, ssm::algorithm::scan{})->Apply(wide_shapes);
BENCHMARK_CAPTURE(s5_steps, step_by_step, mimo_parameters, ssm::algorithm::recurrence{})->Apply(wide_shapes);

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

// Preparation. A change of `rate` on a running system is a layer made anew: H = 256, N = 64 (S5: P = 256).
template <class Layer, class Parameters>
void discretize_layer(benchmark::State& state, Parameters make) {
  const auto stored = make(256, std::is_same_v<Layer, ssm::S5<float>> ? 256 : 64);
  for (auto _ : state) benchmark::DoNotOptimize(Layer(stored, ssm::Sampling{.rate = 2}).features());
}
const auto discretize_s4d = discretize_layer<ssm::S4D<float>, decltype(&diagonal_parameters)>;
const auto discretize_s4 = discretize_layer<ssm::S4<float>, decltype(&parameters)>;
const auto discretize_s5 = discretize_layer<ssm::S5<float>, decltype(&mimo_parameters)>;
BENCHMARK_CAPTURE(discretize_s4d, layer, diagonal_parameters)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(discretize_s4, layer, parameters)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(discretize_s5, layer, mimo_parameters)->Unit(benchmark::kMicrosecond);

// Kernels, spectra and responses of a convolution that is kept. Arguments H, N, L.
template <class Layer, class Parameters>
void prepare_convolution(benchmark::State& state, Parameters make) {
  const Layer layer(make(state.range(0), state.range(1)));
  for (auto _ : state)
    benchmark::DoNotOptimize(ssm::plan(layer, {.length = state.range(2)}, ssm::algorithm::convolution{}).bytes());
}
const auto prepare_s4d = prepare_convolution<ssm::S4D<float>, decltype(&diagonal_parameters)>;
const auto prepare_s4 = prepare_convolution<ssm::S4<float>, decltype(&parameters)>;
BENCHMARK_CAPTURE(prepare_s4d, convolution, diagonal_parameters)->Args({256, 64, 16384})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(prepare_s4, convolution, parameters)->Args({256, 64, 16384})->Unit(benchmark::kMillisecond);

// C~ of one feature, for S4's kernel by Cauchy sums. Arguments N, L.
void truncated_output(benchmark::State& state) {
  const auto system = discretize(ssm::Bilinear{}, parameters(1, state.range(0)).system(0), 0.01);
  for (auto _ : state) benchmark::DoNotOptimize(ssm::kernel::truncated_output(system, {state.range(1), 1.0}).data());
}
BENCHMARK(truncated_output)->Args({64, 16384})->Unit(benchmark::kMicrosecond);

}  // namespace
