#include "ssm/kernel/cauchy.hpp"
#include "support/catch.hpp"
#include "system/random_system.hpp"

using namespace ssm;

TEST_CASE("the sums in real arithmetic are the sums over all modes", "[kernel]") {
  const Index N = GENERATE(1, 2, 5, 16), R = GENERATE(0, 1, 2), J = GENERATE(1, 3, 64);
  const auto system = support::random_dplr(N, R, 21, GENERATE(false, true));
  const RowVector<Complex<double>> C = system.C;
  std::vector<Complex<double>> nodes;
  for (Index j = 0; j < J; ++j) nodes.emplace_back(0.1 * double(j % 3), 40.0 * double(j - J / 2) / double(J) + 0.01);
  kernel::CauchySums cauchy(system, C);
  const auto sums = cauchy(nodes);
  for (Index j = 0; j < J; ++j)
    for (Index a = 0; a <= R; ++a)
      for (Index b = 0; b <= R; ++b) {
        Complex<double> expected = 0;
        double size = 0;
        for (Index n = 0; n < system.modes(); ++n) {
          const Complex<double> v =
              (a == 0 ? C(n) : std::conj(system.right()(n, a - 1))) * (b == 0 ? system.B(n) : system.P(n, b - 1));
          const Complex<double> g = nodes[std::size_t(j)], here = v / (g - system.Lambda(n));
          const Complex<double> mirrored = std::conj(v) / (g - std::conj(system.Lambda(n)));
          expected += multiplicity(n, N) == 2 ? here + mirrored : here;
          size += std::abs(here) + std::abs(mirrored);
        }
        CHECK(std::abs(sums(j, a * (1 + R) + b) - expected) <= 1e-12 * size);
      }
}
