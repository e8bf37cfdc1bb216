#include "ssm/kernel/thin_factors.hpp"
#include "support/catch.hpp"

using namespace ssm;

TEST_CASE("a power is the repeated product", "[kernel]") {
  Matrix<double> A(3, 3), product = Matrix<double>::Identity(3, 3);
  A << 0.9, 0.1, 0, -0.2, 0.8, 0.3, 0.1, 0, 0.7;
  for (Index exponent = 0; exponent < 20; ++exponent) {
    CHECK((kernel::power(A, exponent) - product).cwiseAbs().maxCoeff() <= 1e-15 * 20);
    product = (product * A).eval();
  }
}

TEST_CASE("a block is about the root of the length and at least one step", "[kernel]") {
  CHECK(kernel::block_of(0) == 1);
  CHECK(kernel::block_of(1) == 1);
  CHECK(kernel::block_of(10'000) == 100);
}
