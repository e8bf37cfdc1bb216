#include "ssm/plan/plan.hpp"
#include "examples/support/moving_average.hpp"
#include "layer/cases.hpp"
#include "layer/laws.hpp"
#include "ssm/core/thread_pool.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "support/fftw.hpp"

using namespace ssm;

namespace {

template <class T>
S4D<T> diagonal_layer(Index H = 20, Index N = 7) {
  Random random(1);
  return S4D<T>(initial<S4D<T>>(diagonal::Inverse{}, {.features = H, .states = N}, random));
}
template <class T>
LSSL<T> dense_layer() {
  Random random(2);
  return LSSL<T>(initial<LSSL<T>>(hippo::LegS{}, {.features = 35, .states = 6}, random));
}
template <class T>
S5<T> scan_layer() {
  Random random(3);
  return S5<T>(initial<S5<T>>(hippo::LegS{}, {.features = 5, .states = 100}, random));
}

template <class Layer>
concept CanPlan = requires(Layer&& layer) {
  plan(std::forward<Layer>(layer), Workload{.length = 1});
};

/// A plan gives what the layer's forward gives, in batches of several lengths, from states and from rest, allocates
/// nothing, and gives the same bits for every number of threads.
template <class Layer, class... Mode>
void check_plan(const Layer& layer, double tolerance, Mode... mode) {
  using T = typename Layer::Scalar;
  const Index H = layer.features(), L = 300, size = 3;
  const std::vector<Index> lengths{300, 0, 177};
  const auto u = laws::noise<T>(size * L, H);
  const ConstBatch<T> in(u.data(), size, L, H, lengths);
  ThreadPool pool(2);
  auto one = plan(layer, Workload{.length = L, .batch = size}, mode...);
  auto two = plan(layer, Workload{.length = L, .batch = size, .executor = pool}, mode...);
  CHECK_FALSE(one.explain().empty());
  CHECK(one.bytes() > 0);

  std::vector<typename Layer::State> first(3, layer.initial_state()), second = first;
  laws::Rows<T> y(size * L, H), z = y, rest = y;
  one(in, Batch<T>(y.data(), size, L, H), first);
  two(in, Batch<T>(z.data(), size, L, H), second);
  CHECK(y == z);
  CHECK(first == second);
  {
    const support::AllocationCounter counter;
    one(in, Batch<T>(z.data(), size, L, H), second);
    two(in, Batch<T>(z.data(), size, L, H), second);
    one(in, Batch<T>(rest.data(), size, L, H));
    two(in, Batch<T>(rest.data(), size, L, H));
    CHECK(counter.count() == 0);
  }
  for (Index b = 0; b < size; ++b) {
    const Index length = lengths[std::size_t(b)];
    auto alone = layer.initial_state();
    const laws::Rows<T> given = u.middleRows(b * L, length), expected = laws::run(layer, given, alone);
    CHECK(laws::distance(laws::Rows<T>(y.middleRows(b * L, length)), expected) <= tolerance);
    CHECK(laws::distance(laws::Rows<T>(rest.middleRows(b * L, length)), expected) <= tolerance);
    CHECK(laws::distance(laws::free_response(layer, first[std::size_t(b)]), laws::free_response(layer, alone)) <=
          tolerance);
    CHECK(y.middleRows(b * L + length, L - length).isZero(0));
    // padded or not, alone or in a batch: the same bits by the same plan
    laws::Rows<T> single(length, H);
    alone = layer.initial_state();
    one(given, single, alone);
    CHECK(single == y.middleRows(b * L, length));
    CHECK(alone == first[std::size_t(b)]);
  }

  laws::Rows<T> longer(L + 1, H);
  auto state = layer.initial_state();
  const auto before = state;
  CHECK_THROWS_AS(one(longer, longer, state), ShapeError);
  laws::Rows<T> many(4 * 2, H);
  CHECK_THROWS_AS(one(ConstBatch<T>(many.data(), 4, 2, H), Batch<T>(many.data(), 4, 2, H)), ShapeError);
  CHECK(state == before);
}

}  // namespace

