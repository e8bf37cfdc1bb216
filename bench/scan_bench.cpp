#include "common.hpp"

#include <ssm/core/thread_pool.hpp>

namespace {

using namespace bench;

// P complex channels, constant a, all x written. Arguments P, L; threads for the parallel one.
template <class Scan>
void run(benchmark::State& state, Scan scan) {
  const Index P = state.range(0), L = state.range(1);
  const Rows Delta = Rows::Constant(2, P, -0.01F);
  Rows re = noise(L, P), im = re, x = Rows::Zero(2, P);
  const ssm::scan::ConstSplit<float> a{{Delta.row(0).data(), 1, P}, {Delta.row(1).data(), 1, P}};
  const ssm::scan::Split<float> v{{re.data(), L, P}, {im.data(), L, P}};
  const ssm::scan::Split<float> start{{x.row(0).data(), 1, P}, {x.row(1).data(), 1, P}};
  for (auto _ : state) {
    scan(a, v, start);
    benchmark::DoNotOptimize(re.data());
  }
  report(state, L, 2 * P);
}

void sequential(benchmark::State& state) {
  run(state, [](auto a, auto v, auto x) { ssm::scan::sequential<float, float>(a, v, x); });
}
void parallel(benchmark::State& state) {
  ssm::ThreadPool pool(state.range(2));
  run(state, [&](auto a, auto v, auto x) { ssm::scan::parallel<float, float>(a, v, x, pool); });
}
BENCHMARK(sequential)->ArgsProduct({{16, 256}, {4096, 65536}})->Unit(benchmark::kMillisecond);
BENCHMARK(parallel)->ArgsProduct({{16, 256}, {4096, 65536}, {1, 2}})->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
