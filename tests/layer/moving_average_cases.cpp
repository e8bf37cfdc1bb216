#include "examples/support/moving_average.hpp"
#include "layer/cases.hpp"

template <class T>
void support::add_moving_average(std::vector<Case<T>>& cases) {
  static_assert(ssm::SSMLayer<example::MovingAverage<T>>);
  cases.push_back({"a user's own layer", AnyLayer<T>::of(example::MovingAverage<T>({T(0.5), T(0.1), T(1)}))});
}

template void support::add_moving_average(std::vector<Case<float>>&);
template void support::add_moving_average(std::vector<Case<double>>&);
