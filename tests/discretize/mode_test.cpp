#include "ssm/discretize/mode.hpp"
#include "ssm/discretize/bilinear.hpp"
#include "ssm/discretize/zero_order_hold.hpp"
#include "support/catch.hpp"
#include "system/random_system.hpp"

using namespace ssm;

TEMPLATE_TEST_CASE("Delta is A_bar - 1, and a mode of its own step is that of the system", "[discretize]",
                   ZeroOrderHold, Bilinear) {
  for (const Complex<double> z : {Complex<double>(0, 0), {-1e-12, 1e-9}, {-0.3, 2}, {-40, 0}, {0, 3}}) {
    const auto mode = discretize_mode(TestType{}, z);
    CHECK(std::abs(mode.A_bar - 1.0 - mode.Delta) <= 4e-16);
    if (std::abs(z) < 1e-8) CHECK(std::abs(mode.Delta - z) <= 1e-8 * std::abs(z));  // its own digits
    CHECK(std::abs(mode.Delta - z * mode.gain) <= 1e-15 * std::abs(mode.Delta));    // both rules: A_bar - 1 = z gain
  }
  const auto drawn = support::random_dplr(5, 0, 4);
  const DiagonalSystem<double> system{5, drawn.Lambda, drawn.B, drawn.C};
  Vector<double> dt(3);
  dt << 0.01, 0.1, 1;
  const auto discrete = discretize(TestType{}, system, dt);
  for (Index n = 0; n < 3; ++n) {
    const auto mode = discretize_mode(TestType{}, Complex<double>(dt(n) * system.Lambda(n)));
    CHECK(discrete.Lambda_bar(n) == mode.A_bar);
    CHECK(std::abs(discrete.B_bar(n, 0) - dt(n) * mode.gain * system.B(n, 0)) <= 1e-15);
  }
  CHECK_THROWS_WITH(discretize(TestType{}, system, Vector<double>(Vector<double>::Ones(2))),
                    "steps dt: expected 3, got 2");
}
