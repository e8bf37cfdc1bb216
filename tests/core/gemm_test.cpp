#include "ssm/core/gemm.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"

#include <Eigen/Core>

using ssm::Index;

TEMPLATE_TEST_CASE("a product adds to its result and allocates nothing", "[core]", float, double) {
  using M = Eigen::Matrix<TestType, -1, -1>;
  ssm::Gemm<TestType> gemm(70, 70, 300);
  for (const auto& [rows, cols, depth] :
       {std::array<Index, 3>{1, 1, 1}, {70, 70, 300}, {3, 65, 17}, {64, 1, 5}, {0, 4, 4}, {4, 4, 0}}) {
    const M left = M::Random(rows, depth), right = M::Random(depth, cols), before = M::Random(rows + 2, cols);
    M result = before;
    const support::AllocationCounter counter;
    gemm.add_product(rows, cols, depth, {left.data(), rows}, {right.data(), depth}, {result.data(), rows + 2});
    CHECK(counter.count() == 0);
    M expected = before;
    expected.topRows(rows) += left.lazyProduct(right);
    if (rows * cols > 0)
      CHECK((result - expected).cwiseAbs().maxCoeff() <= 300 * std::numeric_limits<TestType>::epsilon());
  }
  CHECK(gemm.bytes() > 0);
}

TEMPLATE_TEST_CASE("a product by Eigen's public operator is the same one", "[core]", float, double) {
  using M = Eigen::Matrix<TestType, -1, -1>;
  STATIC_REQUIRE(ssm::detail::EigenTakesBuffers<TestType>);
  ssm::Gemm<TestType> gemm(40, 40, 90);
  ssm::Gemm<TestType, false> by_operator(40, 40, 90);
  for (const auto& [rows, cols, depth] : {std::array<Index, 3>{1, 1, 1}, {40, 40, 90}, {3, 35, 17}, {0, 4, 4}}) {
    const M left = M::Random(rows, depth), right = M::Random(depth, cols), before = M::Random(rows + 2, cols);
    M expected = before, got = before;
    gemm.add_product(rows, cols, depth, {left.data(), rows}, {right.data(), depth}, {expected.data(), rows + 2});
    by_operator.add_product(rows, cols, depth, {left.data(), rows}, {right.data(), depth}, {got.data(), rows + 2});
    if (rows > 0) CHECK((got - expected).cwiseAbs().maxCoeff() <= 90 * std::numeric_limits<TestType>::epsilon());
  }
}
