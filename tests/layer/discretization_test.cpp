// How a layer is discretized is data: in its parameters, drawn by its shape, kept by a stack, printed by the layer.
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/print.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/layer/tabled_lssl.hpp"
#include "ssm/nn/stack.hpp"
#include "support/catch.hpp"

#include <sstream>

using namespace ssm;

namespace {

template <class Layer>
std::string printed(const Layer& layer) {
  std::ostringstream text;
  text << layer;
  return text.str();
}

/// A layer made from parameters that name a method is the layer made by that method, and names it.
template <class Layer, class Measure, class Method>
void check_data(Measure measure, Method method) {
  Random random(3), same(3);
  const auto chosen =
      initial<Layer>(measure, {.features = 3, .states = 6, .dt_min = 1e-2, .discretization = method}, random);
  const auto plain = initial<Layer>(measure, {.features = 3, .states = 6, .dt_min = 1e-2}, same);
  const Layer by_data(chosen), by_argument(plain, method), by_default(plain);
  CHECK(by_data.parameters().discretization == decltype(chosen.discretization)(method));
  CHECK(by_argument.parameters().discretization == by_data.parameters().discretization);
  const auto expected = by_argument.impulse_response(20), got = by_data.impulse_response(20);
  CHECK(std::equal(got.begin(), got.end(), expected.begin()));
  const auto other = by_default.impulse_response(20);
  CHECK_FALSE(std::equal(got.begin(), got.end(), other.begin()));
}

}  // namespace

TEST_CASE("how a layer is discretized is in its parameters", "[layer]") {
  check_data<S4D<double>>(hippo::LegS{}, Bilinear{});
  check_data<S5<double>>(hippo::LegS{}, Bilinear{});
  check_data<LSSL<double>>(hippo::LegS{}, ZeroOrderHold{});
  check_data<LSSL<double>>(hippo::LegS{}, ForwardEuler{});
  check_data<LSSL<double>>(hippo::LegS{}, BackwardEuler{});
  check_data<LSSL<double>>(hippo::LegS{}, GeneralizedBilinear{0.7});
}

TEST_CASE("the generalized bilinear rule is checked with the parameters", "[layer]") {
  Random random(3);
  auto parameters = initial<LSSL<double>>(hippo::LegS{}, {.features = 1, .states = 2}, random);
  parameters.discretization = GeneralizedBilinear{1.5};
  CHECK_THROWS_WITH(parameters.check(), support::ContainsSubstring("alpha: expected within 0..1, got 1.5"));
}

TEST_CASE("an LSSL of another discretization keeps nothing of the one before", "[layer]") {
  Random random(3);
  auto parameters = initial<LSSL<double>>(hippo::LegS{}, {.features = 2, .states = 4, .dt_min = 1e-2}, random);
  const LSSL<double> before(parameters);
  parameters.discretization = ZeroOrderHold{};
  const LSSL<double> after(parameters, before), fresh(parameters);
  const auto expected = fresh.impulse_response(10), got = after.impulse_response(10);
  CHECK(std::equal(got.begin(), got.end(), expected.begin()));
}

TEST_CASE("a layer prints what it is", "[layer]") {
  Random random(3);
  const auto shape = [] { return S4DShape{.features = 3, .states = 6, .discretization = Bilinear{}}; };
  CHECK(printed(S4D<float>(initial<S4D<float>>(hippo::LegS{}, shape(), random), {2})) ==
        "S4D: 3 features, 6 states, bilinear, rate 2");
  CHECK(printed(S4<float>(initial<S4<float>>(hippo::LegS{}, {.features = 3, .states = 6}, random))) ==
        "S4: 3 features, 6 states, bilinear, rate 1");
  CHECK(printed(S5<float>(initial<S5<float>>(hippo::LegS{}, {.features = 3, .states = 6}, random))) ==
        "S5: 3 features, 6 states, zero-order hold, rate 1");
  CHECK(printed(LSSL<float>(initial<LSSL<float>>(
            hippo::LegS{}, {.features = 3, .states = 6, .discretization = GeneralizedBilinear{0.7}}, random))) ==
        "LSSL: 3 features, 6 states, generalized bilinear 0.7, rate 1");
  CHECK(printed(TabledLSSL<float>(initial<TabledLSSL<float>>(hippo::LegS{}, {.features = 3, .states = 6}, random))) ==
        "TabledLSSL: 3 features, 6 states, bilinear, rate 1");
}

TEST_CASE("a stack says how its layers are discretized", "[nn]") {
  Random random(3);
  const nn::StackShape shape{.features = 3, .states = 4, .layers = 2, .discretization = Bilinear{}};
  const nn::Stack<S4D<float>> diagonal(hippo::LegS{}, shape, random);
  for (const auto& layer : diagonal.layers())
    CHECK(std::holds_alternative<Bilinear>(layer.parameters().discretization));
  CHECK_NOTHROW(nn::Stack<S4<float>>(hippo::LegS{}, shape, random));
  const nn::StackShape euler{.features = 3, .states = 4, .layers = 1, .discretization = ForwardEuler{}};
  CHECK_THROWS_WITH(nn::Stack<S4<float>>(hippo::LegS{}, euler, random),
                    support::ContainsSubstring("discretization: expected bilinear, got forward Euler"));
  CHECK_THROWS_WITH(
      nn::Stack<S5<float>>(hippo::LegS{}, euler, random),
      support::ContainsSubstring("discretization: expected zero-order hold or bilinear, got forward Euler"));
  CHECK_NOTHROW(nn::Stack<LSSL<float>>(hippo::LegS{}, euler, random));
}
