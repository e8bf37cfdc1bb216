// A stream in use: begun from a steady state, at other rates, as audio comes, and through bad input.
#include "ssm/nn/stream.hpp"
#include "layer/laws.hpp"
#include "ssm/layer/any_layer.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/nn/stack.hpp"

using namespace ssm;

namespace {

using Any = AnyLayer<double>;
const nn::StackShape layers_of_four{
    .inputs = 2, .features = 4, .states = 4, .layers = 4, .outputs = 3, .pool = nn::Pool::none, .dt_min = 0.05};

/// A model of every kind of layer that steps.
nn::Stack<Any> model_of_all(std::uint64_t seed) {
  Random random(seed);
  const auto drawn = [&]<class Layer>(std::type_identity<Layer>, auto measure) {
    return AnyParameters<double>::of<Layer>(
        initial<Layer>(measure, {.features = 4, .states = 4, .dt_min = 0.05}, random));
  };
  const std::array<AnyParameters<double>, 4> layers{drawn(std::type_identity<S4D<double>>(), diagonal::Linear{}),
                                                    drawn(std::type_identity<S5<double>>(), hippo::LegS{}),
                                                    drawn(std::type_identity<S4<double>>(), hippo::LegS{}),
                                                    drawn(std::type_identity<LSSL<double>>(), hippo::LegS{})};
  return nn::Stack<Any>(
      nn::StackParameters<Any>(layers_of_four, random, [&](Index i) { return layers[std::size_t(i)]; }));
}
laws::Rows<double> blocks_of(nn::Stream<Any>& stream, const laws::Rows<double>& u, Index size) {
  laws::Rows<double> y(u.rows(), 3);
  for (Index k = 0; k < u.rows(); k += size) {
    const Index count = std::min(size, u.rows() - k);
    stream.process(ConstSequence<double>(u).block(k, count), Sequence<double>(y).block(k, count));
  }
  return y;
}

}  // namespace

TEST_CASE("begun from its steady state, a stream of a constant input does not move", "[nn]") {
  auto model = model_of_all(1);
  auto stream = model.stream();
  const std::vector<double> u{0.7, -1.3};
  for (int i = 0; i < 30000; ++i) stream.step(u);
  const auto settled = stream.step(u);
  const std::vector<double> expected(settled.begin(), settled.end());
  stream.reset(u);
  CHECK(stream.steps() == 0);
  for (int i = 0; i < 50; ++i) {
    const auto y = stream.step(u);
    for (std::size_t o = 0; o < 3; ++o) CHECK(std::abs(y[o] - expected[o]) <= 1e-10);
  }
  stream.reset();
  const auto before = stream.state();
  CHECK_THROWS_WITH(stream.reset(std::vector<double>{1}), "inputs of a step: expected 2, got 1");
  CHECK(stream.steps() == 0);
  const auto y = stream.step(u);
  CHECK(std::abs(y[0] - expected[0]) > 1e-6);  // from rest it does move
}

TEST_CASE("a stream changes its rate and keeps its states", "[nn]") {
  const auto model = model_of_all(2);
  const nn::Stack<Any> half(model.weights(), {.rate = 2});
  auto stream = model.stream();
  stream.prepare(8, {.rates = {2, 0.5}});
  const auto u = laws::noise<double>(40, 2);
  laws::Rows<double> whole(40, 3);
  half.forward(u, whole);
  stream.set_rate(2);
  CHECK(stream.rate() == 2);
  CHECK((blocks_of(stream, u, 8) - whole).cwiseAbs().maxCoeff() <= 1e-12);

  // Its layers go on from the same states: as the layers alone do.
  stream.reset();
  stream.set_rate(1);
  const laws::Rows<double> first = u.topRows(20), second = u.bottomRows(20);
  blocks_of(stream, first, 8);
  auto other = half.stream();
  other.prepare(8);
  auto state = other.state();
  std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(stream.state())));
  save(stream.state(), bytes);
  restore(state, bytes);
  other.set_state(state);
  const support::AllocationCounter counter;
  stream.set_rate(2);
  CHECK(counter.count() == 0);
  CHECK((blocks_of(stream, second, 8) - blocks_of(other, second, 8)).cwiseAbs().maxCoeff() <= 1e-12);
  CHECK_THROWS_WITH(stream.set_rate(3), support::ContainsSubstring("or one that the stream was prepared for, got 3"));
  CHECK(stream.rate() == 2);
  CHECK_THROWS_AS(stream.prepare(4, {.rates = {-1}}), DomainError);
  CHECK(stream.rate() == 2);
}

