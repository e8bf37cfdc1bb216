#include "ssm/mpi/stack_split.hpp"

#include "layer/laws.hpp"
#include "mpi/world.hpp"

#include <ssm/ssm.hpp>

using namespace ssm;
using laws::Rows;

namespace {

/// First step of every rank's stretch, and the end: some of them empty, the others of lengths that differ.
std::vector<Index> borders(Index ranks, Index length) {
  std::vector<Index> all{0};
  for (Index r = 0; r + 1 < ranks; ++r)
    all.push_back(r % 3 == 1 ? all.back() : std::min(length, all.back() + 7 + 20 * r));
  all.push_back(length);
  return all;
}

template <class T>
double difference(const Rows<T>& a, const Rows<T>& b) {
  double most = 0, peak = 1e-30;
  for (Index k = 0; k < a.rows(); ++k)
    for (Index h = 0; h < a.cols(); ++h) {
      most = std::max(most, std::abs(static_cast<double>(a(k, h) - b(k, h))));
      peak = std::max(peak, std::abs(static_cast<double>(b(k, h))));
    }
  return most / peak;
}

/// A pair of directions over ranks is that of one process.
template <class Pair>
void is_one_pair(const Pair& pair) {
  using T = typename Pair::Scalar;
  auto& world = support::world();
  const Index L = 150, H = pair.inputs(), G = pair.outputs();
  const auto all = borders(world.size(), L);
  const Index first = all[static_cast<std::size_t>(world.rank())];
  const Index count = all[static_cast<std::size_t>(world.rank() + 1)] - first;
  const Rows<T> u = laws::noise<T>(L, H, 3);
  Rows<T> whole(L, G), y(count, G), ordered(count, G);
  pair.forward({u.data(), L, H}, {whole.data(), L, G});
  mpi::BothWaysTimeSplit<Pair> split(pair, world);
  const ConstSequence<T> own(u.data() + first * H, count, H);
  split.forward(own, {y.data(), count, G});
  split.forward(own, {ordered.data(), count, G}, mpi::InOrder{});
  const Rows<T> of_whole = whole.middleRows(first, count);
  CHECK(difference<T>(y, of_whole) < 50 * std::numeric_limits<T>::epsilon());
  CHECK(ordered == of_whole);
}

template <class Layer>
Layer drawn(auto initializer) {
  Random random(5);
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
  std::vector<T> gaps(static_cast<std::size_t>(L), T(1));
  std::vector<std::uint8_t> observed(gaps.size(), 1);
  if (uneven)
    for (std::size_t k = 0; k < gaps.size(); ++k) {
      gaps[k] = static_cast<T>(0.25 + 0.5 * static_cast<double>(k % 4));
      observed[k] = k % 5 != 2;
    }
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

  const auto all = borders(world.size(), L);
  const Index first = all[static_cast<std::size_t>(world.rank())];
  const Index count = all[static_cast<std::size_t>(world.rank() + 1)] - first;
  mpi::StackTimeSplit<Layer> split(model, world);
  Rows<T> answer(pooled ? 1 : count, O);
  split.forward({u.data() + first * shape.inputs, count, shape.inputs}, {answer.data(), answer.rows(), O},
                reading(first, count), carry);
  const Rows<T> expected = pooled ? whole : Rows<T>(whole.middleRows(first, count));
  if (std::same_as<Carry, mpi::InOrder>) CHECK(answer == expected);
  CHECK(difference<T>(answer, expected) < 100 * std::numeric_limits<T>::epsilon());
}

template <class Layer>
nn::Stack<Layer> deep(auto initializer, nn::StackShape shape) {
  Random random(2);
  shape.inputs = 3;
  shape.features = 6;
  shape.states = 8;
  shape.layers = 2;
  shape.outputs = 4;
  shape.dt_min = 0.02;
  return nn::Stack<Layer>(initializer, shape, random);
}

}  // namespace

TEST_CASE("two directions over ranks are those of one process", "[mpi]") {
  is_one_pair(Bidirectional(drawn<S4D<float>>(diagonal::Linear{}), drawn<S5<float>>(hippo::LegS{})));
  is_one_pair(ShiftedBidirectional(drawn<S4D<double>>(diagonal::Linear{}), drawn<S4D<double>>(diagonal::Inverse{})));
  is_one_pair(ConcatenatedBidirectional(drawn<S4<float>>(hippo::LegS{}), drawn<LSSL<float>>(hippo::LegS{})));
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
