#include "examples/support/moving_average.hpp"
#include "layer/cases.hpp"

namespace {

template <class T>
void add_moving_average(std::vector<support::Case<T>>& cases) {
  static_assert(ssm::SSMLayer<example::MovingAverage<T>>);
  cases.push_back({"a user's own layer", support::AnyLayer<T>::of(example::MovingAverage<T>({T(0.5), T(0.1), T(1)}))});
}

const support::Registered moving_average_cases(add_moving_average<float>, add_moving_average<double>);

}  // namespace
