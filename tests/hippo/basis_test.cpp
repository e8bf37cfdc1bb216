#include "ssm/hippo/basis.hpp"
#include "hippo/all_measures.hpp"
#include "support/catch.hpp"

using namespace ssm;

TEMPLATE_LIST_TEST_CASE("the basis functions are orthonormal over their measure", "[hippo]", AllMeasures) {
  // the mean over the window; LagT: the integral over all ages
  const Index N = 9;
  const bool laguerre = std::is_same_v<TestType, hippo::LagT>;
  const double reach = laguerre ? 150 : hippo::Basis<TestType>::extent;
  const int points = 200'000;
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(N, N);
  Eigen::VectorXd values(N);
  for (int i = 0; i < points; ++i) {
    const double age = (i + 0.5) / points * reach;
    for (Index n = 0; n < N; ++n) values(n) = hippo::Basis<TestType>::evaluate(Eigen::VectorXd::Unit(N, n), age);
    gram += values * values.transpose() * ((laguerre ? reach : 1) / points);
  }
  Eigen::MatrixXd expected = Eigen::MatrixXd::Identity(N, N);
  if (std::is_same_v<TestType, hippo::Fourier>) expected(1, 1) = expected(8, 8) = 0;
  if (std::is_same_v<TestType, hippo::Fourier>) expected(8, 8) = 1;  // the last cosine, its sine cut off
  CHECK((gram - expected).cwiseAbs().maxCoeff() <= 1e-4);
}
