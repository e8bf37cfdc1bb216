#include "ssm/core/array.hpp"
#include "support/catch.hpp"

#include <cstdint>

TEST_CASE("an array is row-major, zero at first and equal by value", "[core]") {
  ssm::Array<int> array(2, 3, 4);
  CHECK(array.size() == 24);
  CHECK(std::all_of(array.begin(), array.end(), [](int value) { return value == 0; }));
  array(1, 2, 3) = 7;
  CHECK(array.data()[23] == 7);
  CHECK(array.row(1).back() == 7);
  CHECK(array.row(1).size() == 12);
  auto copy = array;
  CHECK(copy == array);
  copy(0) = 1;
  CHECK_FALSE(copy == array);
}

TEST_CASE("a shape that disagrees is named", "[core]") {
  const ssm::Array<float> array(2, 3);
  CHECK_NOTHROW(ssm::detail::require_shape("P", array, 2, 3));
  CHECK_THROWS_WITH(ssm::detail::require_shape("P", array, 2, 4), "P: expected shape (2, 4, 1), got (2, 3, 1)");
  CHECK_THROWS_AS(ssm::Array<float>(-1), ssm::DomainError);
}

TEST_CASE("an array begins at a cache line", "[core]") {
  for (const ssm::Index size : {1, 3, 100, 10'000}) {
    const ssm::Array<float> array(size);
    CHECK(reinterpret_cast<std::uintptr_t>(array.data()) % 64 == 0);
  }
}
