#include "ssm/discretize/bilinear.hpp"
#include "ssm/discretize/dense.hpp"
#include "support/golden.hpp"
#include "system/random_system.hpp"

using namespace ssm;

TEST_CASE("Woodbury's form is the dense bilinear discretization", "[discretize]") {
  const Index N = GENERATE(1, 2, 7, 32), R = GENERATE(0, 1, 2);
  const double dt = GENERATE(1e-12, 1e-3, 0.1, 100.0);
  const auto system = support::random_dplr(N, R, 11, GENERATE(false, true));
  const auto woodbury = dense(discretize(Bilinear{}, system, dt));
  const auto exact = discretize(Bilinear{}, dense(system), dt);
  CAPTURE(N, R, dt);
  CHECK((woodbury.A_bar - exact.A_bar).cwiseAbs().maxCoeff() <= 1e-11);
  CHECK((woodbury.B_bar - exact.B_bar).cwiseAbs().maxCoeff() <= 1e-11 * exact.B_bar.cwiseAbs().maxCoeff());
}

TEST_CASE("the bilinear step obeys the trapezoid rule", "[discretize]") {
  const auto system = dense(support::random_dplr(8, 1, 3));
  const double dt = 0.05, u = 0.7;
  const auto discrete = discretize(Bilinear{}, system, dt);
  const Eigen::VectorXd x = Eigen::VectorXd::LinSpaced(8, -1, 1), next = discrete.A_bar * x + discrete.B_bar * u;
  const Eigen::VectorXd residual = next - x - dt * (system.A * (x + next) / 2 + system.B * u);
  CHECK(residual.cwiseAbs().maxCoeff() <= 1e-13);
}

TEST_CASE("the bilinear discretization refuses bad steps and sizes", "[discretize]") {
  const auto system = support::random_dplr(4, 1, 1);
  for (const double dt : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    CHECK_THROWS_AS(discretize(Bilinear{}, system, dt), DomainError);
    CHECK_THROWS_AS(discretize(Bilinear{}, dense(system), dt), DomainError);
  }
  const DiagonalSystem<double> diagonal{4, system.Lambda, system.B, system.C};
  CHECK_THROWS_AS(discretize(Bilinear{}, diagonal, Vector<double>(Vector<double>::Ones(3))), ShapeError);
}

TEST_CASE("bilinear discretization of one mode is the reference's", "[discretize][golden]") {
  for (const auto& path : support::golden_files("discretize", "diagonal")) {
    const support::Safetensors file(path);
    const auto z = file["z_ri"].complex(), A = file["bilinear_A_ri"].complex(), B = file["bilinear_B_ri"].complex();
    for (std::size_t i = 0; i < z.size(); ++i) {
      const DiagonalSystem<double> mode{2, Vector<Complex<double>>::Constant(1, z[i]),
                                        Matrix<Complex<double>>::Ones(1, 1), Matrix<Complex<double>>::Ones(1, 1)};
      const auto got = discretize(Bilinear{}, mode, 1.0);
      CAPTURE(path, z[i]);
      CHECK(std::abs(got.Lambda_bar(0) - A[i]) <= file.tolerance() * std::abs(A[i]));
      CHECK(std::abs(got.B_bar(0, 0) - B[i]) <= file.tolerance() * std::abs(B[i]));
    }
  }
}
