#include "ssm/discretize/dense.hpp"
#include "ssm/hippo/measure.hpp"
#include "support/golden.hpp"

using namespace ssm;

namespace {

DenseSystem<double> stored(const support::Safetensors& file) {
  const Index N = file["A"].size(0);
  using RowMajor = Eigen::Matrix<double, -1, -1, Eigen::RowMajor>;
  return {Eigen::Map<const RowMajor>(file["A"].values.data(), N, N),
          Eigen::Map<const RowMajor>(file["B"].values.data(), N, 1), Eigen::MatrixXd::Zero(1, N)};
}

template <class Method>
void check_method(Method method, const std::string& name) {
  for (const auto& path : support::golden_files("discretize", "dense_")) {
    const support::Safetensors file(path);
    const auto discrete = discretize(method, stored(file), file["dt"].values[0]);
    CAPTURE(path, name);
    CHECK(support::relative_error(discrete.A_bar.template reshaped<Eigen::RowMajor>(), file["A_bar_" + name].values) <=
          file.tolerance());
    CHECK(support::relative_error(discrete.B_bar.reshaped(), file["B_bar_" + name].values) <= file.tolerance());
  }
}

}  // namespace

TEST_CASE("dense discretizations are the reference's", "[discretize][golden]") {
  check_method(Bilinear{}, "bilinear");
  check_method(ZeroOrderHold{}, "zoh");
  check_method(ForwardEuler{}, "forward_euler");
  check_method(BackwardEuler{}, "backward_euler");
}

namespace {
DenseSystem<double> legs(Index N) {
  return {hippo::transition(hippo::LegS{}, N), hippo::input(hippo::LegS{}, N), Eigen::MatrixXd::Ones(1, N)};
}
}  // namespace

TEST_CASE("the generalized bilinear step obeys its rule", "[discretize]") {
  const double alpha = GENERATE(0.0, 0.3, 0.5, 0.7, 1.0), dt = 0.05, u = 0.7;
  const auto system = legs(6);
  const auto discrete = discretize(GeneralizedBilinear{alpha}, system, dt);
  const Eigen::VectorXd x = Eigen::VectorXd::LinSpaced(6, -1, 1), next = discrete.A_bar * x + discrete.B_bar * u;
  const Eigen::VectorXd residual = next - x - dt * (system.A * ((1 - alpha) * x + alpha * next) + system.B * u);
  CHECK(residual.cwiseAbs().maxCoeff() <= 1e-13);
}

TEST_CASE("two half steps of zero-order hold with the input held are one whole step", "[discretize]") {
  const auto system = legs(6);
  const auto whole = discretize(ZeroOrderHold{}, system, 0.2), half = discretize(ZeroOrderHold{}, system, 0.1);
  CHECK((half.A_bar * half.A_bar - whole.A_bar).cwiseAbs().maxCoeff() <= 1e-13);
  CHECK((half.A_bar * half.B_bar + half.B_bar - whole.B_bar).cwiseAbs().maxCoeff() <= 1e-13);
}

TEST_CASE("dense discretizations refuse bad steps and sizes", "[discretize]") {
  CHECK_THROWS_AS(discretize(GeneralizedBilinear{1.5}, legs(3), 0.1), DomainError);
  CHECK_THROWS_AS(discretize(ForwardEuler{}, legs(3), 0.0), DomainError);
  auto bad = legs(3);
  bad.B.resize(2, 1);
  CHECK_THROWS_AS(discretize(ZeroOrderHold{}, bad, 0.1), ShapeError);
}
