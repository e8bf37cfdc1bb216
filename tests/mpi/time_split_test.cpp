#include "ssm/mpi/time_split.hpp"

#include "mpi/stretches.hpp"

#include <bit>

using namespace ssm;
using laws::Rows;

namespace {

/// Lengths of the stretches of `length` steps.
std::vector<std::vector<Index>> cuts(Index ranks, Index length) {
  std::vector<std::vector<Index>> all;
  const auto n = static_cast<std::size_t>(ranks);
  std::vector<Index> even(n, length / ranks), uneven(n), empty(n, 0), single(n, 1);
  even.back() += length % ranks;
  Index left = length;
  for (std::size_t r = 0; r + 1 < n; ++r) left -= uneven[r] = left / 3;
  uneven.back() = left;
  empty[n / 2] = length;  // only one rank has steps
  single.front() = length - (ranks - 1);
  all = {even, uneven, empty, single};
  if (ranks > 1) std::rotate(all[3].begin(), all[3].begin() + 1, all[3].end());  // the last has nearly all
  return all;
}

/// What one rank gets for the whole, beside what the ranks get of it together.
template <class Layer>
struct Whole {
  using T = typename Layer::Scalar;

  Whole(const Layer& of, Index length, std::vector<T> intervals = {})
      : layer(of),
        times(std::move(intervals)),
        u(laws::noise<T>(length, of.features(), 3)),
        dy(laws::noise<T>(length, of.features(), 4)),
        y(length, of.features()),
        start(of.initial_state()),
        state(start),
        dstate(start),
        cotangent(of.cotangent()) {
    warm(start, 5);
    dstate = layer.initial_state();
    warm(dstate, 6);
    state = start;
    last = dstate;
    run(u, 0, y, state);
    du = Rows<T>::Zero(length, layer.features());
    dtimes.resize(times.size());
    run_vjp(u, 0, start, dy, dstate, du, dtimes, cotangent);
  }
  /// Leads a state somewhere.
  void warm(typename Layer::State& at, std::uint64_t seed) const {
    Rows<T> made(50, layer.features());
    layer.forward(laws::noise<T>(50, layer.features(), seed), made, at);
  }
  Intervals<T> part(Index first, Index count) const {
    if (times.empty()) return {};
    return InLayerSteps<T>{std::span(times).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count))};
  }
  void run(ConstSequence<T> from, Index first, Sequence<T> to, typename Layer::State& at) const {
    if constexpr (UnevenSSMLayer<Layer>)
      if (!times.empty()) return layer.forward(from, part(first, from.length()), to, at);
    layer.forward(from, to, at);
  }
  void run_vjp(ConstSequence<T> from, Index first, const typename Layer::State& before, ConstSequence<T> dto,
               typename Layer::State& d, Sequence<T> dfrom, std::span<T> dgaps, typename Layer::Cotangent& sum) const {
    if constexpr (UnevenSSMLayer<Layer>)
      if (!times.empty()) return layer.forward_vjp(from, part(first, from.length()), before, dto, d, dfrom, dgaps, sum);
    layer.forward_vjp(from, before, dto, d, dfrom, sum);
  }

  const Layer& layer;
  std::vector<T> times, dtimes;
  Rows<T> u, dy, y, du;
  typename Layer::State start, state, dstate, last;
  typename Layer::Cotangent cotangent;
};

template <class Layer>
Rows<typename Layer::Scalar> heard(const Layer& layer, const typename Layer::State& state) {
  return laws::free_response(layer, state, 60);
}

template <class Layer>
void is_one_rank(const Layer& layer, Index length, double tolerance,
                 std::vector<typename Layer::Scalar> intervals = {}) {
  using T = typename Layer::Scalar;
  auto& world = support::world();
  const Whole<Layer> whole(layer, length, std::move(intervals));
  mpi::TimeSplit<Layer> split(layer, world);
  const bool last = world.rank() + 1 == world.size();
  const auto steps = static_cast<Index>(std::bit_width(static_cast<std::size_t>(world.size() - 1)));
  for (const auto& cut : cuts(world.size(), length)) {
    Index first = 0;
    for (Index r = 0; r < world.rank(); ++r) first += cut[static_cast<std::size_t>(r)];
    const Index own = cut[static_cast<std::size_t>(world.rank())];
    const Rows<T> u = whole.u.middleRows(first, own), dy = whole.dy.middleRows(first, own),
                  expected = whole.y.middleRows(first, own);
    const auto near = [&](const auto& got, const auto& of_whole, const auto& wanted) {
      const double peak = of_whole.size() > 0 ? static_cast<double>(of_whole.cwiseAbs().maxCoeff()) : 0;
      if (wanted.size() > 0) CHECK(static_cast<double>((got - wanted).cwiseAbs().maxCoeff()) <= tolerance * peak);
    };
    const auto each = [&](auto carry, auto check) {
      Rows<T> y = u;  // in place
      auto state = world.rank() == 0 ? whole.start : layer.initial_state();
      const Index messages = world.messages();
      typename Layer::State before = [&] {
        if constexpr (UnevenSSMLayer<Layer>)
          if (!whole.times.empty()) return split.forward(y, whole.part(first, own), y, state, carry);
        return split.forward(y, y, state, carry);
      }();
      const Index sent = world.messages() - messages;
      Rows<T> du = Rows<T>::Zero(own, layer.features());
      auto cotangent = layer.cotangent();
      auto dstate = last ? whole.last : layer.initial_state();
      std::vector<T> dtimes(whole.times.empty() ? 0 : static_cast<std::size_t>(own));
      [&] {
        if constexpr (UnevenSSMLayer<Layer>)
          if (!whole.times.empty())
            return split.forward_vjp(u, whole.part(first, own), before, dy, dstate, du, dtimes, cotangent, carry);
        split.forward_vjp(u, before, dy, dstate, du, cotangent, carry);
      }();
      check(y, state, sent);
      near(du, whole.du, whole.du.middleRows(first, own));
      if (world.rank() == 0) near(heard(layer, dstate), heard(layer, whole.dstate), heard(layer, whole.dstate));
      if (!dtimes.empty()) {
        using Numbers = Eigen::Map<const Eigen::VectorX<T>>;
        const Numbers of_whole(whole.dtimes.data(), std::ssize(whole.dtimes));
        near(Numbers(dtimes.data(), own), of_whole, of_whole.segment(first, own));
      }

      // What is summed over time: the ranks' shares together are the whole.
      auto gradient = zero(layer.parameters()), all = gradient;
      layer.parameters_vjp(cotangent, gradient);
      layer.parameters_vjp(whole.cotangent, all);
      INFO(own << " steps on rank " << world.rank());
      stretches::together_are(gradient, all, 4 * tolerance);
    };
    each(mpi::InOrder{}, [&](const Rows<T>& y, const auto& state, Index sent) {
      CHECK(y == expected);
      if (last) CHECK(state == whole.state);
      CHECK(sent == (last ? 0 : 1));
    });
    each(mpi::Scanned{}, [&](const Rows<T>& y, const auto& state, Index sent) {
      near(y, whole.y, expected);
      if (last) near(heard(layer, state), heard(layer, whole.state), heard(layer, whole.state));
      CHECK(sent <= steps);
    });
  }
}

