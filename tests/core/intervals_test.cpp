#include "ssm/core/intervals.hpp"
#include "support/catch.hpp"

using namespace ssm;

TEST_CASE("intervals say their unit", "[core]") {
  const std::vector<double> numbers{0.5, 0, 2};
  const Intervals<double> steps = InLayerSteps<double>{numbers}, seconds = InSeconds<double>{numbers, Seconds{0.25}};
  CHECK(Intervals<double>().empty());
  CHECK(steps.size() == 3);
  for (Index k = 0; k < 3; ++k) {
    CHECK(steps[k] == numbers[static_cast<std::size_t>(k)]);
    CHECK(seconds[k] == 4 * numbers[static_cast<std::size_t>(k)]);
  }
  CHECK(seconds.part(1, 2)[1] == 8);
  CHECK(Intervals<double>().part(3, 4).empty());
  static_assert(!std::convertible_to<std::vector<double>, Intervals<double>>, "a plain number has no unit");
}

TEST_CASE("read from its end, a sequence has the same time between two samples", "[core]") {
  const std::vector<float> numbers{9, 1, 2, 3};  // 9 before the first, then 1, 2, 3 between neighbours
  std::vector<float> memory;
  const Intervals<float> turned = Intervals<float>(InSeconds<float>{numbers, Seconds{0.5}}).backwards(memory);
  for (const auto& [k, expected] : {std::pair{0, 18.0}, {1, 6.0}, {2, 4.0}, {3, 2.0}}) CHECK(turned[k] == expected);
  CHECK(Intervals<float>(InLayerSteps<float>{{}}).backwards(memory).empty());
  const Intervals<float> same = Intervals<float>(InLayerSteps<float>{numbers, ReadBackwards::same}).backwards(memory);
  for (const auto& [k, expected] : {std::pair{0, 3.0}, {1, 2.0}, {2, 1.0}, {3, 9.0}}) CHECK(same[k] == expected);
}

TEST_CASE("intervals that are none are refused with the step", "[core]") {
  const auto check = [](std::vector<double> numbers, Index length, double reach = 1) {
    Intervals<double>(InLayerSteps<double>{numbers}).check(length, reach);
  };
  CHECK_NOTHROW(check({1, 0, 2}, 3));
  CHECK_THROWS_WITH(check({1, 2}, 3), "intervals (a step each): expected 3, got 2");
  CHECK_THROWS_WITH(check({1, -1e-300}, 2), support::ContainsSubstring("interval of step 1"));
  CHECK_THROWS_AS(check({std::nan("")}, 1), DomainError);
  CHECK_THROWS_AS(check({std::numeric_limits<double>::infinity()}, 1), DomainError);
  CHECK_THROWS_AS(check({1e300}, 1, 1e300), DomainError);
  const std::vector<double> one{1};
  for (const double wrong : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    CHECK_THROWS_AS((Intervals<double>(InSeconds<double>{one, Seconds{wrong}})), DomainError);
  const std::vector<std::uint8_t> mask{1, 0};
  CHECK_THROWS_WITH(detail::check_observed(mask, 3), "observed (one a step): expected 3, got 2");
  CHECK_NOTHROW(detail::check_observed({}, 3));
}
