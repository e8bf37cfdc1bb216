#include "ssm/core/missing.hpp"
#include "support/catch.hpp"

using namespace ssm;

TEST_CASE("numbers that are missing become 0, and may be named", "[core]") {
  const double nan = std::nan("");
  const std::vector<double> u{1, nan, nan, nan, 3, 4};
  const ConstSequence<double> rows(u.data(), 3, 2);
  CHECK(observed_steps<double>(rows) == std::vector<std::uint8_t>{1, 0, 1});
  std::vector<double> filled(6), told(12);
  fill_missing<double>(rows, {filled.data(), 3, 2});
  CHECK(filled == std::vector<double>{1, 0, 0, 0, 3, 4});
  fill_missing<double>(rows, {told.data(), 3, 4});
  CHECK(told == std::vector<double>{1, 0, 1, 0, 0, 0, 0, 0, 3, 4, 1, 1});
  std::vector<double> own = u;
  fill_missing<double>(ConstSequence<double>(own.data(), 3, 2), {own.data(), 3, 2});
  CHECK(own == filled);
  CHECK_THROWS_WITH(fill_missing<double>(rows, {told.data(), 3, 3}),
                    "features of the filled (once or twice the inputs): expected 4, got 3");
  CHECK_THROWS_AS(fill_missing<double>(rows, {told.data(), 2, 2}), ShapeError);
}
