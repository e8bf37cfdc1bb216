#include "ssm/mpi/stack_split.hpp"

#include "mpi/stretches.hpp"

#include <ssm/ssm.hpp>

using namespace ssm;
using namespace stretches;
using laws::Rows;

namespace {

/// A pair of directions over ranks is that of one process, and so are its derivatives.
template <class Pair>
void is_one_pair(const Pair& pair, std::vector<typename Pair::Scalar> gaps = {},
                 ReadBackwards backwards = ReadBackwards::gaps) {
  using T = typename Pair::Scalar;
  auto& world = support::world();
  const Index L = 150, H = pair.inputs(), G = pair.outputs();
  const Index first = stretch(L).first, count = stretch(L).count;
  const Rows<T> u = laws::noise<T>(L, H, 3), dy = laws::noise<T>(L, G, 4);
  const Intervals<T> times(InLayerSteps<T>{gaps, backwards}), own_times = times.part(first, count);
  Rows<T> y(L, G), du = Rows<T>::Zero(L, H);
  auto cotangent = pair.cotangent();
  if constexpr (ssm::detail::UnevenWhole<Pair>) {
    if (!gaps.empty()) {
      pair.forward({u.data(), L, H}, times, {y.data(), L, G});
      pair.forward_vjp({u.data(), L, H}, times, {dy.data(), L, G}, {du.data(), L, H}, cotangent);
    }
  }
  if (gaps.empty()) {
    pair.forward({u.data(), L, H}, {y.data(), L, G});
    pair.forward_vjp({u.data(), L, H}, {dy.data(), L, G}, {du.data(), L, H}, cotangent);
  }
  auto whole = zero(pair.parameters());
  pair.parameters_vjp(cotangent, whole);

  mpi::BothWaysTimeSplit<Pair> split(pair, world);
  const ConstSequence<T> own(u.data() + first * H, count, H), own_dy(dy.data() + first * G, count, G);
  const auto each = [&](auto carry, auto check) {
    Rows<T> out(count, G), dout = Rows<T>::Zero(count, H);
    const Sequence<T> to(out.data(), count, G), dto(dout.data(), count, H);
    auto sum = pair.cotangent();
    const auto run = [&](auto... intervals) {
      const auto before = split.forward(own, intervals..., to, carry);
      split.forward_vjp(own, intervals..., before, own_dy, dto, sum, carry);
    };
    if constexpr (mpi::BothWaysTimeSplit<Pair>::uneven)
      if (!gaps.empty()) run(own_times);
    if (gaps.empty()) run();
    check(out, Rows<T>(y.middleRows(first, count)));
    CHECK(difference<T>(dout, du.middleRows(first, count)) < 50 * std::numeric_limits<T>::epsilon());
    auto gradient = zero(pair.parameters());
    pair.parameters_vjp(sum, gradient);
    together_are(gradient, whole, 200 * std::numeric_limits<T>::epsilon());
  };
  each(mpi::Scanned{}, [](const Rows<T>& got, const Rows<T>& expected) {
    CHECK(difference<T>(got, expected) < 50 * std::numeric_limits<T>::epsilon());
  });
  each(mpi::InOrder{}, [](const Rows<T>& got, const Rows<T>& expected) { CHECK(got == expected); });
}

template <class Layer>
Layer drawn(auto initializer, std::uint64_t seed = 5) {
  Random random(seed);
  return Layer(initial<Layer>(initializer, {.features = 6, .states = 8, .dt_min = 0.02}, random));
}

/// A deep model over ranks answers as in one process.
template <class Layer, class Carry>
void is_one_model(const nn::Stack<Layer>& model, Carry carry, bool uneven = false) {
  using T = typename Layer::Scalar;
  auto& world = support::world();
  const nn::StackShape& shape = model.shape();
  INFO(ssm::detail::kind_of<Layer>(typename Layer::Parameters{}) << ", pool " << static_cast<int>(shape.pool));
  const Index L = 150, O = shape.outputs;
  const Rows<T> u = laws::noise<T>(L, shape.inputs, 8);
  const std::vector<T> gaps = uneven_gaps<T>(L);
  const std::vector<std::uint8_t> observed = seen(L);
  const bool pooled = shape.pool != nn::Pool::none;
  const Index counted = L - 20;  // the last 20 steps are padding, where the answer is pooled
  const auto reading = [&](Index first, Index count) {
    nn::Reading<T> of_stretch;
    if (pooled) of_stretch.counted = std::clamp<Index>(counted - first, 0, count);
    if (!uneven) return of_stretch;
    of_stretch.intervals = Intervals<T>(InLayerSteps<T>{gaps}).part(first, count);
    of_stretch.observed = Observed(observed).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    return of_stretch;
  };
  Rows<T> whole(model.answers(L), O);
  model.forward({u.data(), L, shape.inputs}, {whole.data(), whole.rows(), O}, reading(0, L));

  const auto [first, count] = stretch(L);
  mpi::StackTimeSplit<Layer> split(model, world);
  Rows<T> answer(pooled ? 1 : count, O);
  split.forward({u.data() + first * shape.inputs, count, shape.inputs}, {answer.data(), answer.rows(), O},
                reading(first, count), carry);
  const Rows<T> expected = pooled ? whole : Rows<T>(whole.middleRows(first, count));
  if (std::same_as<Carry, mpi::InOrder>) CHECK(answer == expected);
  CHECK(difference<T>(answer, expected) < 100 * std::numeric_limits<T>::epsilon());
}

}  // namespace

