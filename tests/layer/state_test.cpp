#include "ssm/layer/state.hpp"
#include "layer/laws.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4d.hpp"

using namespace ssm;

namespace {

template <class Layer>
void check_bytes(const Layer& layer) {
  auto state = layer.initial_state();
  laws::run(layer, laws::noise<typename Layer::Scalar>(50, layer.features()), state);
  std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(state)));
  save(state, bytes);
  auto again = layer.initial_state();
  CHECK_FALSE(again == state);
  restore(again, bytes);
  CHECK(again == state);
  CHECK(laws::free_response(layer, again) == laws::free_response(layer, state));

  auto untouched = layer.initial_state();
  bytes.pop_back();
  CHECK_THROWS_AS(restore(untouched, bytes), ShapeError);
  CHECK_THROWS_AS(save(state, bytes), ShapeError);
  CHECK(untouched == layer.initial_state());
}

}  // namespace

TEMPLATE_TEST_CASE("a state comes back from its bytes", "[layer]", float, double) {
  Random random(1);
  const auto modal = initial<S4D<TestType>>(diagonal::Linear{}, {.features = 3, .states = 5}, random);
  check_bytes(S4D<TestType>(modal));
  check_bytes(S4D<TestType, 5, double>(modal));
  check_bytes(LSSL<TestType>(initial<LSSL<TestType>>(hippo::LegS{}, {.features = 2, .states = 3}, random)));
  CHECK(byte_size(S4D<float>(S4DParameters<float>(3, 5)).initial_state()) == 1 * 3 * 2 * 64);
}
