#include "ssm/discretize/zero_order_hold.hpp"
#include "ssm/discretize/dense.hpp"
#include "support/catch.hpp"
#include "system/random_system.hpp"

using namespace ssm;

namespace {
DiagonalSystem<double> random_diagonal(Index N) {
  const auto system = support::random_dplr(N, 0, 8);
  return {N, system.Lambda, system.B, system.C};
}
}  // namespace

TEST_CASE("the diagonal zero-order hold is the dense one", "[discretize]") {
  const Index N = GENERATE(1, 2, 7);
  const double dt = GENERATE(1e-12, 1e-3, 0.3);
  const auto system = random_diagonal(N);
  const auto exact = discretize(ZeroOrderHold{}, dense(system), dt);
  const auto modes = discretize(ZeroOrderHold{}, system, dt);
  const detail::RealForm<double> form{N};
  CHECK((form.diagonal(modes.Lambda_bar) - exact.A_bar).cwiseAbs().maxCoeff() <= 1e-13);
  CHECK((form.columns(modes.B_bar) - exact.B_bar).cwiseAbs().maxCoeff() <= 1e-13 * exact.B_bar.cwiseAbs().maxCoeff());
  CHECK_THROWS_AS(discretize(ZeroOrderHold{}, system, -1.0), DomainError);
}

template <class System>
concept HasZeroOrderHold = requires(const System& system) {
  discretize(ZeroOrderHold{}, system, 0.1);
};

TEST_CASE("a diagonal plus low rank system has no zero-order hold", "[discretize]") {
  STATIC_REQUIRE(HasZeroOrderHold<DenseSystem<double>>);
  STATIC_REQUIRE(HasZeroOrderHold<DiagonalSystem<double>>);
  STATIC_REQUIRE_FALSE(HasZeroOrderHold<DplrSystem<double>>);
}
