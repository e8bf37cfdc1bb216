#include <ssm/ssm.hpp>

using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
struct MadeUp {};

void cases(const ssm::DplrSystem<double>& dplr, const ssm::S4<float>& layer, ssm::S4<float>::State& state, Rows& y) {
  const Rows u(4, 1);
  const Eigen::MatrixXf column_major(4, 1);
  const Eigen::MatrixXd wide(4, 1);
  ssm::Random random(1);
#if CASE == 0
  static_cast<void>(ssm::discretize(ssm::Bilinear{}, dplr, 0.1));
  static_cast<void>(ssm::S4<float>(layer.parameters(), ssm::Bilinear{}));
  layer.forward(u, y, state, ssm::mode::convolution<ssm::fft::EigenBackend>{});
  static_cast<void>(ssm::initial<ssm::S4<float>>(ssm::hippo::LegS{}, {.features = 1}, random));
#elif CASE == 1
  ssm::discretize(ssm::ZeroOrderHold{}, dplr, 0.1);
#elif CASE == 2
  ssm::S4<float> wrong(layer.parameters(), ssm::ZeroOrderHold{});
#elif CASE == 3
  layer.forward(column_major, y, state);
#elif CASE == 4
  layer.forward(u + u, y, state);
#elif CASE == 5
  layer.forward(u, u, state);
#elif CASE == 6
  layer.forward(wide, y, state);
#elif CASE == 7
  ssm::initial<ssm::S4<float>>(MadeUp{}, {.features = 1}, random);
#elif CASE == 8
  layer.forward(u, y, state, ssm::mode::convolution<MadeUp>{});
#endif
}
