#include "ssm/core/gemm.hpp"
#include "ssm/core/random.hpp"
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

TEMPLATE_TEST_CASE("row-major products, transposed or not, are their definition at every address", "[core]", float,
                   double) {
  using T = TestType;
  using enum ssm::detail::Transposed;
  const auto check = [&]<ssm::detail::Transposed transposed, bool by_kernel>() {
    for (const auto& [rows, columns, depth] : {std::array<Index, 3>{1, 1, 1},
                                               {40, 37, 90},
                                               {3, 35, 17},
                                               {1, 30, 50},
                                               {30, 1, 50},
                                               {5, 4, 3},
                                               {0, 4, 40},
                                               {4, 0, 40},
                                               {40, 4, 0}}) {
      CAPTURE(rows, columns, depth, by_kernel);
      const Index a_rows = transposed == left ? depth : rows, a_columns = transposed == left ? rows : depth,
                  b_rows = transposed == right ? columns : depth, b_columns = transposed == right ? depth : columns;
      ssm::Random random(1);
      const auto drawn = [&](Index size) {
        std::vector<T> numbers(static_cast<std::size_t>(size));
        for (auto& each : numbers) each = static_cast<T>(random.normal());
        return numbers;
      };
      const auto a = drawn(a_rows * a_columns), b = drawn(b_rows * b_columns), before = drawn(rows * (columns + 2));
      std::vector<T> at_first;
      for (const std::size_t shift : {0U, 1U, 3U}) {
        const auto moved = [&](const std::vector<T>& from) {
          std::vector<T> to(from.size() + shift);
          std::copy(from.begin(), from.end(), to.begin() + static_cast<std::ptrdiff_t>(shift));
          return to;
        };
        const auto a_there = moved(a), b_there = moved(b);
        auto got = moved(before);
        ssm::detail::add_product<transposed, T, by_kernel>({got.data() + shift, rows, columns, columns + 2},
                                                           {a_there.data() + shift, a_rows, a_columns, a_columns},
                                                           {b_there.data() + shift, b_rows, b_columns, b_columns});
        got.erase(got.begin(), got.begin() + static_cast<std::ptrdiff_t>(shift));
        if (shift == 0) at_first = got;
        if (by_kernel) CHECK(got == at_first);
        for (Index i = 0; i < rows; ++i)
          for (Index j = 0; j < columns + 2; ++j) {
            const auto at = static_cast<std::size_t>(i * (columns + 2) + j);
            double expected = static_cast<double>(before[at]);
            for (Index k = 0; k < depth && j < columns; ++k)
              expected +=
                  static_cast<double>(a[std::size_t(transposed == left ? k * a_columns + i : i * a_columns + k)]) *
                  static_cast<double>(b[std::size_t(transposed == right ? j * b_columns + k : k * b_columns + j)]);
            CHECK(std::abs(static_cast<double>(got[at]) - expected) <= 500 * std::numeric_limits<T>::epsilon());
          }
      }
    }
  };
  check.template operator()<none, true>();
  check.template operator()<left, true>();
  check.template operator()<right, true>();
  check.template operator()<none, false>();
  check.template operator()<left, false>();
  check.template operator()<right, false>();
}
