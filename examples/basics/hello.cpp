#include <ssm/ssm.hpp>

#include <iostream>
#include <vector>

int main() {
  ssm::Random random(7);
  const auto parameters = ssm::initial<ssm::S4<float>>(ssm::hippo::LegS{}, {.features = 2, .states = 64}, random);
  const ssm::S4<float> layer(parameters);

  Eigen::Matrix<float, 1000, 2, Eigen::RowMajor> u, y;  // 1000 steps of 2 features
  u.setOnes();
  auto state = layer.initial_state();
  layer.forward(u, y, state);  // a whole sequence

  std::vector<float> u_k{1, 1}, y_k(2);
  layer.step(u_k, y_k, state);  // one more sample, from where forward stopped
  std::cout.precision(4);
  std::cout << "y at step  999: " << y.row(999) << "\ny at step 1000: " << y_k[0] << ' ' << y_k[1] << '\n';
}
