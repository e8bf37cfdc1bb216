#include "ssm/scan/affine.hpp"
#include "ssm/core/random.hpp"
#include "support/catch.hpp"

#include <complex>

using Step = ssm::scan::Affine<std::complex<double>>;

namespace {
Step random_step(ssm::Random& random) {
  const auto draw = [&] {
    const double re = random.normal(), im = random.normal();
    return std::complex<double>(re, im);
  };
  return {draw(), draw()};
}
double distance(const Step& a, const Step& b) { return std::abs(a.Delta - b.Delta) + std::abs(a.b - b.b); }
}  // namespace

TEST_CASE("steps compose: later * earlier is the one after the other", "[scan]") {
  ssm::Random random(1);
  for (int i = 0; i < 100; ++i) {
    const Step earlier = random_step(random), later = random_step(random);
    const std::complex<double> x = random_step(random).b;
    CHECK(std::abs((later * earlier)(x)-later(earlier(x))) <= 1e-14 * (1 + std::abs(later(earlier(x)))));
  }
}

TEST_CASE("the product of steps is associative and has an identity", "[scan]") {
  ssm::Random random(2);
  for (int i = 0; i < 100; ++i) {
    const Step a = random_step(random), b = random_step(random), c = random_step(random);
    const Step left = (a * b) * c, right = a * (b * c);
    CHECK(distance(left, right) <= 1e-13 * (1 + std::abs(left.Delta) + std::abs(left.b)));
    CHECK(a * Step{} == a);
    CHECK(Step{} * a == a);
    CHECK(Step{}(a.b) == a.b);
  }
}

TEST_CASE("a power is the repeated product, and keeps the digits of a slow mode", "[scan]") {
  const Step step{{-0.1, 0.2}, {1, -1}};
  Step product;
  for (ssm::Index count = 0; count < 20; ++count) {
    CHECK(distance(power(step, count), product) <= 1e-13);
    product = step * product;
  }
  const ssm::scan::Affine<float> slow{-1e-6F, 0};
  CHECK(power(slow, 1000).Delta == Approx(std::expm1(1000 * std::log1p(-1e-6))).epsilon(1e-6));
}
