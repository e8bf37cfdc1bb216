#include "ssm/layer/batch.hpp"
#include "layer/cases.hpp"
#include "layer/laws.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/plan/plan.hpp"

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

namespace {

struct Uneven {
  static constexpr Index size = 3, L = 9;
  std::vector<Index> lengths{9, 4, 0};
  laws::Rows<double> u = laws::noise<double>(size * L, 3);
  std::vector<double> gaps;
  std::vector<std::uint8_t> mask;
  Uneven() {
    Random random(3);
    for (Index i = 0; i < size * L; ++i) {
      gaps.push_back(random.uniform(0, 3));
      mask.push_back(random.uniform() < 0.3 ? 0 : 1);
    }
    for (Index i = 0; i < size * L; ++i)
      if (mask[std::size_t(i)] == 0) u.row(i).setConstant(std::nan(""));
  }
  Timing<double> timing() const { return {InLayerSteps<double>{gaps}, mask}; }
  /// What a layer gives for sequence b alone.
  laws::Rows<double> alone(const S5<double>& layer, Index b, S5<double>::State& state) const {
    const Index length = lengths[std::size_t(b)];
    laws::Rows<double> seen = u.middleRows(b * L, length), y(length, 3);
    for (Index k = 0; k < length; ++k)
      if (mask[std::size_t(b * L + k)] == 0) seen.row(k).setZero();
    layer.forward(seen, timing().intervals.part(b * L, length), y, state);
    return y;
  }
};

}  // namespace

TEST_CASE("a batch and a plan give with times and masks what sequences give alone", "[layer]") {
  Random random(2);
  const S5<double> layer(initial<S5<double>>(hippo::LegS{}, {.features = 3, .states = 4}, random));
  const Uneven uneven;
  const auto run = [&](auto go, bool in_place) {
    std::vector<S5<double>::State> states(3, layer.initial_state());
    laws::Rows<double> u = uneven.u, y = u;
    go(ConstBatch<double>(in_place ? y.data() : u.data(), 3, Uneven::L, 3, uneven.lengths),
       Batch<double>(y.data(), 3, Uneven::L, 3), std::span(states));
    for (Index b = 0; b < 3; ++b) {
      auto state = layer.initial_state();
      const Index length = uneven.lengths[std::size_t(b)];
      CHECK(y.middleRows(b * Uneven::L, length) == uneven.alone(layer, b, state));
      CHECK(states[std::size_t(b)] == state);
    }
  };
  auto planned = plan(layer, {.length = Uneven::L, .batch = 3});
  auto stepped = plan(layer, {.length = Uneven::L, .batch = 3}, algorithm::recurrence{});
  for (const bool in_place : {false, true}) {
    run([&](auto u, auto y, auto states) { forward_batch(layer, u, uneven.timing(), y, states); }, in_place);
    run([&](auto u, auto y, auto states) { planned(u, y, states, uneven.timing()); }, in_place);
    run([&](auto u, auto y, auto states) { stepped(u, y, states, uneven.timing()); }, in_place);
  }
}

TEST_CASE("times and masks that do not fit a batch are refused before anything changes", "[layer]") {
  Random random(2);
  const S5<double> layer(initial<S5<double>>(hippo::LegS{}, {.features = 3, .states = 4}, random));
  const S4D<double> even(initial<S4D<double>>(diagonal::Linear{}, {.features = 3, .states = 4}, random));
  auto planned = plan(layer, {.length = 4, .batch = 2});
  auto evenly = plan(even, {.length = 4, .batch = 2});
  laws::Rows<double> u = laws::noise<double>(8, 3), y = laws::Rows<double>::Constant(8, 3, 7);
  const std::vector<double> seven(7, 1.0), eight(8, 1.0), negative{1, 1, 1, 1, 1, -1, 1, 1};
  const std::vector<std::uint8_t> mask(7, 1);
  std::vector<S5<double>::State> states(2, layer.initial_state());
  std::vector<S4D<double>::State> others(2, even.initial_state());
  const ConstBatch<double> in(u.data(), 2, 4, 3);
  const Batch<double> out(y.data(), 2, 4, 3);
  const auto check = [&](const Timing<double>& timing, const char* what) {
    CHECK_THROWS_WITH(forward_batch(layer, in, timing, out, std::span(states)), support::ContainsSubstring(what));
    CHECK_THROWS_WITH(planned(in, out, std::span(states), timing), support::ContainsSubstring(what));
    CHECK((y.array() == 7).all());
  };
  check({InLayerSteps<double>{seven}, {}}, "padding included): expected 8, got 7");
  check({InLayerSteps<double>{negative}, {}}, "interval of step 1");
  check({{}, mask}, "observed (one a step, padding included): expected 8, got 7");
  const Timing<double> each{InLayerSteps<double>{eight}, {}};
  CHECK_THROWS_WITH(forward_batch(even, in, each, out, std::span(others)), support::ContainsSubstring("expected none"));
  CHECK_THROWS_WITH(evenly(in, out, std::span(others), each), support::ContainsSubstring("expected none"));
  CHECK((y.array() == 7).all());
}
