#include <ssm/ssm.hpp>

using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
struct MadeUp {};

void cases(const ssm::DplrSystem<double>& dplr, const ssm::S4<float>& layer, ssm::S4<float>::State& state, Rows& y) {
  const Rows u(4, 1);
  const Eigen::MatrixXf column_major(4, 1);
  const Eigen::MatrixXd wide(4, 1);
  ssm::Random random(1);
  const auto diagonal = ssm::initial<ssm::S4D<float>>(ssm::diagonal::Linear{}, {.features = 1}, random);
  const auto mimo = ssm::initial<ssm::S5<float>>(ssm::hippo::LegS{}, {.features = 1}, random);
  const ssm::S5<float> s5(mimo);
  auto s5_state = s5.initial_state();
  const ssm::Bidirectional both(layer, layer);
#if CASE == 0
  static_cast<void>(ssm::discretize(ssm::Bilinear{}, dplr, 0.1));
  static_cast<void>(ssm::S4<float>(layer.parameters(), ssm::Bilinear{}));
  layer.forward(u, y, state, ssm::algorithm::convolution<ssm::fft::EigenBackend>{});
  static_cast<void>(ssm::initial<ssm::S4<float>>(ssm::hippo::LegS{}, {.features = 1}, random));
  static_cast<void>(ssm::S4D<float>(diagonal, ssm::Bilinear{}));
  s5.forward(u, y, s5_state, ssm::algorithm::scan{});
  both.forward(ssm::ConstSequence<float>(u), ssm::Sequence<float>(y));
  static_cast<void>(ssm::plan(layer, {.length = 4}));
  layer.engine().recur(0, u, y, state);
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
  layer.forward(u, y, state, ssm::algorithm::convolution<MadeUp>{});
#elif CASE == 9
  both.step({u.data(), 1}, {y.data(), 1}, state);
#elif CASE == 10
  s5.forward(u, y, s5_state, ssm::algorithm::convolution{});
#elif CASE == 11
  ssm::S4D<float> wrong(diagonal, ssm::ForwardEuler{});
#elif CASE == 12
  ssm::S4D<float> wrong(layer.parameters());
#elif CASE == 13
  ssm::initial<ssm::S5<float>>(ssm::diagonal::Linear{}, {.features = 1}, random);
#elif CASE == 14
  ssm::initial<ssm::S5<float>>(ssm::hippo::LegS{}, {.features = 1}, random, MadeUp{});
#elif CASE == 15
  ssm::plan(ssm::S4<float>(layer.parameters()), {.length = 4});
#elif CASE == 16
  ssm::plan(s5, {.length = 4}, ssm::algorithm::convolution{});
#elif CASE == 17
  layer.recur(0, u, y, state);
#elif CASE == 18
  s5.scan(u, nullptr, y, s5_state, ssm::this_thread(), {});
#elif CASE == 19
  std::vector<double> x(64);
  layer.real_state(0, state, x);
#endif
}
