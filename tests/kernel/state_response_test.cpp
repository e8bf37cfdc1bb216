#include "ssm/kernel/state_response.hpp"
#include "ssm/discretize/bilinear.hpp"
#include "support/catch.hpp"
#include "system/random_system.hpp"

using namespace ssm;

TEST_CASE("the thin factors give what stepping gives", "[kernel]") {
  const Index N = GENERATE(1, 2, 7, 16), length = GENERATE(0, 1, 2, 3, 15, 16, 17, 101);
  const auto system = dense(discretize(Bilinear{}, support::random_dplr(N, 1, 17), 0.07));
  Random random(1);
  const Vector<double> start = Vector<double>::NullaryExpr(N, [&] { return random.normal(); });
  std::vector<double> u(static_cast<std::size_t>(length));
  for (auto& sample : u) sample = random.normal();

  Vector<double> alone = start, driven = start, y(length);
  for (Index k = 0; k < length; ++k) {
    alone = (system.A_bar * alone).eval();
    driven = (system.A_bar * driven + system.B_bar * u[static_cast<std::size_t>(k)]).eval();
    y(k) = (system.C * alone)(0);
  }
  CAPTURE(N, length);
  const auto free = kernel::free_response(system, start, length);
  REQUIRE(free.size() == length);
  if (length > 0) CHECK((free - y).cwiseAbs().maxCoeff() <= 1e-11);
  const auto state = kernel::driven_state<double>(system, {std::span<const double>(u), 1}, start);
  CHECK((state - driven).cwiseAbs().maxCoeff() <= 1e-11);
  CHECK_THROWS_AS(kernel::free_response(system, Vector<double>(Vector<double>::Zero(N + 1)), 3), ShapeError);
}
