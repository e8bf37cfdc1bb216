#include "ssm/core/settle.hpp"
#include "support/catch.hpp"

#include <limits>

TEMPLATE_TEST_CASE("what has decayed settles at 0, what can be heard stays", "[core]", float, double) {
  using ssm::detail::settle;
  CHECK(settle(std::numeric_limits<TestType>::denorm_min()) == 0);
  CHECK(settle(std::numeric_limits<TestType>::min()) == 0);
  for (const TestType x : {TestType(1), TestType(-3e-7), TestType(1e-16)})
    CHECK(std::abs(settle(x) - x) <= std::abs(x) * std::numeric_limits<TestType>::epsilon());
}
