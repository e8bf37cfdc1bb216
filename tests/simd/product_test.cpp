#include "ssm/simd/product.hpp"

#include "ssm/core/random.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"

#include <cmath>
#include <limits>
#include <vector>

using ssm::Index;
using ssm::simd::MatrixView;

namespace {

template <class T>
std::vector<T> drawn(Index size) {
  static ssm::Random random(1);
  std::vector<T> numbers(static_cast<std::size_t>(size));
  for (auto& each : numbers) each = static_cast<T>(random.normal());
  return numbers;
}
template <class T>
struct Product {
  Index rows, columns, depth;
  std::vector<T> a = drawn<T>(rows * depth), b = drawn<T>(depth * columns),
                 before = drawn<T>((rows + 2) * (columns + 2));

  /// Checks that `got` is before + a b where c lies, within the rounding of a sum, and `before` elsewhere.
  void check(const std::vector<T>& got, MatrixView<const T> a_view, MatrixView<const T> b_view, Index row,
             Index column) const {
    std::vector<double> expected(before.begin(), before.end()), size(before.size(), 0);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < columns; ++j) {
        const auto at = static_cast<std::size_t>(i * row + j * column);
        size[at] = std::abs(expected[at]);
        for (Index k = 0; k < depth; ++k) {
          const double term = static_cast<double>(a_view(i, k)) * static_cast<double>(b_view(k, j));
          expected[at] += term;
          size[at] += std::abs(term);
        }
      }
    const double unit = static_cast<double>(std::numeric_limits<T>::epsilon());
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double error = std::abs(static_cast<double>(got[i]) - expected[i]);
      if (!(error <= (static_cast<double>(depth) + 2) * unit * size[i])) {
        CAPTURE(rows, columns, depth, i, got[i], expected[i]);
        REQUIRE(error <= (static_cast<double>(depth) + 2) * unit * size[i]);
      }
    }
  }
};

}  // namespace

TEMPLATE_TEST_CASE("a product is its definition, in every layout, and allocates nothing", "[simd]", float, double) {
  using T = TestType;
  const auto check = [&]<class Arch>(Arch) {
    for (const Index rows : {0, 1, 2, 5, 7, 13, 27, 400})
      for (const Index columns : {0, 1, 8, 15, 17, 32, 49})
        for (const Index depth : {0, 1, 2, 256, 257, 600}) {
          if (rows == 400 && (depth > 256 || columns % 16 != 1)) continue;
          const Product<T> product{rows, columns, depth};
          for (const bool a_by_rows : {true, false})
            for (const bool b_by_rows : {true, false})
              for (const bool c_by_rows : {true, false}) {
                const MatrixView<const T> a = a_by_rows ? ssm::simd::row_major(product.a.data(), rows, depth)
                                                        : ssm::simd::column_major(product.a.data(), rows, depth),
                                          b = b_by_rows ? ssm::simd::row_major(product.b.data(), depth, columns)
                                                        : ssm::simd::column_major(product.b.data(), depth, columns);
                const Index row = c_by_rows ? columns + 2 : 1, column = c_by_rows ? 1 : rows + 2;
                auto got = product.before;
                const support::AllocationCounter counter;
                ssm::simd::add_product<Arch>(MatrixView<T>{got.data(), rows, columns, row, column}, a, b);
                CHECK(counter.count() == 0);
                product.check(got, a, b, row, column);
              }
        }
  };
  check(ssm::simd::native{});
  check(ssm::simd::scalar{});
}

TEMPLATE_TEST_CASE("a product with kept panels has the bits of one without, at every address, for every part", "[simd]",
                   float, double) {
  using T = TestType;
  for (const auto& [rows, columns, depth] : {std::array<Index, 3>{1, 1, 1},
                                             {130, 70, 300},
                                             {3, 65, 17},
                                             {500, 16, 5},
                                             {1, 300, 520},
                                             {4, 5, 0},
                                             {0, 5, 4},
                                             {5, 0, 4}}) {
    CAPTURE(rows, columns, depth);
    const Product<T> product{rows, columns, depth};
    const auto b = ssm::simd::row_major(product.b.data(), depth, columns);
    auto expected = product.before;
    const auto in = [r = rows, n = columns](T* data) { return MatrixView<T>{data, r, n, n + 2, 1}; };
    ssm::simd::add_product(in(expected.data()), ssm::simd::row_major(product.a.data(), rows, depth), b);
    ssm::simd::Panels<T> kept(depth, columns);
    for (Index k = 0; k < depth; ++k)
      for (Index j = 0; j < columns; ++j) kept(k, j) = b(k, j);
    for (const Index shift : {0, 1, 3, 7}) {
      std::vector<T> a(static_cast<std::size_t>(shift)), c = a;
      a.insert(a.end(), product.a.begin(), product.a.end());
      c.insert(c.end(), product.before.begin(), product.before.end());
      const auto a_there = ssm::simd::row_major<const T>(a.data() + shift, rows, depth);
      const auto begun = c;
      const support::AllocationCounter counter;
      kept.add_product(in(c.data() + shift), a_there);
      CHECK(counter.count() == 0);
      CHECK(std::equal(expected.begin(), expected.end(), c.begin() + shift));
      c = begun;  // the same in parts: some rows, then the others
      const Index part = rows / 3;
      kept.add_product(in(c.data() + shift).middle_rows(0, part), a_there.middle_rows(0, part));
      kept.add_product(in(c.data() + shift).middle_rows(part, rows - part), a_there.middle_rows(part, rows - part));
      CHECK(std::equal(expected.begin(), expected.end(), c.begin() + shift));
    }
  }
}

TEMPLATE_TEST_CASE("a row with a part of kept panels is its definition", "[simd]", float, double) {
  using T = TestType;
  const auto check = [&]<class Arch>(Arch) {
    for (const auto& [rows, columns] : {std::array<Index, 2>{1, 1}, {5, 7}, {40, 16}, {33, 100}, {300, 131}})
      for (const Index top : {Index{0}, rows / 3})
        for (const Index left : {Index{0}, columns / 3, columns - 1})
          for (const Index right : {left, columns / 2, columns}) {
            if (right < left) continue;
            const Index depth = rows - top;
            const Product<T> product{1, right - left, depth};
            ssm::simd::Panels<T> kept(rows, columns);
            std::vector<T> b(static_cast<std::size_t>(rows * columns));
            for (Index k = 0; k < rows; ++k)
              for (Index j = 0; j < columns; ++j)
                kept(k, j) = b[static_cast<std::size_t>(k * columns + j)] = drawn<T>(1)[0];
            auto got = product.before;
            const support::AllocationCounter counter;
            kept.template add_row<Arch>(top, std::span(product.a), left,
                                        std::span(got.data(), static_cast<std::size_t>(right - left)));
            CHECK(counter.count() == 0);
            const auto all = ssm::simd::row_major<const T>(b.data(), rows, columns);
            product.check(got, ssm::simd::row_major<const T>(product.a.data(), 1, depth),
                          all.middle_rows(top, depth).middle_columns(left, right - left), right - left + 2, 1);
          }
  };
  check(ssm::simd::native{});
  check(ssm::simd::scalar{});
}
