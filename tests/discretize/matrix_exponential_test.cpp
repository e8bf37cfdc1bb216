#include "ssm/discretize/matrix_exponential.hpp"
#include "ssm/hippo/measure.hpp"
#include "support/catch.hpp"

using namespace ssm;

namespace {

using Wide = Eigen::Matrix<long double, -1, -1>;

/// e^A by its series, of A / 2^k squared k times, in more digits than fp64 has.
Wide by_series(const Wide& A) {
  int squarings = 0;
  for (long double norm = A.norm(); norm > 0.5L; norm /= 2) ++squarings;
  const Wide scaled = A / std::ldexp(1.0L, squarings);
  Wide term = Wide::Identity(A.rows(), A.cols()), sum = term;
  for (int k = 1; k < 40; ++k) {
    term = (term * scaled / k).eval();
    sum += term;
  }
  for (; squarings > 0; --squarings) sum = (sum * sum).eval();
  return sum;
}

double relative_error(const Eigen::MatrixXd& A) {
  const Wide exact = by_series(A.cast<long double>());
  return double((detail::matrix_exponential(A).cast<long double>() - exact).norm() / exact.norm());
}

}  // namespace

TEST_CASE("the matrix exponential is its series", "[discretize]") {
  for (const Index N : {1, 2, 5, 16, 33, 64})
    for (const double dt : {1e-12, 1e-4, 1e-2, 0.3, 1.0}) {
      CAPTURE(N, dt);
      CHECK(relative_error(dt * hippo::transition(hippo::LegS{}, N)) <= 1e-13 * double(N));
      CHECK(relative_error(dt * hippo::transition(hippo::LegT{}, N)) <= 1e-13 * double(N));
      CHECK(relative_error(dt * hippo::transition(hippo::Fourier{}, N)) <= 1e-13 * double(N));
    }
}

TEST_CASE("the matrix exponential of a diagonal matrix, a nilpotent one and none", "[discretize]") {
  const Eigen::VectorXd exponents = Eigen::VectorXd::LinSpaced(9, -30, 3);
  const Eigen::MatrixXd power = detail::matrix_exponential(Eigen::MatrixXd(exponents.asDiagonal()));
  for (Index n = 0; n < 9; ++n)
    for (Index m = 0; m < 9; ++m)
      CHECK(std::abs(power(n, m) - (n == m ? std::exp(exponents(n)) : 0)) <= 1e-13 * std::exp(exponents(n)));

  Eigen::MatrixXd shift = Eigen::MatrixXd::Zero(3, 3);
  shift(0, 1) = 1e3;
  shift(1, 2) = 1e3;
  Eigen::MatrixXd exact(3, 3);
  exact << 1, 1e3, 5e5, 0, 1, 1e3, 0, 0, 1;
  CHECK((detail::matrix_exponential(shift) - exact).norm() <= 1e-13 * exact.norm());

  CHECK(detail::matrix_exponential(Eigen::MatrixXd(0, 0)).size() == 0);
  const Eigen::MatrixXd still = detail::matrix_exponential(Eigen::MatrixXd(Eigen::MatrixXd::Zero(4, 4)));
  CHECK((still - Eigen::MatrixXd::Identity(4, 4)).norm() <= 1e-15);
}
