// A layer of any kind behind one type is that layer to the bit, and costs nothing but the call.
#include "ssm/layer/any_layer.hpp"
#include "layer/laws.hpp"
#include "ssm/layer/bidirectional.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "support/allocation.hpp"

using namespace ssm;

namespace {

using AnyF = AnyLayer<float>;
static_assert(TrainableSSMLayer<AnyF>);
static_assert(LeavesCheckpoints<AnyF>);

template <class Parameters>
std::vector<float> numbers(const Parameters& parameters) {
  std::vector<float> all;
  Parameters::each(parameters, [&](const auto&, const auto& array, Role) {
    for (const auto& each : array)
      for (const float part : {std::real(each), std::imag(each)}) all.push_back(part);
  });
  return all;
}

template <class Layer>
void check_is(const typename Layer::Parameters& parameters) {
  const Layer own(parameters, {1.5});
  const AnyF any(AnyParameters<float>::of<Layer>(parameters), {1.5});
  const Index L = 70, I = inputs_of(own), O = outputs_of(own);
  CHECK(any.inputs() == I);
  CHECK(any.outputs() == O);
  CHECK(any.rate() == 1.5);
  CHECK(any.get<Layer>() != nullptr);
  CHECK(any.get<S4D<double>>() == nullptr);
  const auto u = laws::noise<float>(L, I);
  laws::Rows<float> expected(L, O), got(L, O);
  auto expected_du = laws::Rows<float>(laws::Rows<float>::Zero(L, I)), got_du = expected_du;
  const auto dy = laws::noise<float>(L, O);
  auto expected_cotangent = own.cotangent();
  auto got_cotangent = any.cotangent();
  CheckpointsOf<Layer> left;
  AnyLayer<float>::Checkpoints any_left;
  AnyLayer<float>::Workspace work;
  WorkspaceOf<Layer> own_work;
  forward_from_rest(own, u, expected, left);
  forward_from_rest(any, u, got, any_left);
  CHECK(got == expected);
  forward_from_rest_vjp(own, u, left, dy, expected_du, expected_cotangent, own_work);
  forward_from_rest_vjp(any, u, any_left, dy, got_du, got_cotangent, work);
  CHECK(got_du == expected_du);
  auto expected_gradient = zero(parameters);
  auto got_gradient = zero(AnyParameters<float>::of<Layer>(parameters));
  own.parameters_vjp(expected_cotangent, expected_gradient);
  any.parameters_vjp(got_cotangent, got_gradient);
  CHECK(numbers(got_gradient) == numbers(expected_gradient));
  CHECK(numbers(any.parameters()) == numbers(parameters));
}

}  // namespace

TEST_CASE("a layer of any kind is that layer to the bit, forwards and backwards", "[layer]") {
  Random random(1);
  const auto of = [&]<class Layer>(std::type_identity<Layer>, auto measure) {
    check_is<Layer>(initial<Layer>(measure, {.features = 5, .states = 6}, random));
  };
  of(std::type_identity<S4D<float>>(), diagonal::Linear{});
  of(std::type_identity<S4<float>>(), hippo::LegS{});
  of(std::type_identity<S5<float>>(), hippo::LegS{});
  of(std::type_identity<LSSL<float>>(), hippo::LegS{});
  of(std::type_identity<Bidirectional<S4D<float>>>(), diagonal::Linear{});
  of(std::type_identity<ShiftedBidirectional<S5<float>>>(), hippo::LegS{});
  of(std::type_identity<ConcatenatedBidirectional<S4<float>>>(), hippo::LegS{});
  auto wide = S5Parameters<float>::rectangular(3, 7, 4);
  for (auto* array : {&wide.B, &wide.C})
    for (auto& each : *array) each = {static_cast<float>(random.normal()), static_cast<float>(random.normal())};
  for (auto& each : wide.D) each = static_cast<float>(random.normal());
  for (auto& each : wide.Lambda_re) each = -0.5F;
  check_is<RectangularS5<float>>(wide);
}

TEST_CASE("states of any layer are values: copied, compared, saved, restored; a step allocates nothing", "[layer]") {
  Random random(2);
  const AnyF any(
      AnyParameters<float>::of<S5<float>>(initial<S5<float>>(hippo::LegS{}, {.features = 3, .states = 6}, random)));
  CHECK(any.steps());
  CHECK(any.takes_intervals());
  const auto u = laws::noise<float>(9, 3);
  laws::Rows<float> y(9, 3), again(9, 3);
  auto state = any.initial_state();
  for (Index k = 0; k < 4; ++k) any.step(ConstSequence<float>(u).row(k), Sequence<float>(y).row(k), state);
  auto branch = state;
  CHECK(branch == state);
  std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(state)));
  save(state, bytes);
  auto restored = any.initial_state();
  restore(restored, bytes);
  const support::AllocationCounter counter;
  for (Index k = 4; k < 9; ++k) any.step(ConstSequence<float>(u).row(k), Sequence<float>(y).row(k), state);
  branch = state;  // of the same kind: in its memory
  const auto allocations = counter.count();
  CHECK(allocations == 0);
  CHECK_FALSE(restored == state);
  for (Index k = 4; k < 9; ++k) any.step(ConstSequence<float>(u).row(k), Sequence<float>(again).row(k), restored);
  CHECK(again.bottomRows(5) == y.bottomRows(5));
  CHECK(restored == state);
  const AnyF other(AnyParameters<float>::of<S4D<float>>(
      initial<S4D<float>>(diagonal::Linear{}, {.features = 3, .states = 6}, random)));
  auto another = other.initial_state();
  CHECK_THROWS(restore(another, bytes));
}

TEST_CASE("any layer refuses what its kind cannot do", "[layer]") {
  Random random(3);
  const auto both = initial<Bidirectional<S4D<float>>>(diagonal::Linear{}, {.features = 2, .states = 4}, random);
  const AnyF any(AnyParameters<float>::of<Bidirectional<S4D<float>>>(both));
  CHECK_FALSE(any.steps());
  CHECK_FALSE(any.takes_intervals());
  const auto u = laws::noise<float>(3, 2);
  laws::Rows<float> y(3, 2);
  auto state = any.initial_state();
  const std::vector<float> intervals(3, 1.0F);
  CHECK_THROWS_AS(any.forward(u, InLayerSteps<float>{intervals}, y, state), DomainError);
  CHECK_THROWS_AS(AnyF(AnyParameters<float>()), DomainError);
  auto gradient = AnyParameters<float>::of<S4D<float>>(both.forward);
  CHECK_THROWS_WITH(any.parameters_vjp(any.cotangent(), gradient),
                    support::ContainsSubstring("expected that of bidirectional S4D, got S4D"));
}
