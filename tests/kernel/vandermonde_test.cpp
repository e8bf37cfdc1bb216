#include "ssm/kernel/vandermonde.hpp"
#include "ssm/discretize/bilinear.hpp"
#include "ssm/discretize/zero_order_hold.hpp"
#include "ssm/kernel/krylov.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"
#include "system/random_system.hpp"

using namespace ssm;

TEMPLATE_TEST_CASE("the Vandermonde kernel is the Krylov kernel", "[kernel]", ZeroOrderHold, Bilinear) {
  const Index N = GENERATE(1, 2, 3, 8, 64), length = GENERATE(0, 1, 2, 97, 127, 128, 129, 1000);
  const double dt = GENERATE(1e-12, 1e-3, 1e-1, 10.0);
  const auto drawn = support::random_dplr(N, 0, 3);
  const auto system = discretize(TestType{}, DiagonalSystem<double>{N, drawn.Lambda, drawn.B, drawn.C}, dt);
  const auto exact = kernel::krylov(dense(dplr(system)), length), K = kernel::vandermonde(system, length);
  CAPTURE(N, length, dt);
  REQUIRE(K.size() == length);
  if (length > 0) CHECK((K - exact).cwiseAbs().maxCoeff() <= tolerance::kernel<double> * exact.cwiseAbs().maxCoeff());
}

TEST_CASE("nothing of size N x L is made", "[kernel]") {
  const Index N = 64, length = 1 << 17;
  const auto drawn = support::random_dplr(N, 0, 3);
  const auto system = discretize(ZeroOrderHold{}, DiagonalSystem<double>{N, drawn.Lambda, drawn.B, drawn.C}, 0.01);
  const support::AllocationCounter counter;
  const auto K = kernel::vandermonde(system, length);
  CHECK(counter.peak_bytes() >= 8 * length);
  CHECK(counter.peak_bytes() <= 8 * 4 * length);
}

TEST_CASE("the Vandermonde kernel has one input and one output", "[kernel]") {
  const DiscreteDiagonalSystem<double> wide{2, Vector<Complex<double>>::Zero(1), Matrix<Complex<double>>::Zero(1, 3),
                                            Matrix<Complex<double>>::Zero(1, 1)};
  CHECK_THROWS_WITH(kernel::vandermonde(wide, 4), "inputs of the system: expected 1, got 3");
  const DiscreteDiagonalSystem<double> one{2, Vector<Complex<double>>::Zero(1), Matrix<Complex<double>>::Zero(1, 1),
                                           Matrix<Complex<double>>::Zero(1, 1)};
  CHECK_THROWS_AS(kernel::vandermonde(one, -1), DomainError);
}
