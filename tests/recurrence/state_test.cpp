#include "ssm/recurrence/state.hpp"
#include "layer/laws.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "support/catch.hpp"

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

/// Returns the message of restore about bytes that `spoil` has changed. The state must be left alone.
template <class Layer>
std::string refusal(const Layer& layer, const auto& spoil) {
  auto state = layer.initial_state();
  laws::run(layer, laws::noise<typename Layer::Scalar>(50, layer.features()), state);
  std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(state)));
  save(state, bytes);
  spoil(bytes);
  auto into = layer.initial_state();
  std::string said;
  try {
    restore(into, bytes);
  } catch (const DomainError& error) {
    said = error.what();
  }
  CHECK(into == layer.initial_state());
  return said;
}

}  // namespace

TEMPLATE_TEST_CASE("a state comes back from its bytes", "[layer]", float, double) {
  Random random(1);
  const auto modal = initial<S4D<TestType>>(diagonal::Linear{}, {.features = 3, .states = 5}, random);
  check_bytes(S4D<TestType>(modal));
  check_bytes(S4D<TestType, 5, double>(modal));
  check_bytes(LSSL<TestType>(initial<LSSL<TestType>>(hippo::LegS{}, {.features = 2, .states = 3}, random)));
  check_bytes(S5<TestType>(initial<S5<TestType>>(hippo::LegS{}, {.features = 2, .states = 6}, random)));
}

TEST_CASE("bytes that are not this layer's state are refused by name, and change nothing", "[layer]") {
  using support::ContainsSubstring;
  Random random(1);
  // one group of lanes whatever the features: the same number of bytes
  const S4D<float> layer(initial<S4D<float>>(diagonal::Linear{}, {.features = 3, .states = 5}, random));
  const auto all_of = [](unsigned char value) {
    return [value](auto& bytes) { std::fill(bytes.begin(), bytes.end(), std::byte{value}); };
  };
  CHECK_THAT(refusal(layer, all_of(0xFF)), ContainsSubstring("expected what `save` writes"));
  CHECK_THAT(refusal(layer, all_of(0)), ContainsSubstring("expected what `save` writes"));
  CHECK_THAT(refusal(layer, [](auto& bytes) { bytes.back() ^= std::byte{1}; }), ContainsSubstring("damaged"));
  CHECK_THAT(refusal(layer, [](auto& bytes) { bytes[9] ^= std::byte{1}; }),
             ContainsSubstring("expected those of 'modes, F32', got"));
  CHECK_THAT(refusal(layer, [](auto& bytes) { bytes[24] ^= std::byte{1}; }), ContainsSubstring("of other sizes"));
  const S5<float> other(initial<S5<float>>(hippo::LegS{}, {.features = 3, .states = 4}, random));
  auto state = other.initial_state();
  std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(state)));
  save(state, bytes);
  auto into = layer.initial_state();
  CHECK_THROWS_AS(restore(into, bytes), ShapeError);
}
