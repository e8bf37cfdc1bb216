#include "ssm/mpi/stack_gradient.hpp"

#include "mpi/stretches.hpp"

using namespace ssm;
using namespace stretches;
using laws::Rows;

namespace {

/// Sequences of several lengths, the last of fewer steps than there may be ranks.
constexpr std::array<Index, 3> lengths{150, 41, 4};

/// A loss of any answer: of every row by the number of its step in the whole, and not linear.
template <class T>
double loss_of(Index i, Index first, ConstSequence<T> answer, Sequence<T> danswer) {
  double sum = 0;
  for (Index k = 0; k < answer.length(); ++k)
    for (Index o = 0; o < answer.features(); ++o) {
      const double y = static_cast<double>(answer(k, o)), weight = std::cos(double(first + k) + 0.7 * double(o + i));
      sum += weight * y + 0.3 * y * y;
      danswer(k, o) += static_cast<T>(weight + 0.6 * y);
    }
  return sum;
}

/// The gradient of a deep model over stretches is that of one process over whole sequences.
template <class Layer, class Carry>
void is_one_gradient(nn::Stack<Layer> model, Carry, bool uneven = false) {
  using T = typename Layer::Scalar;
  auto& world = support::world();
  const nn::StackShape shape = model.shape();
  INFO(ssm::detail::kind_of<Layer>(typename Layer::Parameters{}) << ", pool " << static_cast<int>(shape.pool));
  const bool pooled = shape.pool != nn::Pool::none;
  std::vector<Rows<T>> sequences;
  std::vector<std::vector<T>> gaps;
  std::vector<std::vector<std::uint8_t>> observed;
  std::vector<nn::Example<T>> wholes, parts;
  for (const Index L : lengths) {
    sequences.push_back(laws::noise<T>(L, shape.inputs, 8 + static_cast<std::uint64_t>(L)));
    gaps.push_back(uneven_gaps<T>(L));
    observed.push_back(seen(L));
  }
  const auto example = [&](std::size_t i, Index first, Index count) {
    const Index L = lengths[i];
    nn::Example<T> one{{sequences[i].data() + first * shape.inputs, count, shape.inputs}};
    if (pooled) one.reading.counted = std::clamp<Index>(L - L / 4 - first, 0, count);
    if (!uneven) return one;
    one.reading.intervals = Intervals<T>(InLayerSteps<T>{gaps[i]}).part(first, count);
    one.reading.observed =
        Observed(observed[i]).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    return one;
  };
  std::vector<Index> firsts;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const auto [first, count] = stretch(lengths[i]);
    firsts.push_back(pooled ? 0 : first);
    wholes.push_back(example(i, 0, lengths[i]));
    parts.push_back(example(i, first, count));
  }

  auto other = model;
  auto whole = zero(model.weights()), together = whole;
  Random random(3), same(3);
  nn::Backpropagation<Layer> alone(this_thread());
  const double expected = alone(
      other, wholes, random, [&](Index i, auto y, auto dy) { return loss_of<T>(i, 0, y, dy); }, whole);
  mpi::StackTimeGradient<Layer, Carry> over_ranks(world);
  const double loss = over_ranks(
      model, parts, same,
      [&](Index i, auto y, auto dy) { return loss_of<T>(i, firsts[static_cast<std::size_t>(i)], y, dy); }, together);
  constexpr double tolerance = 500 * std::numeric_limits<T>::epsilon();
  CHECK(std::abs(loss - expected) <= tolerance * std::abs(expected));
  const auto arrays = parameters_of(together), wanted = parameters_of(whole);
  std::uint64_t bits = 0;
  for (std::size_t p = 0; p < arrays.size(); ++p) {
    is_near(arrays[p], wanted[p], tolerance);
    bits = ssm::detail::StateHead::add(bits, std::as_bytes(arrays[p].values));
  }
  CHECK_NOTHROW(require_agreement(world, "bits of the gradient", bits));
  const auto moved = model.parameters(), moved_too = other.parameters();
  for (std::size_t p = 0; p < moved.size(); ++p)
    if (moved[p].role == Role::statistic) is_near(moved[p], moved_too[p], tolerance);
}

