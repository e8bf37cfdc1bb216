#include "ssm/layer/s5.hpp"
#include "layer/cases.hpp"
#include "layer/dense_oracle.hpp"
#include "ssm/core/thread_pool.hpp"

using namespace ssm;

namespace {

template <class T>
S5Parameters<T> drawn(Index H, Index P, Spectrum spectrum = Spectrum::half, double dt_min = 1e-3,
                      double dt_max = 1e-1) {
  Random random(7);
  return initial<S5<T>>(hippo::LegS{},
                        {.features = H, .states = P, .spectrum = spectrum, .dt_min = dt_min, .dt_max = dt_max}, random);
}

template <class T>
std::vector<T> uneven(Index length, std::uint64_t seed = 3) {
  Random random(seed);
  std::vector<T> intervals(static_cast<std::size_t>(length));
  for (auto& interval : intervals) interval = static_cast<T>(random.log_uniform(0.1, 5));
  if (length > 4) intervals[4] = 0;  // two samples at one time
  return intervals;
}

template <class T>
laws::Rows<T> run_uneven(const S5<T>& layer, const laws::Rows<T>& u, const std::vector<T>& intervals,
                         typename S5<T>::State& state, algorithm::scan how = {}) {
  laws::Rows<T> y(u.rows(), u.cols());
  layer.forward(u, InLayerSteps<T>{intervals}, y, state, how);
  return y;
}

template <class T, class Method>
void check_against_definition(Index P, double dt, Spectrum spectrum, Index L, Method method) {
  const auto parameters = drawn<T>(3, P, spectrum, dt, dt);
  const S5<T> layer(parameters, method);
  const auto u = laws::noise<T>(L, 3);
  CAPTURE(P, dt, L);
  const auto error = [](const laws::Rows<T>& y, const laws::Rows<double>& exact) {
    return laws::distance(y.template cast<double>(), exact);
  };
  const auto exact = support::s5_response(parameters, method, 1, u);
  CHECK(error(laws::run_from_rest(layer, u), exact) <= tolerance::recurrence<T>);
  CHECK(error(laws::run_from_rest(layer, u, algorithm::recurrence{}), exact) <= tolerance::recurrence<T>);
  const auto intervals = uneven<T>(L);
  auto state = layer.initial_state();
  CHECK(error(run_uneven(layer, u, intervals, state), support::s5_response(parameters, method, 1, u, intervals)) <=
        tolerance::recurrence<T>);
}

}  // namespace

TEMPLATE_TEST_CASE("S5 is its definition in fp64, in every mode and with uneven steps", "[layer]", float, double) {
  const Index P = GENERATE(1, 15, 64);
  const double dt = GENERATE(1e-3, 1e-2, 1e-1);
  const Spectrum spectrum = GENERATE(Spectrum::half, Spectrum::full);
  check_against_definition<TestType>(P, dt, spectrum, 1000, ZeroOrderHold{});
  check_against_definition<TestType>(P, dt, spectrum, 1000, Bilinear{});
}

