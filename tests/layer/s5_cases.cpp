#include "layer/cases.hpp"
#include "ssm/layer/s5.hpp"

using namespace ssm;

namespace {

template <class Layer>
support::Case<typename Layer::Scalar> scan_case(std::string name, const Layer& layer) {
  using T = typename Layer::Scalar;
  using Any = support::AnyLayer<T>;
  support::Case<T> made{std::move(name), Any::of(layer), true};
  made.modes.emplace_back("recurrence", Any::of(layer, algorithm::recurrence{}));
  made.modes.emplace_back("scan over two threads", Any::of(layer, algorithm::scan{.executor = support::two_threads()}));
  return made;
}

template <class T>
void add_s5(std::vector<support::Case<T>>& cases) {
  Random random(8);
  const auto shape = [](Index features, Index states, Index blocks = 1, Spectrum spectrum = Spectrum::half) {
    return S5Shape{.features = features, .states = states, .spectrum = spectrum, .blocks = blocks, .dt_min = 1e-2};
  };
  cases.push_back(scan_case("S5, P = 1, H = 1", S5<T>(initial<S5<T>>(hippo::LegS{}, shape(1, 1), random))));
  cases.push_back(scan_case("S5, P = 7, H = 3", S5<T>(initial<S5<T>>(hippo::LegS{}, shape(3, 7), random))));
  cases.push_back(scan_case("S5, three blocks, P = 150, H = 5",
                            S5<T>(initial<S5<T>>(hippo::LegS{}, shape(5, 150, 3), random, s5_output::LecunNormal{}))));
  cases.push_back(
      scan_case("S5, bilinear, full spectrum, P = 9, rate 2",
                S5<T>(initial<S5<T>>(hippo::LegS{}, shape(2, 9, 3, Spectrum::full), random, s5_output::ComplexNormal{}),
                      Bilinear{}, {2.0})));
  auto one_dt = shape(4, 16, 2);
  one_dt.steps = TimeSteps::shared;
  cases.push_back(scan_case("S5, one dt, P = 16 fixed", S5<T, 16>(initial<S5<T>>(hippo::LegS{}, one_dt, random))));
  cases.push_back(
      scan_case("S5, state in double", S5<T, dynamic, double>(initial<S5<T>>(hippo::LegS{}, shape(4, 12, 2), random))));
}

const support::Registered s5_cases(add_s5<float>, add_s5<double>);

}  // namespace
