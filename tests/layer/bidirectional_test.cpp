#include "ssm/layer/bidirectional.hpp"
#include "layer/cases.hpp"
#include "layer/laws.hpp"
#include "ssm/layer/s5.hpp"

using namespace ssm;

namespace {

template <class T>
laws::Rows<T> reversed(const laws::Rows<T>& u) {
  return u.colwise().reverse();
}
template <class Both, class T>
laws::Rows<T> run_both(const Both& both, const laws::Rows<T>& u) {
  laws::Rows<T> y(u.rows(), u.cols());
  both.forward(ConstSequence<T>(u), Sequence<T>(y));
  return y;
}

template <class B>
concept HasStep = requires(const B& both, std::span<const float> u, std::span<float> y) {
  both.step(u, y, 0);
};

}  // namespace

TEMPLATE_TEST_CASE("both directions are added, the present in both or left out of the backward one", "[layer]", float,
                   double) {
  const auto& cases = support::all_cases<TestType>();
  for (const auto& each : cases) {
    const Index H = each.layer.features();
    const auto& other = cases[0].layer.features() == H ? cases[0].layer : each.layer;
    for (const Index length : {0, 1, 2, 40}) {
      INFO(each.name << ", length " << length);
      const auto u = laws::noise<TestType>(length, H);
      const auto past = laws::run_from_rest(each.layer, u);
      const auto future = reversed(laws::run_from_rest(other, reversed(u)));
      CHECK(run_both(Bidirectional(each.layer, other), u) == laws::Rows<TestType>(past + future));
      laws::Rows<TestType> shifted = past;
      if (length > 1) shifted.topRows(length - 1) += future.bottomRows(length - 1);
      CHECK(run_both(ShiftedBidirectional(each.layer, other), u) == shifted);
    }
  }
}

TEMPLATE_TEST_CASE("a reversed sequence gives the reverse where both directions are the same layer", "[layer]", float,
                   double) {
  for (const auto& each : support::all_cases<TestType>()) {
    INFO(each.name);
    const Bidirectional both(each.layer, each.layer);
    const auto u = laws::noise<TestType>(77, each.layer.features());
    CHECK(run_both(both, reversed(u)) == reversed(run_both(both, u)));
  }
}

TEST_CASE("padded sequences of several lengths are those alone, and in place is the same", "[layer]") {
  for (const auto& each : support::all_cases<float>()) {
    INFO(each.name);
    const Index H = each.layer.features();
    const Bidirectional both(each.layer, each.layer);
    auto u = laws::noise<float>(3 * 20, H);
    laws::Rows<float> y = laws::Rows<float>::Constant(60, H, 7);
    const std::vector<Index> lengths{20, 0, 13};
    both.forward(ConstBatch<float>(u.data(), 3, 20, H, lengths), Batch<float>(y.data(), 3, 20, H));
    for (Index b = 0; b < 3; ++b) {
      const Index length = lengths[std::size_t(b)];
      CHECK(y.middleRows(20 * b, length) == run_both(both, laws::Rows<float>(u.middleRows(20 * b, length))));
      CHECK(y.middleRows(20 * b + length, 20 - length).isZero(0));
    }
    const laws::Rows<float> first = y.topRows(20);
    both.forward(ConstSequence<float>(u.data(), 20, H), Sequence<float>(u.data(), 20, H));
    CHECK(u.topRows(20) == first);
  }
}

TEST_CASE("two directions are no layer with a step, and agree in their features", "[layer]") {
  using Any = support::AnyLayer<float>;
  STATIC_REQUIRE_FALSE(SSMLayer<Bidirectional<Any>>);
  STATIC_REQUIRE_FALSE(SSMLayer<ShiftedBidirectional<Any>>);
  STATIC_REQUIRE_FALSE(HasStep<Bidirectional<Any>>);
  Random random(1);
  const auto of = [&](Index features) {
    return S5<float>(initial<S5<float>>(hippo::LegS{}, {.features = features, .states = 4}, random));
  };
  CHECK_THROWS_AS(Bidirectional(of(2), of(3)), ShapeError);
}
