#include "ssm/simd/complex_pack.hpp"
#include "ssm/core/random.hpp"
#include "support/catch.hpp"

#include <complex>
#include <vector>

using ssm::Index;

TEMPLATE_TEST_CASE("complex numbers in lanes are std::complex's", "[simd]", float, double) {
  using T = TestType;
  using Pack = ssm::simd::ComplexPack<T>;
  using Number = std::complex<double>;
  constexpr Index group = ssm::simd::group<T>, lanes = Pack::Part::size;
  ssm::Random random(1);
  const auto drawn = [&] {  // a group of real parts, then one of imaginary ones
    std::vector<T> numbers(static_cast<std::size_t>(2 * group));
    for (auto& each : numbers) each = static_cast<T>(random.normal());
    return numbers;
  };
  const auto a = drawn(), b = drawn(), c = drawn();
  const auto number = [&](const std::vector<T>& of, Index lane) {
    return Number(static_cast<double>(of[std::size_t(lane)]), static_cast<double>(of[std::size_t(group + lane)]));
  };
  const auto check = [&](const Pack& got, auto expected) {
    std::vector<T> stored(static_cast<std::size_t>(2 * group));
    got.store(stored.data());
    for (Index lane = 0; lane < lanes; ++lane)
      CHECK(std::abs(number(stored, lane) - expected(number(a, lane), number(b, lane), number(c, lane))) <=
            20 * std::numeric_limits<T>::epsilon());
  };
  const Pack x = Pack::load(a.data()), y = Pack::load(b.data()), z = Pack::load(c.data());
  check(x, [](Number p, Number, Number) { return p; });
  check(Pack::zero(), [](Number, Number, Number) { return Number(0); });
  check(x + y, [](Number p, Number q, Number) { return p + q; });
  check(x * y, [](Number p, Number q, Number) { return p * q; });
  check(conj(x), [](Number p, Number, Number) { return std::conj(p); });
  check(fma(x, y, z), [](Number p, Number q, Number r) { return p * q + r; });
  check(fma(x.re, y, z), [](Number p, Number q, Number r) { return p.real() * q + r; });
  check(fma_conj(x, y, z), [](Number p, Number q, Number r) { return p * std::conj(q) + r; });
  check(fma_conj(x.re, y, z), [](Number p, Number q, Number r) { return p.real() * std::conj(q) + r; });
  check(Pack{add_real(z.re, x, y), z.im},
        [](Number p, Number q, Number r) { return Number(r.real() + (p * q).real(), r.imag()); });
  check(Pack::add_where(typename Pack::Part::Mask(0U), x, y), [](Number, Number q, Number) { return q; });
  check(Pack::add_where(typename Pack::Part::Mask(0xFFFFU), x, y), [](Number p, Number q, Number) { return p + q; });
  check(settle(x), [](Number p, Number, Number) { return p; });
  const T tiny = std::numeric_limits<T>::min();
  check(settle(Pack{typename Pack::Part(tiny), typename Pack::Part(-tiny)}),
        [](Number, Number, Number) { return Number(0); });
  auto sum = b;
  x.add_to(sum.data());
  check(Pack::load(sum.data()), [](Number p, Number q, Number) { return p + q; });
}
