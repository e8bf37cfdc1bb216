#include "ssm/core/error.hpp"
#include "support/catch.hpp"

#include <limits>

TEST_CASE("errors say what was expected and what came", "[core]") {
  CHECK_THROWS_WITH(ssm::detail::require_size("features of u", 3, 4), "features of u: expected 3, got 4");
  CHECK_THROWS_AS(ssm::detail::require_size("features of u", 3, 4), ssm::ShapeError);
  CHECK_THROWS_WITH(ssm::detail::require_at_least("length", 0, -1), "length: expected at least 0, got -1");
  CHECK_NOTHROW(ssm::detail::require_positive("dt", 1e-300));
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")})
    CHECK_THROWS_AS(ssm::detail::require_positive("dt", bad), ssm::DomainError);
  CHECK_NOTHROW(ssm::detail::require_range("dt", 0.1, 0.1));
  CHECK_THROWS_AS(ssm::detail::require_range("dt", 0.2, 0.1), ssm::DomainError);
  CHECK_THROWS_AS(ssm::detail::require_range("dt", 0.0, 0.1), ssm::DomainError);
}
