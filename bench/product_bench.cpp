#include "common.hpp"

#include <ssm/simd/product.hpp>

namespace {

using namespace bench;
using ssm::simd::row_major;

/// One product c += a b; arguments are rows, columns and depth. The rate is that of multiplications and additions.
template <class Multiply>
void run(benchmark::State& state, Multiply multiply) {
  const Index rows = state.range(0), columns = state.range(1), depth = state.range(2);
  const Rows a = noise(rows, depth), b = noise(depth, columns);
  Rows c = Rows::Zero(rows, columns);
  for (auto _ : state) {
    multiply(c, a, b);
    benchmark::DoNotOptimize(c.data());
  }
  state.counters["flop"] = benchmark::Counter(2 * static_cast<double>(rows * columns * depth),
                                              benchmark::Counter::kIsIterationInvariantRate);
}
auto view(auto& matrix) { return row_major(matrix.data(), matrix.rows(), matrix.cols()); }

void product_of_eigen(benchmark::State& state) {
  run(state, [](Rows& c, const Rows& a, const Rows& b) { c.noalias() += a * b; });
}
void product(benchmark::State& state) {
  run(state, [](Rows& c, const Rows& a, const Rows& b) { ssm::simd::add_product(view(c), view(a), view(b)); });
}
void product_with_panels(benchmark::State& state) {
  ssm::simd::Panels<float> panels(state.range(2), state.range(1));
  const Rows numbers = noise(panels.rows(), panels.columns());
  for (Index k = 0; k < panels.rows(); ++k)
    for (Index j = 0; j < panels.columns(); ++j) panels(k, j) = numbers(k, j);
  run(state, [&](Rows& c, const Rows& a, const Rows&) { panels.add_product(view(c), view(a)); });
}
// B u and C x of S5 at H = P = 256 and 64, a linear map of a deep model, blocks of a stream, a step
void shapes(benchmark::internal::Benchmark* all) {
  for (const auto& shape : {std::array<Index, 3>{128, 512, 256},
                            {128, 256, 512},
                            {512, 128, 64},
                            {512, 64, 128},
                            {784, 128, 64},
                            {64, 128, 64},
                            {1, 256, 256}})
    all->Args({shape[0], shape[1], shape[2]});
}
BENCHMARK(product_of_eigen)->Apply(shapes);
BENCHMARK(product)->Apply(shapes);
BENCHMARK(product_with_panels)->Apply(shapes);

}  // namespace
