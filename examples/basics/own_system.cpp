// A system of your own: a mass on a spring, pushed by u and observed by its place and its speed.
//
//     x = (place, speed),   x' = A x + B u,   y = C x + D u
#include <ssm/ssm.hpp>

#include <iostream>

int main() {
  const double mass = 0.5, stiffness = 20, friction = 0.4, dt = 0.01;
  const ssm::Matrix<double> A{{0, 1}, {-stiffness / mass, -friction / mass}}, B{{0}, {1 / mass}};
  const ssm::Matrix<double> place{{1, 0}}, both{{1, 0}, {0, 1}}, none{{0}}, no_pair{{0}, {0}};

  // One input and one output: any layer of one system a feature.
  const ssm::S4D<double> fast(ssm::from_continuous<ssm::S4D<double>>({A, B, place, none}, dt));
  const ssm::LSSL<double> dense(ssm::from_continuous<ssm::LSSL<double>>({A, B, place, none}, dt));
  // One input and two outputs.
  const ssm::StateSpace<double> plant({A, B, both, no_pair}, dt, ssm::ZeroOrderHold{});

  std::cout << fast << '\n' << dense << "\n\nafter 1 s of a push of 1 N the mass stands at\n";
  Eigen::Matrix<double, 100, 1> u = Eigen::Matrix<double, 100, 1>::Ones(), y;
  Eigen::Matrix<double, 100, 2, Eigen::RowMajor> place_and_speed;
  auto state = fast.initial_state();
  fast.forward(u, y, state);
  std::cout << "  S4D, zero-order hold         " << y(99) << " m\n";
  auto dense_state = dense.initial_state();
  dense.forward(u, y, dense_state);
  std::cout << "  LSSL, bilinear               " << y(99) << " m\n";
  auto plant_state = plant.initial_state();
  plant.forward(u, place_and_speed, plant_state);
  std::cout << "  StateSpace, zero-order hold  " << place_and_speed(99, 0) << " m, at " << place_and_speed(99, 1)
            << " m/s\n";
}
