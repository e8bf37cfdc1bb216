#include "layer/featurewise_case.hpp"
#include "ssm/layer/s4d.hpp"

using namespace ssm;

namespace {

template <class T>
void add_s4d(std::vector<support::Case<T>>& cases) {
  Random random(6);
  const auto shape = [](Index features, Index states) {
    return S4DShape{.features = features, .states = states, .dt_min = 1e-2};
  };
  cases.push_back(
      support::featurewise_case("S4D-Lin, N = 1", S4D<T>(initial<S4D<T>>(diagonal::Linear{}, shape(3, 1), random))));
  cases.push_back(
      support::featurewise_case("S4D-Inv, N = 7", S4D<T>(initial<S4D<T>>(diagonal::Inverse{}, shape(3, 7), random))));
  cases.push_back(
      support::featurewise_case("S4D-Lin, bilinear, N = 10, rate 2",
                                S4D<T>(initial<S4D<T>>(diagonal::Linear{}, shape(1, 10), random), Bilinear{}, {2.0})));
  auto shared = shape(4, 16);
  shared.copies = 2;
  cases.push_back(support::featurewise_case("S4D-LegS, N = 16 fixed, two copies",
                                            S4D<T, 16>(initial<S4D<T>>(hippo::LegS{}, shared, random))));
  cases.push_back(support::featurewise_case(
      "S4D, state in double", S4D<T, dynamic, double>(initial<S4D<T>>(diagonal::Linear{}, shape(2, 8), random))));
}

const support::Registered s4d_cases(add_s4d<float>, add_s4d<double>);

}  // namespace
