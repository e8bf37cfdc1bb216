#include "layer/laws.hpp"

#include "layer/cases.hpp"

using namespace ssm;
using support::Case;

namespace {

/// A law in every mode of every layer.
template <class T, class Law>
void in_every_mode(Law law) {
  REQUIRE(!support::all_cases<T>().empty());
  for (const Case<T>& each : support::all_cases<T>()) {
    const auto check = [&](const std::string& mode, const support::AnyLayer<T>& layer, laws::Mode kind) {
      INFO(each.name << ", " << mode);
      law(layer, kind, each);
    };
    check("default", each.layer, laws::Mode::exact);
    for (const auto& [mode, layer] : each.modes) check(mode, layer, laws::Mode::exact);
    for (const auto& [mode, layer] : each.transforms) check(mode, layer, laws::Mode::transforms);
  }
}

/// A law in every mode that promises bits.
template <class T, class Law>
void in_every_exact_mode(Law law) {
  in_every_mode<T>([&](const auto& layer, laws::Mode kind, const Case<T>&) {
    if (kind == laws::Mode::exact) law(layer);
  });
}

template <class T, class Law>
void for_every_layer(Law law) {
  for (const Case<T>& each : support::all_cases<T>()) {
    INFO(each.name);
    law(each.layer);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("every mode is the default", "[layer][laws]", float, double) {
  for (const auto& each : support::all_cases<TestType>())
    for (const auto* others : {&each.modes, &each.transforms})
      for (const auto& [mode, other] : *others) {
        INFO(each.name << ", " << mode);
        laws::another_mode_is_the_default(each.layer, other);
      }
}

TEMPLATE_TEST_CASE("chunks of any cut are the whole", "[layer][laws]", float, double) {
  in_every_mode<TestType>(
      [](const auto& layer, laws::Mode kind, const auto&) { laws::chunks_of_any_cut_are_the_whole(layer, kind); });
}

TEMPLATE_TEST_CASE("a layer is linear and time-invariant", "[layer][laws]", float, double) {
  in_every_mode<TestType>([](const auto& layer, auto, const auto&) { laws::linear_and_time_invariant(layer); });
}

TEMPLATE_TEST_CASE("a layer is const from two threads", "[layer][laws]", float, double) {
  in_every_mode<TestType>([](const auto& layer, auto, const Case<TestType>& each) {
    const bool lends_threads = each.modes.size() > 1 && &layer == &each.modes[1].second;
    if (!lends_threads) laws::const_from_two_threads(layer);  // a pool has one caller at a time
  });
}

TEMPLATE_TEST_CASE("in place is the same", "[layer][laws]", float, double) {
  in_every_mode<TestType>([](const auto& layer, auto, const auto&) { laws::in_place_is_the_same(layer); });
}

TEMPLATE_TEST_CASE("strided and unaligned views are the same", "[layer][laws]", float, double) {
  in_every_mode<TestType>(
      [](const auto& layer, auto, const auto&) { laws::strided_and_unaligned_views_are_the_same(layer); });
}

TEMPLATE_TEST_CASE("what is not finite stays after its time", "[layer][laws]", float, double) {
  in_every_mode<TestType>([](const auto& layer, auto, const Case<TestType>& each) {
    laws::what_is_not_finite_stays_after_its_time(layer, each.mixes);
  });
}

TEMPLATE_TEST_CASE("sizes that disagree are refused and the state is left alone", "[layer][laws]", float, double) {
  in_every_mode<TestType>([](const auto& layer, auto, const auto&) { laws::sizes_that_disagree_are_refused(layer); });
}

TEMPLATE_TEST_CASE("a step is forward", "[layer][laws]", float, double) {
  in_every_exact_mode<TestType>([](const auto& layer) { laws::step_is_forward(layer); });
}

TEMPLATE_TEST_CASE("changing an input leaves earlier outputs alone to the bit", "[layer][laws]", float, double) {
  in_every_exact_mode<TestType>([](const auto& layer) { laws::causal_to_the_bit(layer); });
}

TEMPLATE_TEST_CASE("the impulse response is the response to an impulse", "[layer][laws]", float, double) {
  for_every_layer<TestType>([](const auto& layer) { laws::the_impulse_response_is_the_response_to_an_impulse(layer); });
}

TEMPLATE_TEST_CASE("a state rolled back repeats itself", "[layer][laws]", float, double) {
  for_every_layer<TestType>([](const auto& layer) { laws::a_state_rolled_back_repeats_itself(layer); });
}

TEMPLATE_TEST_CASE("a step allocates nothing", "[layer][laws]", float, double) {
  for_every_layer<TestType>([](const auto& layer) { laws::step_allocates_nothing(layer); });
}

TEMPLATE_TEST_CASE("silence does not end in subnormal numbers", "[layer][laws]", float, double) {
  for_every_layer<TestType>([](const auto& layer) { laws::silence_is_not_subnormal(layer); });
}

TEST_CASE("the counter does see an allocation", "[layer][laws]") {
  const support::AllocationCounter counter;
  const Eigen::VectorXf eigen = Eigen::VectorXf::Zero(1000);
  const std::vector<float> standard(1000, eigen(0));
  const float* volatile seen = eigen.data();  // a compiler may leave out an allocation that nobody looks at
  seen = standard.data();
  CHECK(seen != nullptr);
  CHECK(counter.count() == 2);
  CHECK(counter.peak_bytes() >= 8000);
  CHECK(standard.size() == 1000);
}
