#include "ssm/hippo/operator.hpp"
#include "hippo/all_measures.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

#include <Eigen/LU>

using namespace ssm;

TEMPLATE_LIST_TEST_CASE("running sums are products and solutions with the HiPPO matrix", "[hippo]", AllMeasures) {
  const Index N = GENERATE(1, 2, 3, 8, 31, 64);
  const double step = GENERATE(0.0, 1e-9, 1e-3, 0.3, 50.0);
  const Eigen::MatrixXd A = hippo::transition(TestType{}, N);
  const Eigen::VectorXd c = Eigen::VectorXd::LinSpaced(N, -1, 2).array().sin();
  hippo::Operator<TestType> fast(N);
  Eigen::VectorXd product(N), solution = c;
  const support::AllocationCounter counter;
  fast.multiply(c, product);
  fast.solve(step, solution);
  CHECK(counter.count() == 0);
  CAPTURE(N, step);
  const double size = A.cwiseAbs().maxCoeff();
  CHECK((product - A * c).cwiseAbs().maxCoeff() <= tolerance::matrix(N) * size);
  const Eigen::MatrixXd implicit = Eigen::MatrixXd::Identity(N, N) - step * A;
  CHECK((implicit * solution - c).cwiseAbs().maxCoeff() <= tolerance::matrix(N) * (1 + step * size));
}
