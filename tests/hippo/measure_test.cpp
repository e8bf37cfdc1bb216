#include "ssm/hippo/measure.hpp"
#include "hippo/all_measures.hpp"
#include "support/golden.hpp"

using namespace ssm;

TEMPLATE_LIST_TEST_CASE("A plus the low-rank correction is a shifted skew matrix", "[hippo]", AllMeasures) {
  const Index N = GENERATE(1, 2, 3, 8, 31, 64);
  const Eigen::MatrixXd P = hippo::low_rank(TestType{}, N);
  Eigen::MatrixXd normal = hippo::transition(TestType{}, N) + P * P.transpose();
  normal.diagonal().array() -= normal.diagonal().mean();
  CHECK((normal + normal.transpose()).cwiseAbs().maxCoeff() <= 1e-15 * static_cast<double>(N * N));
  CHECK(hippo::transition(TestType{}, 0).size() == 0);
  CHECK_THROWS_AS(hippo::transition(TestType{}, -1), DomainError);
}

TEMPLATE_LIST_TEST_CASE("A, B and P are the published ones", "[hippo][golden]", AllMeasures) {
  for (const auto& path : support::golden_files("hippo", measure_name(TestType{}) + "_")) {
    const support::Safetensors file(path);
    const Index N = file["B"].size(0);
    CAPTURE(path, N);
    const Eigen::Matrix<double, -1, -1, Eigen::RowMajor> A = hippo::transition(TestType{}, N),
                                                         P = hippo::low_rank(TestType{}, N);
    CHECK(support::relative_error(A.reshaped<Eigen::RowMajor>(), file["A"].values) <= file.tolerance());
    CHECK(support::relative_error(P.reshaped<Eigen::RowMajor>(), file["P"].values) <= file.tolerance());
    CHECK(support::relative_error(hippo::input(TestType{}, N), file["B"].values) <= file.tolerance());
  }
}