nn::StackShape with(nn::NormKind norm, nn::NormPlace place, nn::Pool pool, nn::NormKind last = nn::NormKind::none) {
  nn::StackShape shape{.pool = pool, .norm = last};
  shape.block.norm = norm;
  shape.block.place = place;
  return shape;
}

}  // namespace

TEST_CASE("the gradient of a deep model over ranks is that of one process", "[mpi]") {
  using nn::NormKind, nn::NormPlace, nn::Pool;
  for (const auto pool : {Pool::mean, Pool::last, Pool::first, Pool::sum, Pool::none}) {
    is_one_gradient(deep<S4D<double>>(diagonal::Linear{}, {.pool = pool}), mpi::Scanned{});
    is_one_gradient(deep<S5<float>>(hippo::LegS{}, with(NormKind::batch, NormPlace::before, pool)), mpi::InOrder{},
                    true);
  }
  is_one_gradient(deep<S5<double>>(hippo::LegS{}, with(NormKind::batch, NormPlace::after, Pool::none)), mpi::Scanned{},
                  true);
  is_one_gradient(
      deep<S4D<double>>(diagonal::Linear{}, with(NormKind::layer, NormPlace::before, Pool::none, NormKind::batch)),
      mpi::InOrder{});
  is_one_gradient(deep<S4<double>>(hippo::LegS{}, with(NormKind::rms, NormPlace::before, Pool::mean)), mpi::Scanned{});
  is_one_gradient(deep<LSSL<double>>(hippo::LegS{}, with(NormKind::layer, NormPlace::after, Pool::mean)),
                  mpi::InOrder{});
  is_one_gradient(
      deep<S4D<double>>(diagonal::Linear{}, {.feed_forward = nn::BlockShape{.layer = false}, .dropout = 0.3}),
      mpi::Scanned{});
}

TEST_CASE("the gradient of a deep model of two directions over ranks is that of one process", "[mpi]") {
  is_one_gradient(deep<Bidirectional<S4D<double>>>(diagonal::Linear{}, {.pool = nn::Pool::none}), mpi::InOrder{});
  is_one_gradient(deep<ShiftedBidirectional<S5<double>>>(hippo::LegS{}, {}), mpi::Scanned{}, true);
  is_one_gradient(deep<ConcatenatedBidirectional<S5<double>>>(hippo::LegS{}, {.pool = nn::Pool::last}), mpi::Scanned{},
                  true);
  is_one_gradient(deep<ConcatenatedBidirectional<S4<double>>>(hippo::LegS{}, {}), mpi::Scanned{});
}

TEST_CASE("what a gradient over ranks cannot do is said", "[mpi]") {
  auto& world = support::world();
  mpi::StackTimeGradient<S4D<float>> backpropagate(world);
  Random random(1);
  const auto run = [&](nn::StackShape shape, std::span<const nn::Example<float>> examples) {
    auto model = deep<S4D<float>>(diagonal::Linear{}, shape);
    auto gradient = zero(model.weights());
    return backpropagate(
        model, examples, random, [](Index, auto y, auto dy) { return loss_of<float>(0, 0, y, dy); }, gradient);
  };
  const std::vector<float> u(6);
  const std::vector<nn::Example<float>> two(2, {{u.data(), 2, 3}});
  CHECK_THROWS_WITH(run({.compare = true}, two), support::ContainsSubstring("a model of two"));
  CHECK_THROWS_WITH(run({.dropout = 0.1, .dropout_shared = false}, two),
                    support::ContainsSubstring("expected one draw for all steps"));
  if (world.size() > 1)
    CHECK_THROWS_WITH(run({}, std::span(two).first(world.rank() == 1 ? 1 : 2)),
                      support::ContainsSubstring("number of examples: expected the same on every rank"));
  const std::vector<nn::Example<float>> nothing(1, {{u.data(), 0, 3}});
  CHECK_THROWS_WITH(run({}, nothing), support::ContainsSubstring("expected at least 1, got 0"));
  const std::vector<nn::Example<float>> too_many(1, {{u.data(), 2, 3}, {.counted = 3}});
  CHECK_THROWS_WITH(run({}, too_many), support::ContainsSubstring("expected within 0..2, got 3"));
}
