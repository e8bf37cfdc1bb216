#include "ssm/layer/batch.hpp"
#include "layer/cases.hpp"
#include "layer/laws.hpp"

using namespace ssm;

TEMPLATE_TEST_CASE("a padded batch gives bit for bit what its sequences give alone, states included", "[layer]", float,
                   double) {
  using T = TestType;
  const std::vector<Index> lengths{31, 0, 1, 64, 17};
  const Index L = 64, size = static_cast<Index>(lengths.size());
  for (const auto& each : support::all_cases<T>()) {
    std::vector<const support::AnyLayer<T>*> modes{&each.layer};
    for (const auto* more : {&each.modes, &each.transforms})
      for (const auto& mode : *more) modes.push_back(&mode.second);
    for (const auto* layer : modes) {
      INFO(each.name);
      const Index H = layer->features();
      auto u = laws::noise<T>(size * L, H);
      for (Index b = 0; b < size; ++b)  // what is padding must not be heard
        u.middleRows(b * L + lengths[std::size_t(b)], L - lengths[std::size_t(b)]).setConstant(T(1e9));
      auto start = layer->initial_state();
      laws::run(*layer, laws::noise<T>(9, H, 2), start);
      std::vector<typename support::AnyLayer<T>::State> states(lengths.size(), start);
      laws::Rows<T> y(size * L, H);
      forward_batch(*layer, ConstBatch<T>(u.data(), size, L, H, lengths), Batch<T>(y.data(), size, L, H),
                    std::span(states));
      for (Index b = 0; b < size; ++b) {
        const Index length = lengths[std::size_t(b)];
        auto alone = start;
        CHECK(y.middleRows(b * L, length) == laws::run(*layer, laws::Rows<T>(u.middleRows(b * L, length)), alone));
        CHECK(y.middleRows(b * L + length, L - length).isZero(0));
        CHECK(states[std::size_t(b)] == alone);
      }
    }
  }
}

TEST_CASE("a batch of sizes that disagree is refused", "[layer]") {
  const auto& layer = support::all_cases<float>()[0].layer;
  const Index H = layer.features();
  std::vector<float> values(static_cast<std::size_t>(4 * 10 * H));
  std::vector<support::AnyLayer<float>::State> states(4, layer.initial_state());
  const Batch<float> four(values.data(), 4, 10, H), three(values.data(), 3, 10, H), shorter(values.data(), 4, 9, H);
  CHECK_THROWS_AS(forward_batch(layer, ConstBatch<float>(four), three, std::span(states)), ShapeError);
  CHECK_THROWS_AS(forward_batch(layer, ConstBatch<float>(four), shorter, std::span(states)), ShapeError);
  CHECK_THROWS_WITH(forward_batch(layer, ConstBatch<float>(three), three, std::span(states)),
                    "states (a sequence each): expected 3, got 4");
  CHECK_NOTHROW(forward_batch(layer, ConstBatch<float>(values.data(), 0, 10, H), Batch<float>(values.data(), 0, 10, H),
                              std::span(states).first(0)));
}
