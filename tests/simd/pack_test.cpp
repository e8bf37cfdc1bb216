#include "ssm/simd/pack.hpp"
#include "support/catch.hpp"

#include <array>
#include <cmath>
#include <tuple>

using namespace ssm;

template <class T, class A>
struct Of {
  using scalar = T;
  using pack = simd::Pack<T, A>;
};
using AllPacks =
    std::tuple<Of<float, simd::scalar>, Of<double, simd::scalar>, Of<float, simd::native>, Of<double, simd::native>>;

TEMPLATE_LIST_TEST_CASE("a pack does to each of its numbers what a number does", "[simd]", AllPacks) {
  using T = typename TestType::scalar;
  using Pack = typename TestType::pack;
  STATIC_REQUIRE(simd::group<T> % Pack::size == 0);
  std::array<T, std::size_t(Pack::size) + 1> a{}, b{}, c{}, got{};
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<T>(std::sin(double(i) + 1));
    b[i] = static_cast<T>(std::cos(3 * double(i)));
    c[i] = static_cast<T>(0.1 * double(i) - 0.3);
  }
  const auto load = [](const auto& x) { return Pack::load(x.data() + 1); };  // not aligned
  const auto check = [&](Pack result, auto expected) {
    result.store(got.data() + 1);
    for (std::size_t i = 1; i < a.size(); ++i)
      CHECK(std::abs(got[i] - expected(a[i], b[i], c[i])) <= 2 * std::numeric_limits<T>::epsilon());
  };
  check(load(a) + load(b), [](T x, T y, T) { return x + y; });
  check(load(a) - load(b), [](T x, T y, T) { return x - y; });
  check(load(a) * load(b), [](T x, T y, T) { return x * y; });
  check(load(a) / load(b), [](T x, T y, T) { return x / y; });
  check(fma(load(a), load(b), load(c)), [](T x, T y, T z) { return x * y + z; });
  check(fnma(load(a), load(b), load(c)), [](T x, T y, T z) { return z - x * y; });
  for (std::uint32_t bits : {0U, 1U, 0xA5A5U, 0xFFFFU}) {
    Pack::add_where(typename Pack::Mask(bits), load(a), load(b)).store(got.data() + 1);
    for (std::size_t i = 1; i < a.size(); ++i) CHECK(got[i] == (bits >> (i - 1) & 1 ? a[i] + b[i] : b[i]));
  }
  check(Pack(T(0.5)), [](T, T, T) { return T(0.5); });
  CHECK(got[0] == 0);  // nothing before the pack is touched
}
