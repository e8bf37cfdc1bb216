#include "ssm/discretize/bilinear.hpp"
#include "ssm/discretize/euler.hpp"
#include "ssm/discretize/zero_order_hold.hpp"
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