TEST_CASE("planar audio is the same signal", "[nn]") {
  const auto model = model_of_all(3);
  auto stream = model.stream();
  stream.prepare(16);
  const auto u = laws::noise<double>(32, 2);
  const auto interleaved = blocks_of(stream, u, 16);
  std::array<std::vector<double>, 3> planes;  // the inputs' memory becomes the outputs'
  for (auto& each : planes) each.resize(32);
  for (Index k = 0; k < 32; ++k)
    for (Index c = 0; c < 2; ++c) planes[std::size_t(c)][std::size_t(k)] = u(k, c);
  stream.reset();
  const support::AllocationCounter counter;
  for (Index k = 0; k < 32; k += 16) {
    const std::array<double*, 3> at{planes[0].data() + k, planes[1].data() + k, planes[2].data() + k};
    const std::array<const double*, 2> from{at[0], at[1]};
    stream.process(from.data(), at.data(), 16);
  }
  CHECK(counter.count() == 0);
  for (Index k = 0; k < 32; ++k)
    for (Index c = 0; c < 3; ++c) CHECK(planes[std::size_t(c)][std::size_t(k)] == interleaved(k, c));
}

TEST_CASE("bad samples are passed on, or held and counted", "[nn]") {
  const auto model = model_of_all(4);
  auto bad = laws::noise<double>(20, 2);
  bad(0, 1) = std::nan("");
  bad(5, 0) = std::numeric_limits<double>::infinity();
  bad(6, 0) = -bad(5, 0);
  auto held = bad;
  held(0, 1) = 0;
  held(5, 0) = held(6, 0) = held(4, 0);
  auto stream = model.stream();
  stream.prepare(7, {.on_bad_sample = nn::OnBadSample::hold});
  auto plain = model.stream();
  plain.prepare(7);
  const support::AllocationCounter counter;
  for (Index k = 0; k < 20; ++k) {
    const auto y = stream.step(ConstSequence<double>(bad).row(k)), z = plain.step(ConstSequence<double>(held).row(k));
    CHECK(std::equal(y.begin(), y.end(), z.begin()));
  }
  CHECK(counter.count() == 0);
  CHECK(stream.bad_samples() == 3);
  stream.reset();
  plain.reset();
  CHECK(stream.bad_samples() == 0);
  CHECK(blocks_of(stream, bad, 7) == blocks_of(plain, held, 7));
  CHECK(stream.bad_samples() == 3);
  plain.reset();
  CHECK_FALSE(blocks_of(plain, bad, 7).allFinite());  // passed on where nothing else is asked for
}

namespace {

/// Sound that comes and goes: noise for a minute, then silence for one.
void sound(Index first, std::span<float> to, Random& random) {
  constexpr Index minute = 60 * 48000;
  for (std::size_t k = 0; k < to.size(); ++k)
    to[k] = (first + static_cast<Index>(k)) / minute % 2 == 0 ? static_cast<float>(0.1 * random.normal()) : 0.0F;
}
/// Runs a stream at 48 kHz and holds it to `forward` over the last second of every minute.
void run_for(Index minutes) {
  constexpr Index block = 4800, second = 48000, minute = 60 * second;
  Random random(1), noise(2);
  const nn::Stack<S4D<float>> model(
      diagonal::Linear{},
      {.features = 2, .states = 4, .layers = 1, .outputs = 1, .pool = nn::Pool::none, .dt_min = 1e-3}, random);
  auto stream = model.stream();
  stream.prepare(block);
  std::vector<float> heard(2 * second), answer(2 * second), whole(2 * second);  // the last two seconds
  std::size_t allocations = 0;
  double worst = 0, first_worst = 0;
  bool finite = true, normal = true;
  for (Index k = 0; k < minutes * minute; k += block) {
    const Index at = k % (2 * second);
    sound(k, std::span(heard).subspan(static_cast<std::size_t>(at), block), noise);
    const support::AllocationCounter counter;
    stream.process({heard.data() + at, block, 1}, {answer.data() + at, block, 1});
    allocations += counter.count();
    if ((k + block) % minute != 0) continue;
    model.forward({heard.data(), 2 * second, 1}, {whole.data(), 2 * second, 1});  // from rest: a second is forgotten
    double peak = 0, error = 0;
    for (std::size_t i = second; i < 2 * second; ++i) {
      finite = finite && std::isfinite(answer[i]);
      peak = std::max(peak, std::abs(static_cast<double>(whole[i])));
      error = std::max(error, std::abs(static_cast<double>(answer[i]) - static_cast<double>(whole[i])));
    }
    worst = std::max(worst, error / peak);
    if (k + block == 2 * minute) first_worst = worst;
    auto state = stream.state().layers[0];
    const auto kept = parts(state);
    for (const auto part : std::span(kept).first(4))  // the numbers that steps compute with, as they lie in memory
      for (std::size_t i = 0; i < part.size(); i += sizeof(float)) {
        float x = 0;
        std::memcpy(&x, part.data() + i, sizeof x);
        normal = normal && std::fpclassify(x) != FP_SUBNORMAL;
      }
  }
  CHECK(allocations == 0);
  CHECK(finite);
  CHECK(normal);
  CHECK(worst <= 5e-6);
  CHECK(worst <= 2 * first_worst + 1e-6);  // no drift: the end is as near as the beginning
}

}  // namespace

TEST_CASE("a stream of noise and silence does not drift", "[nn]") { run_for(4); }
// ctest -C long -L long
TEST_CASE("a stream of two hours of noise and silence does not drift", "[nn][.long]") { run_for(120); }
