#include "ssm/scan/parallel.hpp"
#include "ssm/core/random.hpp"
#include "ssm/core/thread_pool.hpp"
#include "ssm/scan/sequential.hpp"
#include "support/golden.hpp"
#include "support/tolerance.hpp"

using namespace ssm;

namespace {

/// Complex numbers over time, split.
template <class T>
struct Numbers {
  Array<T> re, im;
  Numbers(Index length, Index channels) : re(length, channels), im(length, channels) {}
  template <class Draw>
  Numbers(Index length, Index channels, Draw draw) : Numbers(length, channels) {
    for (Index i = 0; i < re.size(); ++i) {
      const Complex<double> value = draw(i);
      re.data()[i] = static_cast<T>(value.real());
      im.data()[i] = static_cast<T>(value.imag());
    }
  }
  scan::Split<T> view() { return {{re.data(), re.rows(), re.columns()}, {im.data(), im.rows(), im.columns()}}; }
  std::vector<Complex<double>> values() const {
    std::vector<Complex<double>> all;
    for (Index i = 0; i < re.size(); ++i) all.emplace_back(re.data()[i], im.data()[i]);
    return all;
  }
  friend bool operator==(const Numbers&, const Numbers&) = default;
};

template <class T>
struct Problem {
  Numbers<T> Delta, v, state;
  Problem(Index L, Index S, bool varies, std::uint64_t seed) : Delta(1, 1), v(1, 1), state(1, 1) {
    Random random(seed);
    const auto normal = [&](Index) {
      const double re = random.normal(), im = random.normal();
      return Complex<double>(re, im);
    };
    Delta = Numbers<T>(varies ? L : 1, S,
                       [&](Index) { return std::polar(1 - random.uniform(1e-4, 1e-1), random.uniform(0, 1)) - 1.0; });
    v = Numbers<T>(L, S, normal);
    state = Numbers<T>(1, S, normal);
  }
  void sequential() { scan::sequential<T, T>(Delta.view(), v.view(), state.view()); }
  void parallel(Executor& executor) { scan::parallel<T, T>(Delta.view(), v.view(), state.view(), executor); }
};

/// Returns whether numbers stay far from where a scalar overflows.
template <class T>
bool fits(const std::vector<Complex<double>>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(),
                     [](auto x) { return std::abs(x) < std::sqrt(std::numeric_limits<T>::max()); });
}

}  // namespace

TEMPLATE_TEST_CASE("the scans are the recurrence", "[scan][golden]", float, double) {
  using T = TestType;
  for (const auto& path : support::golden_files("scan", "affine_")) {
    const support::Safetensors file(path);
    const Index L = file["b_ri"].size(0), S = file["b_ri"].size(1);
    const auto a = file["a_ri"].complex(), b = file["b_ri"].complex(), x0 = file["x0_ri"].complex();
    const double tolerance = std::is_same_v<T, double> ? file.tolerance() : 5e-6;
    const auto expected = file["x_ri"].complex();
    if (!fits<T>(expected)) continue;  // a scan that grows beyond float
    for (const bool blocks : {false, true}) {
      Numbers<T> Delta(static_cast<Index>(a.size()) / S, S, [&](Index i) { return a[std::size_t(i)] - 1.0; });
      Numbers<T> v(L, S, [&](Index i) { return b[std::size_t(i)]; });
      Numbers<T> state(1, S, [&](Index i) { return x0[std::size_t(i)]; });
      ThreadPool two(2);
      if (blocks) {
        scan::parallel<T, T>(Delta.view(), v.view(), state.view(), two);
      } else {
        scan::sequential<T, T>(Delta.view(), v.view(), state.view());
      }
      CAPTURE(path, blocks);
      CHECK(support::relative_error(v.values(), expected) <= tolerance);
      CHECK(support::relative_error(state.values(), std::vector(expected.end() - S, expected.end())) <= tolerance);
    }
  }
}

TEMPLATE_TEST_CASE("the parallel scan is the sequential one, with the same bits for every number of threads", "[scan]",
                   float, double) {
  const Index L = GENERATE(0, 1, 255, 256, 257, 1000, 2048), S = GENERATE(1, 3);
  const bool varies = GENERATE(false, true);
  if (varies && L == 0) return;
  Problem<TestType> one(L, S, varies, 3), two = one, three = one, stepped = one;
  ThreadPool pool_of_two(2), pool_of_three(3);
  one.parallel(this_thread());
  two.parallel(pool_of_two);
  three.parallel(pool_of_three);
  stepped.sequential();
  CAPTURE(L, S, varies);
  CHECK(one.v == two.v);
  CHECK(one.v == three.v);
  CHECK(one.state == three.state);
  const double tolerance = std::is_same_v<TestType, double> ? 1e-12 : 5e-6;
  CHECK(support::relative_error(one.v.values(), stepped.v.values()) <= tolerance);
  CHECK(support::relative_error(one.state.values(), stepped.state.values()) <= tolerance);
}

