#include "ssm/hippo/diagonal.hpp"
#include "support/catch.hpp"

using namespace ssm;

TEST_CASE("S4D's initial values are the published ones", "[hippo]") {
  Random random(1);
  const double pi = std::numbers::pi;
  const auto linear = modes(diagonal::Linear{}, 8, random), inverse = modes(diagonal::Inverse{}, 8, random);
  REQUIRE(linear.Lambda.size() == 4);
  for (Index n = 0; n < 4; ++n) {
    CHECK(std::abs(linear.Lambda(n) - Complex<double>(-0.5, pi * double(n))) <= 1e-15);
    // S4D-Inv in the paper's order counts down from the fastest
    CHECK(std::abs(inverse.Lambda(3 - n) - Complex<double>(-0.5, 8 / pi * (8.0 / double(2 * n + 1) - 1))) <= 1e-14);
  }
  const auto fourier = diagonal::modes(hippo::Fourier{}, 8, random);
  CHECK(fourier.Lambda.real().cwiseAbs().maxCoeff() == 0);
  for (Index n = 0; n < 4; ++n) CHECK(std::abs(fourier.Lambda(n).imag() - pi * double(n)) <= 1e-13);
  const auto legs = diagonal::modes(hippo::LegS{}, 64, random);
  CHECK((legs.Lambda - hippo::nplr(hippo::LegS{}, 64).half().Lambda).cwiseAbs().maxCoeff() == 0);
  CHECK((2 * legs.B - hippo::nplr(hippo::LegS{}, 64).half().B).cwiseAbs().maxCoeff() == 0);
}

TEMPLATE_TEST_CASE("initial values decay, increase in frequency, and are real where they stand alone", "[hippo]",
                   diagonal::Linear, diagonal::Inverse, hippo::LegS, diagonal::Unstructured) {
  Random random(2);
  for (const Index N : {0, 1, 2, 5, 64}) {
    const auto drawn = diagonal::modes(TestType{}, N, random);
    REQUIRE(drawn.Lambda.size() == modes_of(N));
    REQUIRE(drawn.B.size() == modes_of(N));
    for (Index n = 0; n < modes_of(N); ++n) {
      CHECK(drawn.Lambda(n).real() < 0);
      CHECK(drawn.Lambda(n).imag() >= 0);
      if (n > 0 && !std::is_same_v<TestType, diagonal::Unstructured>)
        CHECK(drawn.Lambda(n).imag() >= drawn.Lambda(n - 1).imag());
    }
    if (N % 2 == 1) CHECK((drawn.Lambda(0).imag() == 0 && drawn.B(0).imag() == 0));
  }
  CHECK_THROWS_AS(diagonal::modes(TestType{}, -1, random), DomainError);
}

TEST_CASE("random initial values are different each time", "[hippo]") {
  Random random(3);
  CHECK(modes(diagonal::Unstructured{}, 6, random).Lambda != modes(diagonal::Unstructured{}, 6, random).Lambda);
}

namespace {
/// The first kernel functions of LegS over times 0.25 .. 0.75, in the mean: of its normal part with `share` of the
/// input, V e^(t Lambda) V* share B, less that of the whole matrix, sqrt(2n+1) P_n(2 e^-t - 1) e^-t. The largest
/// difference.
double distance_from_whole(Index N, double share) {
  const auto nplr = hippo::nplr(hippo::LegS{}, N);
  const int times = 400;
  std::array<Complex<double>, 4> mean{};
  for (int i = 0; i < times; ++i) {
    const double t = 0.25 + 0.5 * (i + 0.5) / times, x = 2 * std::exp(-t) - 1;
    const std::array<double, 4> legendre{1, x, (3 * x * x - 1) / 2, (5 * x * x * x - 3 * x) / 2};
    for (Index n = 0; n < 4; ++n) {
      Complex<double> normal = 0;
      for (Index m = 0; m < N; ++m) normal += nplr.V(n, m) * std::exp(t * nplr.Lambda(m)) * nplr.B(m) * share;
      const double whole = std::sqrt(double(2 * n + 1)) * legendre[std::size_t(n)] * std::exp(-t);
      mean[std::size_t(n)] += (normal - whole) / double(times);
    }
  }
  double worst = 0;
  for (const auto& value : mean) worst = std::max(worst, std::abs(value));
  return worst;
}
}  // namespace

TEST_CASE("with half the input the normal part's kernel is that of the whole matrix, in the mean", "[hippo]") {
  CHECK(distance_from_whole(256, 0.5) < 0.1);
  CHECK(distance_from_whole(256, 1.0) > 0.3);  // the whole input would be twice too loud
}