TEMPLATE_TEST_CASE("S5 is its definition over 16384 steps", "[layer]", float, double) {
  check_against_definition<TestType>(64, GENERATE(1e-3, 1e-1), Spectrum::half, 16'384, ZeroOrderHold{});
}

TEMPLATE_TEST_CASE("the number of threads changes no bit, with uneven steps too", "[layer]", float, double) {
  const Index L = GENERATE(0, 1, 300, 3000);
  const S5<TestType> layer(drawn<TestType>(5, 200));
  const auto u = laws::noise<TestType>(L, 5);
  ThreadPool three(3);
  for (Executor* threads : {static_cast<Executor*>(&support::two_threads()), static_cast<Executor*>(&three)}) {
    auto one = layer.initial_state(), many = one;
    CHECK(laws::run(layer, u, one) == laws::run(layer, u, many, algorithm::scan{.executor = *threads}));
    CHECK(one == many);
    const auto intervals = uneven<TestType>(L);
    CHECK(run_uneven(layer, u, intervals, one) == run_uneven(layer, u, intervals, many, {.executor = *threads}));
    CHECK(one == many);
  }
}

TEST_CASE("intervals that do not vary are the layer's own step", "[layer]") {
  const auto parameters = drawn<double>(3, 16);
  const S5<double> layer(parameters), twice(parameters, {.rate = 2});
  const auto u = laws::noise<double>(200, 3);
  auto a = layer.initial_state(), b = a, c = a;
  CHECK(laws::distance(run_uneven(layer, u, std::vector<double>(200, 1.0), a), laws::run(layer, u, b)) <= 1e-14);
  CHECK(a == b);
  a = layer.initial_state();
  CHECK(laws::distance(run_uneven(layer, u, std::vector<double>(200, 2.0), a), laws::run(twice, u, c)) <= 1e-13);
}

TEST_CASE("an interval split in two with the input held gives the same state", "[layer]") {
  const S5<double> layer(drawn<double>(2, 10));
  const auto u = laws::noise<double>(60, 2);
  const auto intervals = uneven<double>(60);
  laws::Rows<double> held(120, 2);
  std::vector<double> split(120);
  for (Index k = 0; k < 60; ++k) {
    held.row(2 * k) = held.row(2 * k + 1) = u.row(k);
    split[std::size_t(2 * k)] = 0.3 * intervals[std::size_t(k)];
    split[std::size_t(2 * k + 1)] = 0.7 * intervals[std::size_t(k)];
  }
  auto whole = layer.initial_state(), halves = whole;
  const auto y = run_uneven(layer, u, intervals, whole), z = run_uneven(layer, held, split, halves);
  for (Index k = 0; k < 60; ++k) CHECK((y.row(k) - z.row(2 * k + 1)).cwiseAbs().maxCoeff() <= 1e-12);
  for (Index s = 0; s < layer.modes(); ++s) CHECK(std::abs(whole.re(s) - halves.re(s)) <= 1e-12);
}

TEST_CASE("uneven steps make nothing of the size of the sequence times the states", "[layer]") {
  const Index L = 100'000, P = 64, H = 2;
  const S5<float> layer(drawn<float>(H, P));
  const auto u = laws::noise<float>(L, H);
  laws::Rows<float> y(L, H);
  const auto intervals = uneven<float>(L);
  auto state = layer.initial_state();
  const support::AllocationCounter counter;
  layer.forward(u, InLayerSteps<float>{intervals}, y, state);
  CHECK(counter.peak_bytes() < 2'000'000);
  CHECK(counter.peak_bytes() > 10'000);
}

TEST_CASE("the three ways to draw C have the published variances", "[layer]") {
  const Index H = 40, P = 64;
  const S5Shape shape{.features = H, .states = P, .spectrum = Spectrum::full, .blocks = 4};
  const auto variance = [&](auto output) {
    Random random(5);
    const auto parameters = initial<S5<double>>(hippo::LegS{}, shape, random, output);
    double sum = 0;
    for (const auto& value : parameters.C) sum += std::norm(value);
    return sum / double(parameters.C.size());
  };
  CHECK(variance(s5_output::TruncatedNormal{}) == Approx(2.0 / P).epsilon(0.1));
  CHECK(variance(s5_output::LecunNormal{}) == Approx(2.0 / (P * H)).epsilon(0.1));
  CHECK(variance(s5_output::ComplexNormal{}) == Approx(1.0).epsilon(0.1));
}

TEST_CASE("S5 starts from the normal part of LegS in blocks, half or whole", "[layer]") {
  Random random(6);
  const auto block = hippo::nplr(hippo::LegS{}, 8).half();
  const auto half = initial<S5<double>>(hippo::LegS{}, {.features = 2, .states = 24, .blocks = 3}, random);
  CHECK(half.modes() == 12);
  for (Index s = 0; s < 12; ++s) CHECK(half.Lambda(s) == block.Lambda(s % 4));
  // half a spectrum and the whole one are the same system where the whole is its own mirror
  const auto whole = initial<S5<double>>(
      hippo::LegS{}, {.features = 2, .states = 24, .spectrum = Spectrum::full, .blocks = 3}, random);
  CHECK(whole.modes() == 24);
  S5Parameters<double> mirrored(2, 24, Spectrum::full);
  for (Index s = 0; s < 12; ++s)
    for (const Index at : {s, 23 - s}) {
      mirrored.Lambda_re(at) = half.Lambda_re(s);
      mirrored.Lambda_im(at) = at == s ? half.Lambda_im(s) : -half.Lambda_im(s);
      mirrored.log_dt(at) = half.log_dt(s);
      for (Index h = 0; h < 2; ++h) {
        mirrored.B(at, h) = at == s ? half.B(s, h) : std::conj(half.B(s, h));
        mirrored.C(h, at) = at == s ? half.C(h, s) : std::conj(half.C(h, s));
      }
    }
  mirrored.D = half.D;
  const auto u = laws::noise<double>(100, 2);
  CHECK(laws::distance(laws::run_from_rest(S5<double>(mirrored), u), laws::run_from_rest(S5<double>(half), u)) <=
        1e-13);
}

TEST_CASE("real parts are clipped on request", "[layer]") {
  auto parameters = drawn<double>(1, 4, Spectrum::half, 1e-2, 1e-2);
  parameters.Lambda_re(1) = 0.5;  // grows
  const auto u = laws::noise<double>(5000, 1);
  CHECK(laws::run_from_rest(S5<double>(parameters), u).cwiseAbs().maxCoeff() > 1e3);
  parameters.Lambda_re_max = -1e-4;
  CHECK(laws::run_from_rest(S5<double>(parameters), u).cwiseAbs().maxCoeff() < 1e3);
  CHECK(parameters.Lambda(1).real() == -1e-4);
  CHECK(parameters.Lambda_re(1) == 0.5);  // what is stored stays
}

TEST_CASE("S5 satisfies the concept, and does not convolve", "[layer]") {
  STATIC_REQUIRE(SSMLayer<S5<float>>);
  STATIC_REQUIRE(SSMLayer<S5<double, 16>>);
  STATIC_REQUIRE(SSMLayer<S5<float, dynamic, double>>);
  STATIC_REQUIRE_FALSE(std::constructible_from<S5<float>, const S5Parameters<float>&, BackwardEuler>);
}

TEST_CASE("S5 refuses what is no layer and no interval", "[layer]") {
  const auto good = drawn<float>(2, 6);
  auto bad = good;
  bad.C = Array<Complex<float>>(2, 4);
  CHECK_THROWS_WITH(S5<float>(bad), "C: expected shape (2, 3, 1), got (2, 4, 1)");
  bad = good;
  bad.log_dt = Array<float>(2);
  CHECK_THROWS_AS(S5<float>(bad), ShapeError);
  bad = good;
  bad.log_dt(0) = 1000;
  CHECK_THROWS_AS(S5<float>(bad), DomainError);
  bad = drawn<float>(2, 5);
  bad.B(0, 1) = {0, 1};
  CHECK_THROWS_AS(S5<float>(bad), DomainError);
  CHECK_THROWS_AS((S5<float, 8>(good)), ShapeError);
  Random random(1);
  CHECK_THROWS_AS((initial<S5<float>>(hippo::LegS{}, {.features = 1, .states = 6, .blocks = 4}, random)), DomainError);
  CHECK_THROWS_AS((initial<S5<float>>(hippo::LegS{}, {.features = 1, .states = 6, .blocks = 2}, random)), DomainError);

  const S5<float> layer(good);
  auto state = layer.initial_state();
  const auto before = state;
  const auto u = laws::noise<float>(10, 2);
  for (const float wrong : {-1.0F, std::nanf(""), HUGE_VALF}) {
    auto intervals = uneven<float>(10);
    intervals[7] = wrong;
    CHECK_THROWS_AS(run_uneven(layer, u, intervals, state), DomainError);
  }
  CHECK_THROWS_WITH(run_uneven(layer, u, uneven<float>(9), state), "intervals (a step each): expected 10, got 9");
  CHECK(state == before);
}
