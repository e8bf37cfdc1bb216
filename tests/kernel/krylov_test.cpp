#include "ssm/kernel/krylov.hpp"
#include "ssm/discretize/bilinear.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "system/random_system.hpp"

using namespace ssm;

TEST_CASE("the kernel of one real mode is a geometric series", "[kernel]") {
  const DiscreteDenseSystem<double> system{Matrix<double>::Constant(1, 1, 0.5), Matrix<double>::Constant(1, 1, 3),
                                           Matrix<double>::Constant(1, 1, 2)};
  const auto K = kernel::krylov(system, 5);
  for (Index k = 0; k < 5; ++k) CHECK(K(k) == 6 * std::pow(0.5, k));
  CHECK(kernel::krylov(system, 0).size() == 0);
  CHECK_THROWS_AS(kernel::krylov(system, -1), DomainError);
}

TEST_CASE("a kernel has one input and one output", "[kernel]") {
  const DiscreteDenseSystem<double> system{Matrix<double>::Zero(2, 2), Matrix<double>::Zero(2, 3),
                                           Matrix<double>::Zero(1, 2)};
  CHECK_THROWS_WITH(kernel::krylov(system, 5), "inputs of the system: expected 1, got 3");
}

TEST_CASE("repeated squaring and thin factors give the Krylov kernel", "[kernel]") {
  const Index N = GENERATE(1, 2, 9, 33), length = GENERATE(0, 1, 2, 3, 64, 65, 100);
  const auto system = dense(discretize(Bilinear{}, support::random_dplr(N, 1, 17), 0.07));
  const auto exact = kernel::krylov(system, length);
  CAPTURE(N, length);
  for (const auto& K : {kernel::krylov_by_squaring(system, length), kernel::krylov_by_blocks(system, length)}) {
    REQUIRE(K.size() == length);
    if (length > 0) CHECK((K - exact).cwiseAbs().maxCoeff() <= 1e-12 * exact.cwiseAbs().maxCoeff());
  }
  CHECK_THROWS_AS(kernel::krylov_by_squaring(system, -1), DomainError);
  CHECK_THROWS_AS(kernel::krylov_by_blocks(system, -1), DomainError);
}

TEST_CASE("thin factors make no table, squaring does", "[kernel]") {
  const Index N = 64, length = 1 << 15;
  const auto system = dense(discretize(Bilinear{}, support::random_dplr(N, 1, 17), 0.01));
  const support::AllocationCounter counter;
  const auto blocks = kernel::krylov_by_blocks(system, length);
  CHECK(counter.peak_bytes() >= 8 * length);
  CHECK(counter.peak_bytes() <= 8 * 4 * length);
  const support::AllocationCounter again;
  CHECK((kernel::krylov_by_squaring(system, length) - blocks).cwiseAbs().maxCoeff() <= 1e-12);
  CHECK(again.peak_bytes() >= 8 * N * length);
}