TEST_CASE("a constant step is a varying one that does not vary", "[scan]") {
  Problem<double> constant(300, 4, false, 5), varying = constant;
  varying.Delta = Numbers<double>(
      300, 4, [&](Index i) { return Complex<double>(constant.Delta.re(0, i % 4), constant.Delta.im(0, i % 4)); });
  constant.sequential();
  varying.sequential();
  CHECK(constant.v == varying.v);
}

TEST_CASE("a state wider than the data keeps its digits from one call to the next", "[scan]") {
  Problem<float> narrow(20'000, 2, false, 6);
  Numbers<double> Delta(1, 2, [](Index) { return Complex<double>(-1e-5, 1e-4); }), state(1, 2), exact(20'000, 2);
  for (Index i = 0; i < 40'000; ++i) {
    exact.re.data()[i] = narrow.v.re.data()[i];
    exact.im.data()[i] = narrow.v.im.data()[i];
  }
  Numbers<double> exact_state(1, 2);
  scan::sequential<double, double>(Delta.view(), exact.view(), exact_state.view());
  scan::sequential<float, double>(Delta.view(), narrow.v.view(), state.view());
  CHECK(support::relative_error(state.values(), exact_state.values()) <= 1e-14);
  CHECK(support::relative_error(narrow.v.values(), exact.values()) <= 1e-7);
}

TEST_CASE("scans refuse sizes that disagree", "[scan]") {
  Problem<double> problem(10, 3, true, 1);
  Numbers<double> two_channels(1, 2), nine(9, 3);
  CHECK_THROWS_WITH((scan::sequential<double, double>(problem.Delta.view(), problem.v.view(), two_channels.view())),
                    "channels of the state: expected 3, got 2");
  CHECK_THROWS_AS((scan::parallel<double, double>(nine.view(), problem.v.view(), problem.state.view(), this_thread())),
                  ShapeError);
}

TEMPLATE_TEST_CASE("the scan's gradients are the reference's", "[scan][gradient][golden]", float, double) {
  using T = TestType;
  for (const auto& path : support::golden_files("scan", "affine_")) {
    const support::Safetensors file(path);
    CAPTURE(path);
    if (!fits<T>(file["x_ri"].complex())) continue;  // a scan that grows beyond float
    const Index L = file["b_ri"].size(0), S = file["b_ri"].size(1);
    const auto a = file["a_ri"].complex();
    const auto from = [&](const std::string& name, Index rows, double less = 0) {
      const auto values = file[name].complex();
      return Numbers<T>(rows, S, [&](Index i) { return values[static_cast<std::size_t>(i)] - less; });
    };
    auto Delta = from("a_ri", static_cast<Index>(a.size()) / S, 1), x = from("b_ri", L), before = from("x0_ri", 1),
         state = before, dx = from("dx_ri", L), dDelta = Numbers<T>(Delta.re.rows(), S), dstate = Numbers<T>(1, S);
    scan::sequential<T, T>(Delta.view(), x.view(), state.view());
    scan::sequential_vjp<T, T>(Delta.view(), before.view(), x.view(), dx.view(), dstate.view(), dDelta.view());
    const double allowed = std::is_same_v<T, double> ? file.tolerance() : tolerance::gradient<T>;
    CHECK(support::relative_error(dx.values(), file["db_ri"].complex()) <= allowed);
    CHECK(support::relative_error(dDelta.values(), file["da_ri"].complex()) <= allowed);
    CHECK(support::relative_error(dstate.values(), file["dx0_ri"].complex()) <= allowed);
  }
}

TEST_CASE("a slow channel does not stall short of its limit", "[scan]") {
  const Index L = 16'384;
  Array<float> re(L), im(L), Delta_re(1), Delta_im(1), x_re(1), x_im(1);
  Delta_re(0) = static_cast<float>(std::expm1(-1.5e-3));
  std::fill(re.begin(), re.end(), 1.0F);
  scan::sequential<float, float>(
      {ConstSequence<float>(Delta_re.data(), 1, 1), ConstSequence<float>(Delta_im.data(), 1, 1)},
      {Sequence<float>(re.data(), L, 1), Sequence<float>(im.data(), L, 1)},
      {Sequence<float>(x_re.data(), 1, 1), Sequence<float>(x_im.data(), 1, 1)});
  double x = 0, worst = 0;
  for (Index k = 0; k < L; ++k) {
    x += double(Delta_re(0)) * x + 1;
    worst = std::max(worst, std::abs(double(re(k)) - x));
  }
  CHECK(worst <= 1e-6 * x);  // 3e-5 where the increments are rounded away
}
