#include "ssm/layer/snapshots.hpp"
#include "layer/cases.hpp"
#include "layer/laws.hpp"

using namespace ssm;

TEMPLATE_TEST_CASE("a stream goes back to a snapshot and repeats itself", "[layer]", float, double) {
  for (const auto& each : support::all_cases<TestType>()) {
    INFO(each.name);
    const auto& layer = each.layer;
    const auto u = laws::noise<TestType>(40, layer.features());
    Snapshots ring(layer, 3);
    auto state = layer.initial_state();
    std::vector<laws::Rows<TestType>> y;
    for (int i = 0; i < 5; ++i) {
      ring.keep(state);
      y.push_back(laws::run(layer, u, state));
    }
    CHECK(ring.size() == 3);
    CHECK(ring.capacity() == 3);
    auto again = ring[2];  // before the third run
    CHECK(laws::run(layer, u, again) == y[2]);
    again = ring.roll_back(1);  // before the fourth
    CHECK(ring.size() == 2);
    CHECK(laws::run(layer, u, again) == y[3]);
    CHECK_THROWS_WITH(ring[2], "snapshot: expected one of the 2 newest, got number 2");
    CHECK_THROWS_AS(ring.roll_back(2), DomainError);
  }
}

TEST_CASE("keeping a snapshot allocates nothing", "[layer]") {
  for (const auto& each : support::all_cases<float>()) {
    INFO(each.name);
    Snapshots ring(each.layer, 2);
    auto state = each.layer.initial_state();
    const support::AllocationCounter counter;
    for (int i = 0; i < 5; ++i) ring.keep(state);
    state = ring.roll_back(1);
    CHECK(counter.count() == 0);
  }
  CHECK_THROWS_AS(Snapshots(support::all_cases<float>()[0].layer, 0), DomainError);
}
