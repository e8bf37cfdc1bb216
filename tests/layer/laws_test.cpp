#include "layer/laws.hpp"

#include "ssm/fft/fftw.hpp"
#include "ssm/layer/s4.hpp"

#include <tuple>

using namespace ssm;

// How the laws' layers are made: sizes that no SIMD width divides, slow and fast modes, an odd and an even N.
template <class Layer>
std::vector<Layer> layers_of_the_laws() {
  std::vector<Layer> layers;
  Random random(5);
  for (const Index N : {1, 2, 7, 16})
    layers.emplace_back(initial<Layer>(hippo::LegS{}, {.features = N == 2 ? 1 : 3, .states = N}, random));
  layers.emplace_back(initial<Layer>(hippo::LegT{}, {.features = 2, .states = 9, .dt_min = 1e-2}, random),
                      Sampling{2.0});
  return layers;
}

using AllLayers = std::tuple<S4<float>, S4<double>>;  // one line adds a layer

// A law in the default mode, and in every convolution that the layer has.
template <class Layer, class Law>
void in_every_mode(Law law) {
  for (const auto& layer : layers_of_the_laws<Layer>()) {
    law(layer);
    law(layer, mode::convolution<fft::EigenBackend>{});
    law(layer, mode::convolution<fft::FftwBackend>{});
  }
}

TEMPLATE_LIST_TEST_CASE("the recurrence is the convolution", "[layer][laws]", AllLayers) {
  for (const auto& layer : layers_of_the_laws<TestType>()) {
    laws::another_mode_is_the_default(layer, mode::recurrence{});
    laws::another_mode_is_the_default(layer, mode::convolution<fft::EigenBackend>{});
    laws::another_mode_is_the_default(layer, mode::convolution<fft::FftwBackend>{});
  }
}

TEMPLATE_LIST_TEST_CASE("chunks of any cut are the whole", "[layer][laws]", AllLayers) {
  in_every_mode<TestType>([](auto&&... arguments) { laws::chunks_of_any_cut_are_the_whole(arguments...); });
}

TEMPLATE_LIST_TEST_CASE("a layer is linear and time-invariant", "[layer][laws]", AllLayers) {
  in_every_mode<TestType>([](auto&&... arguments) { laws::linear_and_time_invariant(arguments...); });
}

TEMPLATE_LIST_TEST_CASE("a layer is const from two threads", "[layer][laws]", AllLayers) {
  in_every_mode<TestType>([](auto&&... arguments) { laws::const_from_two_threads(arguments...); });
}

TEMPLATE_LIST_TEST_CASE("in place is the same", "[layer][laws]", AllLayers) {
  in_every_mode<TestType>([](auto&&... arguments) { laws::in_place_is_the_same(arguments...); });
}

TEMPLATE_LIST_TEST_CASE("strided and unaligned views are the same", "[layer][laws]", AllLayers) {
  in_every_mode<TestType>([](auto&&... arguments) { laws::strided_and_unaligned_views_are_the_same(arguments...); });
}

TEMPLATE_LIST_TEST_CASE("what is not finite stays after its time", "[layer][laws]", AllLayers) {
  in_every_mode<TestType>([](auto&&... arguments) { laws::what_is_not_finite_stays_after_its_time(arguments...); });
}

TEMPLATE_LIST_TEST_CASE("a step is forward", "[layer][laws]", AllLayers) {
  for (const auto& layer : layers_of_the_laws<TestType>()) laws::step_is_forward(layer);
}

TEMPLATE_LIST_TEST_CASE("changing an input leaves earlier outputs alone to the bit", "[layer][laws]", AllLayers) {
  for (const auto& layer : layers_of_the_laws<TestType>()) laws::causal_to_the_bit(layer);
}

TEMPLATE_LIST_TEST_CASE("the impulse response is the response to an impulse", "[layer][laws]", AllLayers) {
  for (const auto& layer : layers_of_the_laws<TestType>())
    laws::the_impulse_response_is_the_response_to_an_impulse(layer);
}

TEMPLATE_LIST_TEST_CASE("a state rolled back repeats itself", "[layer][laws]", AllLayers) {
  for (const auto& layer : layers_of_the_laws<TestType>()) laws::a_state_rolled_back_repeats_itself(layer);
}

TEMPLATE_LIST_TEST_CASE("a step allocates nothing", "[layer][laws]", AllLayers) {
  for (const auto& layer : layers_of_the_laws<TestType>()) laws::step_allocates_nothing(layer);
}

TEMPLATE_LIST_TEST_CASE("silence does not end in subnormal numbers", "[layer][laws]", AllLayers) {
  for (const auto& layer : layers_of_the_laws<TestType>()) laws::silence_is_not_subnormal(layer);
}

TEMPLATE_LIST_TEST_CASE("sizes that disagree are refused and the state is left alone", "[layer][laws]", AllLayers) {
  for (const auto& layer : layers_of_the_laws<TestType>()) laws::sizes_that_disagree_are_refused(layer);
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