template <class T>
constexpr double bound = sizeof(T) == 4 ? 5e-6 : 1e-12;

}  // namespace

TEMPLATE_TEST_CASE("a sequence over ranks is that of one rank: S4D", "[mpi]", float, double) {
  using T = TestType;
  Random random(1);
  for (const Index N : {16, 7})
    is_one_rank(S4D<T>(initial<S4D<T>>(diagonal::Linear{}, {.features = 3, .states = N, .dt_min = 1e-2}, random)), 9000,
                bound<T>);
}
TEMPLATE_TEST_CASE("a sequence over ranks is that of one rank: S5", "[mpi]", float, double) {
  using T = TestType;
  Random random(2);
  const S5<T> layer(initial<S5<T>>(hippo::LegS{}, {.features = 3, .states = 12, .dt_min = 1e-2}, random));
  is_one_rank(layer, 9000, bound<T>);
  std::vector<T> intervals;
  for (Index k = 0; k < 3000; ++k) intervals.push_back(static_cast<T>(k % 7 == 3 ? 0.0 : 0.25 * double(k % 5)));
  is_one_rank(layer, 3000, bound<T>, intervals);
}
TEMPLATE_TEST_CASE("a sequence over ranks is that of one rank: S4", "[mpi]", float, double) {
  using T = TestType;
  Random random(3);
  for (const Index N : {16, 5})
    is_one_rank(S4<T>(initial<S4<T>>(hippo::LegS{}, {.features = 2, .states = N, .dt_min = 1e-2}, random)), 3000,
                bound<T>);
}
TEMPLATE_TEST_CASE("a sequence over ranks is that of one rank: LSSL", "[mpi]", float, double) {
  using T = TestType;
  Random random(4);
  is_one_rank(LSSL<T>(initial<LSSL<T>>(hippo::LegS{}, {.features = 2, .states = 6, .dt_min = 1e-2}, random)), 2000,
              bound<T>);
}

TEST_CASE("layers that differ are found by every rank", "[mpi]") {
  auto& world = support::world();
  Random random(5);
  auto parameters = initial<S4D<float>>(diagonal::Linear{}, {.features = 2, .states = 4}, random);
  if (world.rank() == world.size() - 1) parameters.D(1) += 0.5F;
  const S4D<float> layer(parameters);
  if (world.size() == 1)
    CHECK_NOTHROW(mpi::TimeSplit<S4D<float>>(layer, world));
  else
    CHECK_THROWS_WITH(mpi::TimeSplit<S4D<float>>(layer, world),
                      support::ContainsSubstring("on rank " + std::to_string(world.size() - 1)));
}

TEST_CASE("a rank that does not answer, and one that says something else, are named", "[mpi]") {
  auto& world = support::world();
  if (world.size() == 1) return;
  mpi::Communicator impatient(MPI_COMM_WORLD, 0.2);
  std::array<std::byte, 8> bytes{};
  if (world.rank() == 0)
    CHECK_THROWS_WITH(impatient.receive(bytes, 1), support::ContainsSubstring("expected an answer of rank 1"));
  require_agreement(world, "the end of a test", 1);
  if (world.rank() == 1) world.send(std::span(bytes).first(4), 0);
  if (world.rank() == 0) CHECK_THROWS_WITH(world.receive(bytes, 1), support::ContainsSubstring("expected 8 bytes"));
}

TEST_CASE("sums are added up in the order of the ranks", "[mpi]") {
  auto& world = support::world();
  std::vector<float> sums{0.1F * static_cast<float>(world.rank() + 1), 1e8F / static_cast<float>(world.rank() + 1)};
  add_up(world, std::span(sums));
  float first = 0.1F, second = 1e8F;
  for (Index r = 1; r < world.size(); ++r) {
    first += 0.1F * static_cast<float>(r + 1);
    second += 1e8F / static_cast<float>(r + 1);
  }
  CHECK(sums[0] == first);
  CHECK(sums[1] == second);
}
