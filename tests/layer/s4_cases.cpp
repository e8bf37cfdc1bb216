#include "layer/featurewise_case.hpp"
#include "ssm/layer/s4.hpp"

using namespace ssm;

namespace {

template <class T>
void add_s4(std::vector<support::Case<T>>& cases) {
  Random random(5);
  for (const Index N : {1, 2, 7, 16}) {
    const S4Shape shape{.features = N == 2 ? 1 : 3, .states = N, .dt_min = 1e-2};
    cases.push_back(support::featurewise_case("S4 LegS, N = " + std::to_string(N),
                                              S4<T>(initial<S4<T>>(hippo::LegS{}, shape, random))));
  }
  const auto legt = initial<S4<T>>(hippo::LegT{}, {.features = 2, .states = 9, .dt_min = 1e-2}, random);
  cases.push_back(support::featurewise_case("S4 LegT, rank 2, rate 2, N = 9 fixed", S4<T, 9>(legt, Sampling{2.0})));
  const auto phase = initial<S4<T>>(diagonal::RandomLowRank<diagonal::Inverse>{.rank = 3},
                                    {.features = 4, .states = 6, .dt_min = 1e-2, .copies = 2}, random);
  cases.push_back(support::featurewise_case("S4 of random phase, rank 3, two copies, state in double",
                                            S4<T, dynamic, double>(phase)));
  auto free = initial<S4<T>>(hippo::LegT{}, {.features = 3, .states = 7, .dt_min = 1e-2}, random);
  free.Q = free.P;
  free.A_re_max = T(0.02);
  for (auto& value : free.Q) value *= static_cast<T>(random.uniform(0.8, 1.2));
  cases.push_back(support::featurewise_case("S4 LegT, Q free, N = 7", S4<T>(free)));
}

const support::Registered s4_cases(add_s4<float>, add_s4<double>);

}  // namespace
