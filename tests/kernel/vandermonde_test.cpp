#include "ssm/kernel/vandermonde.hpp"
#include "ssm/core/random.hpp"
#include "ssm/discretize/bilinear.hpp"
#include "ssm/discretize/zero_order_hold.hpp"
#include "ssm/kernel/krylov.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/limit.hpp"
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

TEST_CASE("the Vandermonde kernel's vjp is the limit of differences", "[kernel][gradient]") {
  Random random(11);
  for (const Index states : {1, 7, 8}) {
    const Index M = modes_of(states), L = 40;
    DiscreteDiagonalSystem<double> system{states, Vector<Complex<double>>(M), Matrix<Complex<double>>(M, 1),
                                          Matrix<Complex<double>>(1, M)};
    for (Index n = 0; n < M; ++n) {
      const bool real = multiplicity(n, states) == 1;
      system.Lambda_bar(n) = std::polar(random.uniform(0.7, 0.99), real ? 0.0 : random.uniform(0, 3));
      const auto draw = [&] { return Complex<double>(random.normal(), real ? 0.0 : random.normal()); };
      system.B_bar(n, 0) = draw();
      system.C(0, n) = draw();
    }
    const Vector<double> dK = Vector<double>::NullaryExpr(L, [&] { return random.normal(); });
    DiscreteDiagonalSystem<double> found{states, Vector<Complex<double>>::Zero(M), Matrix<Complex<double>>::Zero(M, 1),
                                         Matrix<Complex<double>>::Zero(1, M)};
    kernel::vandermonde_vjp(system, dK, found);
    const auto check = [&](Complex<double>& number, Complex<double> expected) {
      const Complex<double> kept = number;
      const auto limit = [&](Complex<double> along) {
        return support::limit_of_differences(
            [&](double moved) {
              number = kept + moved * along;
              const double value = kernel::vandermonde(system, L).dot(dK);
              number = kept;
              return value;
            },
            1e-3);
      };
      CHECK(std::abs(limit(1) - expected.real()) <= 1e-8 * (1 + std::abs(expected)));
      if (kept.imag() != 0)
        CHECK(std::abs(limit(Complex<double>(0, 1)) - expected.imag()) <= 1e-8 * (1 + std::abs(expected)));
    };
    for (Index n = 0; n < M; ++n) {
      check(system.Lambda_bar(n), found.Lambda_bar(n));
      check(system.B_bar(n, 0), found.B_bar(n, 0));
      check(system.C(0, n), found.C(0, n));
    }
  }
}
