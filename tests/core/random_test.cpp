#include "ssm/core/random.hpp"
#include "support/catch.hpp"

#include <array>

TEST_CASE("a seed gives the same numbers on every platform", "[core]") {
  ssm::Random random(7);
  CHECK(random.bits() == 13915952638675311015ULL);
  ssm::Random normals(2024);
  const std::array<double, 4> first{normals.normal(), normals.normal(), normals.normal(), normals.normal()};
  CHECK(first ==
        std::array<double, 4>{0x1.778ca2efec288p+1, 0x1.a068ab416cd0cp+0, -0x1.167c30909b706p+0, 0x1.dc61ff469e83dp-1});
}

TEST_CASE("normal deviates have the moments and tails of the normal distribution", "[core]") {
  ssm::Random random(1);
  const int count = 200'000;
  double sum = 0, square = 0, fourth = 0;
  int beyond_two = 0;
  for (int i = 0; i < count; ++i) {
    const double x = random.normal();
    sum += x;
    square += x * x;
    fourth += x * x * x * x;
    beyond_two += std::abs(x) > 2 ? 1 : 0;
  }
  CHECK(std::abs(sum / count) < 0.01);  // 4.5 standard errors each
  CHECK(std::abs(square / count - 1) < 0.0142);
  CHECK(std::abs(fourth / count - 3) < 0.1);
  CHECK(std::abs(beyond_two / double(count) - 0.0455003) < 0.0021);
}

TEST_CASE("uniform deviates stay within their range", "[core]") {
  ssm::Random random(3);
  for (int i = 0; i < 1000; ++i) {
    const double u = random.uniform(-2, 3), dt = random.log_uniform(1e-3, 1e-1);
    CHECK((u >= -2 && u < 3 && dt >= 1e-3 * (1 - 1e-12) && dt <= 1e-1));
  }
}

TEST_CASE("truncated normal deviates stay within their bounds and have variance 1", "[core]") {
  ssm::Random random(4);
  const int count = 100'000;
  double square = 0, largest = 0;
  for (int i = 0; i < count; ++i) {
    const double x = random.truncated_normal();
    square += x * x;
    largest = std::max(largest, std::abs(x));
  }
  CHECK(largest <= 2 / 0.87962566103423978);
  CHECK(std::abs(square / count - 1) < 0.015);
}