TEST_CASE("two directions over ranks are those of one process", "[mpi]") {
  is_one_pair(Bidirectional(drawn<S4D<float>>(diagonal::Linear{}), drawn<S5<float>>(hippo::LegS{})));
  is_one_pair(ShiftedBidirectional(drawn<S4D<double>>(diagonal::Linear{}), drawn<S4D<double>>(diagonal::Inverse{})));
  is_one_pair(ConcatenatedBidirectional(drawn<S4<float>>(hippo::LegS{}), drawn<LSSL<float>>(hippo::LegS{})));
  const auto gaps = uneven_gaps<double>(150);
  const auto one = drawn<S5<double>>(hippo::LegS{}), other = drawn<S5<double>>(hippo::LegS{}, 6);
  for (const auto backwards : {ReadBackwards::gaps, ReadBackwards::same}) {
    is_one_pair(Bidirectional(one, other), gaps, backwards);
    is_one_pair(ShiftedBidirectional(one, other), gaps, backwards);
    is_one_pair(ConcatenatedBidirectional(one, other), gaps, backwards);
  }
}

TEST_CASE("a deep model over ranks answers as in one process", "[mpi]") {
  for (const auto pool : {nn::Pool::mean, nn::Pool::last, nn::Pool::first, nn::Pool::sum, nn::Pool::none}) {
    is_one_model(deep<S4D<float>>(diagonal::Linear{}, {.pool = pool}), mpi::Scanned{});
    is_one_model(deep<S4D<float>>(diagonal::Linear{}, {.pool = pool}), mpi::InOrder{});
  }
  is_one_model(deep<S5<double>>(hippo::LegS{}, {.norm = nn::NormKind::batch}), mpi::Scanned{}, true);
  is_one_model(deep<S5<float>>(hippo::LegS{}, {}), mpi::InOrder{}, true);
  is_one_model(deep<Bidirectional<S4<float>>>(hippo::LegS{}, {}), mpi::Scanned{});
  is_one_model(deep<ShiftedBidirectional<S4D<float>>>(diagonal::Linear{}, {}), mpi::InOrder{});
  is_one_model(deep<ConcatenatedBidirectional<S5<float>>>(hippo::LegS{}, {}), mpi::Scanned{}, true);
}

TEST_CASE("what a deep model over ranks cannot do is said", "[mpi]") {
  auto& world = support::world();
  const auto two = deep<S4D<float>>(diagonal::Linear{}, {.compare = true});
  CHECK_THROWS_WITH(mpi::StackTimeSplit<S4D<float>>(two, world), support::ContainsSubstring("a model of two"));
  const auto model = deep<S4D<float>>(diagonal::Linear{}, {});
  mpi::StackTimeSplit<S4D<float>> split(model, world);
  std::vector<float> answer(4);
  CHECK_THROWS_WITH(split.forward({answer.data(), 0, 3}, {answer.data(), 1, 4}),
                    support::ContainsSubstring("expected at least 1, got 0"));
  const auto every = deep<S4D<float>>(diagonal::Linear{}, {.pool = nn::Pool::none});
  mpi::StackTimeSplit<S4D<float>> each_step(every, world);
  CHECK_THROWS_WITH(each_step.forward({answer.data(), 1, 3}, {answer.data(), 1, 4}, {.counted = 1}),
                    support::ContainsSubstring("expected none where every step has an answer"));
  const std::vector<float> gaps(2, 1.0F), u(6);
  CHECK_THROWS_AS(split.forward({u.data(), 2, 3}, {answer.data(), 1, 4}, {.intervals = InLayerSteps<float>{gaps}}),
                  DomainError);
}