TEMPLATE_TEST_CASE("a plan gives what forward gives, without allocating", "[layer][plan]", float, double) {
  using T = TestType;
  const double exact = 0, near = tolerance::convolution<T> + tolerance::recurrence<T>;
  check_plan(diagonal_layer<T>(), exact, algorithm::recurrence{});
  check_plan(diagonal_layer<T>(), near, algorithm::convolution<fft::EigenBackend>{});
  check_plan(diagonal_layer<T>(), near, algorithm::convolution<fft::FftwBackend>{});
  check_plan(diagonal_layer<T>(), near);
  check_plan(dense_layer<T>(), exact, algorithm::recurrence{});
  check_plan(dense_layer<T>(), near, algorithm::convolution{});
  check_plan(dense_layer<T>(), near);
  check_plan(scan_layer<T>(), exact, algorithm::scan{});
  check_plan(scan_layer<T>(), exact);
  check_plan(scan_layer<T>(), tolerance::recurrence<T>, algorithm::recurrence{});
  check_plan(example::MovingAverage<T>({T(0.5), T(0.1)}), exact);
}

TEST_CASE("a single long sequence is shared by the threads, to the same bits", "[layer][plan]") {
  const auto layer = scan_layer<float>();
  const auto u = laws::noise<float>(5000, layer.features());
  ThreadPool pool(2);
  auto run = plan(layer, {.length = 5000, .executor = pool});
  laws::Rows<float> y(5000, layer.features());
  auto state = layer.initial_state(), alone = state;
  run(u, y, state);
  CHECK(y == laws::run(layer, u, alone));
  CHECK(state == alone);
}

TEST_CASE("the planner takes what its table says is cheaper, and says so", "[layer][plan]") {
  const auto layer = diagonal_layer<float>(2, 8);
  cost::Table table;
  table.transform = 1e-6;
  table.jump = table.product = 0;
  const auto convolves = plan(layer, {.length = 100}, table);
  CHECK(convolves.explain().starts_with("convolution (FFT of 200 points): "));
  CHECK(convolves.explain().find("the recurrence would take") != std::string::npos);
  table.transform = 1e6;
  const auto recurs = plan(layer, {.length = 100}, table);
  CHECK(recurs.explain().starts_with("recurrence: "));
  CHECK(recurs.explain().find("a convolution (FFT of 200 points) would take") != std::string::npos);
  CHECK(plan(layer, {.length = 100}, algorithm::recurrence{}).explain().ends_with("as told"));
}

TEST_CASE("a step of one feature, whose modes lie side by side, is priced below one of a pack of features", "[plan]") {
  constexpr Index lanes = simd::Pack<float>::size;
  const auto priced = [](Index features) { return diagonal_layer<float>(features, 64).engine().work_per_step().modes; };
  if (lanes > 1) CHECK(priced(1) < priced(lanes));
  CHECK(priced(lanes + 1) < priced(2 * lanes + 1));
  CHECK(priced(2 * lanes) == 2 * priced(lanes));
}

TEST_CASE("what a plan says it holds is what it allocates", "[layer][plan]") {
  const auto layer = diagonal_layer<float>(64, 32);
  const auto before =
      plan(layer, {.length = 4096}, algorithm::convolution<fft::FftwBackend>{});  // FFTW keeps what it learnt
  const support::AllocationCounter counter;
  const auto run = plan(layer, {.length = 4096}, algorithm::convolution<fft::FftwBackend>{});
  const auto held = counter.held_bytes();
  CHECK(static_cast<double>(run.bytes()) <= 1.02 * static_cast<double>(held));
  CHECK(static_cast<double>(run.bytes()) >= 0.95 * static_cast<double>(held));  // FFTW keeps some tables of its own
}

TEST_CASE("a plan refuses sizes without meaning and a layer that would be gone", "[layer][plan]") {
  const auto layer = diagonal_layer<float>();
  CHECK_THROWS_AS(plan(layer, {.length = -1}), DomainError);
  CHECK_THROWS_AS(plan(layer, {.length = 1, .batch = -1}, algorithm::convolution{}), DomainError);
  CHECK_NOTHROW(plan(layer, {.length = 0, .batch = 0}));
  STATIC_REQUIRE(CanPlan<S4D<float>&>);
  STATIC_REQUIRE_FALSE(CanPlan<S4D<float>>);  // a temporary
}
