#include "ssm/core/batch.hpp"
#include "support/catch.hpp"

#include <numeric>
#include <vector>

using namespace ssm;

TEST_CASE("a batch is a view of sequences with lengths of their own", "[core]") {
  std::vector<float> values(2 * 5 * 3);
  std::iota(values.begin(), values.end(), 0.0F);
  const std::vector<Index> lengths{5, 2};
  const Batch<float> batch(values.data(), 2, 5, 3, lengths);
  CHECK(batch[0].length() == 5);
  CHECK(batch[1].length() == 2);
  CHECK(batch[1](1, 2) == 20);
  CHECK(batch.first_steps(1, 5)(4, 2) == 29);
  const ConstBatch<float> readable = batch;
  CHECK(readable.length(1) == 2);
  CHECK(Batch<float>(values.data(), 2, 5, 3)[1].length() == 5);
  const Batch<float> one(Sequence<float>(values.data(), 4, 2, 3));
  CHECK(one.size() == 1);
  CHECK(one[0](3, 1) == 10);
}

TEST_CASE("sizes that make no batch are refused", "[core]") {
  std::vector<float> values(30);
  const std::vector<Index> short_of_one{5}, too_long{5, 6}, negative{-1, 5};
  CHECK_THROWS_WITH(Batch<float>(values.data(), 2, 5, 3, short_of_one), "lengths of a batch: expected 2, got 1");
  CHECK_THROWS_AS(Batch<float>(values.data(), 2, 5, 3, too_long), DomainError);
  CHECK_THROWS_AS(Batch<float>(values.data(), 2, 5, 3, negative), DomainError);
  CHECK_THROWS_AS(Batch<float>(values.data(), -2, 5, 3), DomainError);
}
