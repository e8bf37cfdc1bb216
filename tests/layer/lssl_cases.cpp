#include "layer/featurewise_case.hpp"
#include "ssm/layer/lssl.hpp"

using namespace ssm;

namespace {

template <class T>
void add_lssl(std::vector<support::Case<T>>& cases) {
  Random random(7);
  const auto shape = [](Index features, Index states) {
    return LSSLShape{.features = features, .states = states, .dt_min = 1e-2};
  };
  const auto legs = initial<LSSL<T>>(hippo::LegS{}, shape(3, 8), random);
  cases.push_back(support::featurewise_case("LSSL LegS, bilinear", LSSL<T>(legs)));
  cases.push_back(
      support::featurewise_case("LSSL LegS, zero-order hold, N = 8 fixed", LSSL<T, 8>(legs, ZeroOrderHold{})));
  cases.push_back(support::featurewise_case(
      "LSSL LagT, generalized bilinear, rate 2, N = 1",
      LSSL<T>(initial<LSSL<T>>(hippo::LagT{}, shape(1, 1), random), GeneralizedBilinear{.alpha = 0.7}, {2.0})));
  cases.push_back(support::featurewise_case(
      "LSSL LegT, backward Euler, state in double",
      LSSL<T, dynamic, double>(initial<LSSL<T>>(hippo::LegT{}, shape(2, 5), random), BackwardEuler{})));
}

const support::Registered lssl_cases(add_lssl<float>, add_lssl<double>);

}  // namespace
