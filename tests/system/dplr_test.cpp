#include "ssm/system/dplr.hpp"
#include "support/catch.hpp"
#include "system/random_system.hpp"

#include <Eigen/Eigenvalues>

using namespace ssm;

TEST_CASE("the real dense form is the system over all conjugate modes", "[system]") {
  const Index N = GENERATE(1, 2, 3, 6, 7), R = GENERATE(0, 1, 2);
  const auto system = support::random_dplr(N, R, 5, GENERATE(false, true));
  const auto real = dense(system);
  REQUIRE_NOTHROW(real.check());
  // write out all N modes and compare C A^k B
  const Index M = system.modes(), odd = N % 2;
  Vector<Complex<double>> Lambda(N), B(N);
  Matrix<Complex<double>> P(N, R), Q(N, R);
  RowVector<Complex<double>> C(N);
  Lambda << system.Lambda, system.Lambda.tail(M - odd).conjugate();
  B << system.B, system.B.tail(M - odd).conjugate();
  C << system.C, system.C.tail(M - odd).conjugate();
  P << system.P, system.P.bottomRows(M - odd).conjugate();
  Q << system.right(), system.right().bottomRows(M - odd).conjugate();
  const Matrix<Complex<double>> A = Matrix<Complex<double>>(Lambda.asDiagonal()) - P * Q.adjoint();
  Vector<Complex<double>> x = B;
  Vector<double> x_real = real.B;
  for (int k = 0; k < 4; ++k) {
    const Complex<double> all = (C * x)(0);
    CHECK((real.C * x_real)(0) == Approx(all.real()).epsilon(1e-12).margin(1e-9));
    x = A * x;
    x_real = real.A * x_real;
  }
}

TEST_CASE("a diagonal system is one of rank 0", "[system]") {
  const auto system = support::random_dplr(5, 0, 2);
  const auto diagonal = dense(DiagonalSystem<double>{5, system.Lambda, system.B, system.C});
  CHECK(diagonal.A == dense(system).A);
  CHECK(diagonal.C == dense(system).C);
}

TEST_CASE("with Q = P no eigenvalue lies right of Lambda; with a Q of its own one can cross the axis", "[system]") {
  DplrSystem<double> system = support::random_dplr(8, 1, GENERATE(as<std::uint64_t>{}, 1, 2, 3, 4));
  const auto rightmost = [&] { return dense(system).A.eigenvalues().real().maxCoeff(); };
  CHECK(rightmost() <= system.Lambda.real().maxCoeff() + 1e-12);
  system.Q = -4 * system.P;
  CHECK(rightmost() > 0);
}

TEST_CASE("sizes of a system that disagree are named", "[system]") {
  auto system = support::random_dplr(6, 1, 2);
  system.B.resize(4);
  CHECK_THROWS_WITH(system.check(), "modes of B: expected 3, got 4");
  system = support::random_dplr(6, 1, 2);
  system.Q = Matrix<Complex<double>>::Zero(3, 2);
  CHECK_THROWS_WITH(system.check(), "rank of Q: expected 1, got 2");
  system.Q = Matrix<Complex<double>>::Zero(2, 1);
  CHECK_THROWS_WITH(system.check(), "rows of Q: expected 3, got 2");
  CHECK_THROWS_AS((DenseSystem<double>{Eigen::MatrixXd(2, 3), Eigen::MatrixXd(2, 1), Eigen::MatrixXd(1, 2)}.check()),
                  ShapeError);
}
