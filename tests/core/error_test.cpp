#include "ssm/core/error.hpp"
#include "support/catch.hpp"

#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

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

TEST_CASE("a message writes texts, whole and real numbers, and complex ones", "[core]") {
  using ssm::detail::message;
  CHECK(message() == "");
  CHECK(message("name ", std::string("of a tensor"), std::string_view(": "), 'x') == "name of a tensor: x");
  CHECK(message(-3, ' ', std::size_t(7), ' ', true) == "-3 7 1");
  CHECK(message(std::numeric_limits<long long>::min(), ' ', std::numeric_limits<std::uint64_t>::max()) ==
        "-9223372036854775808 18446744073709551615");
  CHECK(message(0.1, ' ', 0.5F, ' ', -1e300) == "0.10000000000000001 0.5 -1.0000000000000001e+300");
  CHECK(message(std::numeric_limits<double>::infinity(), ' ', std::nan("")) == "inf nan");
  CHECK(message(std::complex<double>(1.5, -2)) == "(1.5,-2)");
  CHECK(message(std::complex<float>(0.5F, 0)) == "(0.5,0)");
}
