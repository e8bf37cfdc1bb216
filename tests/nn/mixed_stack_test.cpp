// Deep models of layers of several kinds, and of two directions: gradients, answers, streams.
#include "layer/laws.hpp"
#include "nn/gradients.hpp"
#include "ssm/layer/any_layer.hpp"
#include "ssm/layer/bidirectional.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/nn/loss.hpp"
#include "support/golden.hpp"

using namespace ssm;

namespace {

using Any = AnyLayer<double>;

template <class Layer, class Measure>
AnyParameters<double> drawn(Measure measure, Random& random) {
  return AnyParameters<double>::of<Layer>(
      initial<Layer>(measure, {.features = 4, .states = 4, .dt_min = 0.05}, random));
}
/// A model of every kind of layer, one after the other.
nn::StackParameters<Any> mixed(nn::StackShape shape, bool two_directions, Random& random) {
  std::vector<AnyParameters<double>> layers{
      drawn<S4D<double>>(diagonal::Linear{}, random), drawn<S5<double>>(hippo::LegS{}, random),
      drawn<S4<double>>(hippo::LegS{}, random), drawn<LSSL<double>>(hippo::LegS{}, random)};
  if (two_directions) {
    layers.push_back(drawn<Bidirectional<S4D<double>>>(diagonal::Linear{}, random));
    layers.push_back(drawn<ShiftedBidirectional<S5<double>>>(hippo::LegS{}, random));
    layers.push_back(drawn<ConcatenatedBidirectional<S4<double>>>(hippo::LegS{}, random));
  }
  shape.layers = std::ssize(layers);
  return {shape, random, [&](Index i) { return layers[static_cast<std::size_t>(i)]; }};
}
double loss(Index i, ConstSequence<double> answer, Sequence<double> danswer) {
  return nn::cross_entropy<double>(answer.row(0), i % 3, danswer.row(0));
}

const nn::StackShape two_inputs{.inputs = 2, .features = 4, .outputs = 3};

}  // namespace

TEST_CASE("gradients through every kind of layer are the limits of differences", "[nn][gradient]") {
  Random random(1);
  const auto u = laws::noise<double>(15, 2), v = laws::noise<double>(9, 2);
  const std::vector<nn::Example<double>> examples{{u}, {v}};
  support::check_gradient(nn::Stack<Any>(mixed(two_inputs, true, random)), examples, loss);
}

TEST_CASE("gradients of two sequences that are compared, of any lengths", "[nn][gradient]") {
  Random random(2);
  auto shape = two_inputs;
  shape.compare = true;
  shape.layers = 1;
  shape.states = 4;
  shape.block.norm = nn::NormKind::batch;
  const auto u = laws::noise<double>(11, 2), v = laws::noise<double>(7, 2);
  const std::vector<nn::Example<double>> examples{{u, {}, v}, {v, {}, u}, {v, {}, v}};
  support::check_gradient(nn::Stack<S4D<double>>(diagonal::Linear{}, shape, random), examples, loss);
}

TEST_CASE("a stream of several kinds of layers answers as the whole sequence, in steps and blocks", "[nn]") {
  Random random(4);
  auto shape = two_inputs;
  shape.pool = nn::Pool::none;
  auto model = std::make_unique<nn::Stack<Any>>(mixed(shape, false, random));
  const auto u = laws::noise<double>(50, 2);
  laws::Rows<double> whole(50, 3), blocks(50, 3), steps(50, 3);
  model->forward(u, whole);
  nn::Stream<Any> stream = model->stream();
  const nn::Stack<Any> moved = std::move(*model);
  model.reset();  // the stream goes on without it
  stream.prepare(16);
  const ConstSequence<double> in(u);
  for (Index k = 0; k < 50; ++k) {
    const auto y = stream.step(in.row(k));
    std::copy(y.begin(), y.end(), Sequence<double>(steps).row(k).begin());
  }
  stream.reset();
  for (Index k = 0; k < 50; k += 16)
    stream.process(in.block(k, std::min<Index>(16, 50 - k)),
                   Sequence<double>(blocks).block(k, std::min<Index>(16, 50 - k)));
  const auto error = [&](const laws::Rows<double>& got) {
    return (got - whole).cwiseAbs().maxCoeff() / whole.cwiseAbs().maxCoeff();
  };
  CHECK(error(steps) <= 1e-12);
  CHECK(error(blocks) <= 1e-12);
}

TEST_CASE("a stream refuses a model of two directions, and states of another", "[nn]") {
  Random random(5);
  const nn::Stack<Any> both(mixed(two_inputs, true, random)), forwards(mixed(two_inputs, false, random));
  CHECK_THROWS_WITH(both.stream(), support::ContainsSubstring("expected a model whose layers step"));
  auto stream = forwards.stream();
  const nn::Stack<S4D<double>> other(diagonal::Linear{},
                                     {.inputs = 2, .features = 4, .states = 4, .layers = 4, .outputs = 3}, random);
  CHECK_THROWS_AS(stream.prepare(0), DomainError);
  CHECK_THROWS_AS(stream.prepare(4, {.pool = nn::Window{0}}), DomainError);
  CHECK_THROWS_AS(stream.prepare(4, {.pool = nn::Leak{LayerSteps{0}}}), DomainError);
  CHECK_THROWS_WITH(stream.prepare(4, {.pool = nn::Leak{Seconds{0.5}}}), support::ContainsSubstring("step_seconds"));
  std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(stream.state())));
  save(stream.state(), bytes);
  auto own = other.stream();
  auto state = own.state();
  CHECK_THROWS(restore(state, bytes));
}

TEST_CASE("a stream's state is a value: it branches, and comes back from bytes", "[nn]") {
  Random random(6);
  const nn::Stack<Any> model(mixed(two_inputs, false, random));
  auto stream = model.stream();
  const auto u = laws::noise<double>(30, 2);
  const ConstSequence<double> in(u);
  for (Index k = 0; k < 20; ++k) stream.step(in.row(k));
  const auto kept = stream.state();
  std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(kept)));
  save(kept, bytes);
  const auto rest = [&] {
    std::vector<double> all;
    for (Index k = 20; k < 30; ++k)
      for (const double each : stream.step(in.row(k))) all.push_back(each);
    return all;
  };
  const auto expected = rest();
  stream.set_state(kept);
  CHECK(stream.steps() == 20);
  CHECK(rest() == expected);
  auto fresh = model.stream();
  auto state = fresh.state();
  restore(state, bytes);
  stream.set_state(state);
  CHECK(rest() == expected);
}

TEST_CASE("a stream pools by a leak or over a window", "[nn]") {
  Random random(7);
  nn::StackShape shape{
      .inputs = 3, .features = 3, .layers = 0, .outputs = 3, .encoder = nn::Encoder::none, .decoder = false};
  const nn::Stack<S4D<double>> model(diagonal::Linear{}, shape, random);
  const auto u = laws::noise<double>(40, 3);
  const ConstSequence<double> in(u);
  auto stream = model.stream();
  const auto check = [&](nn::StreamPool pool, auto weight) {
    stream.prepare(1, {.pool = pool});
    for (Index k = 0; k < 40; ++k) {
      const auto y = stream.step(in.row(k));
      for (Index h = 0; h < 3; ++h) {
        double sum = 0, total = 0;
        for (Index j = 0; j <= k; ++j) {
          sum += weight(k - j) * in(j, h);
          total += weight(k - j);
        }
        CHECK(std::abs(y[static_cast<std::size_t>(h)] - sum / total) <= 1e-14 * 8);
      }
    }
  };
  check(nn::SinceBeginning{}, [](Index) { return 1.0; });
  check(nn::Leak{LayerSteps{5}}, [](Index age) { return std::exp(-static_cast<double>(age) / 5); });
  check(nn::Window{7}, [](Index age) { return age < 7 ? 1.0 : 0.0; });
  check(nn::Window{1}, [](Index age) { return age < 1 ? 1.0 : 0.0; });
}

TEST_CASE("a leak goes by time: seconds, other rates, uneven steps", "[nn]") {
  Random random(7);
  nn::StackShape shape{
      .inputs = 2, .features = 2, .layers = 0, .outputs = 2, .encoder = nn::Encoder::none, .decoder = false};
  shape.step_seconds = 0.25;
  const nn::Stack<S5<double>> model(hippo::LegS{}, shape, random);
  const auto u = laws::noise<double>(30, 2);
  const ConstSequence<double> in(u);
  std::vector<double> intervals;
  for (Index k = 0; k < 30; ++k) intervals.push_back(k % 3 == 0 ? 0.5 : static_cast<double>(k % 5));
  const double rate = 2;
  const auto expected = [&](Index k, Index h, auto elapsed) {  // the leak is 5 steps of the layers
    double sum = 0, total = 0, age = 0;
    for (Index j = k; j >= 0; --j) {
      const double weight = std::exp(-age / 5);
      sum += weight * in(j, h);
      total += weight;
      age += elapsed(j);
    }
    return sum / total;
  };
  const auto as_rated = [&](Index) { return rate; };
  const auto as_said = [&](Index j) { return rate * intervals[static_cast<std::size_t>(j)]; };
  for (const nn::StreamPool& pool :
       {nn::StreamPool{nn::Leak{LayerSteps{5}}}, nn::StreamPool{nn::Leak{Seconds{1.25}}}}) {
    auto stream = model.stream();
    stream.prepare(30, {.pool = pool, .rates = {rate}});
    stream.set_rate(rate);
    const auto block = [&](const Timing<double>& timing, auto elapsed) {
      Array<double> y(30, 2);
      stream.reset();
      stream.process(u, {y.data(), 30, 2}, timing);
      for (Index k = 0; k < 30; ++k)
        for (Index h = 0; h < 2; ++h) CHECK(std::abs(y(k, h) - expected(k, h, elapsed)) <= 1e-13);
    };
    block({}, as_rated);
    block({.intervals = InLayerSteps<double>{intervals}}, as_said);
    stream.reset();
    for (Index k = 0; k < 30; ++k) {
      const auto y = stream.step(in.row(k), LayerSteps{intervals[static_cast<std::size_t>(k)]});
      for (Index h = 0; h < 2; ++h) CHECK(std::abs(y[static_cast<std::size_t>(h)] - expected(k, h, as_said)) <= 1e-13);
    }
  }
}

TEST_CASE("a block whose parts cannot go together is refused in a sentence", "[nn]") {
  Random random(8);
  const auto refusal = [&](auto change) -> std::string {
    nn::StackShape shape{.inputs = 2, .features = 3, .states = 4, .layers = 1, .outputs = 3};
    change(shape);
    try {
      nn::Stack<S4D<double>>(diagonal::Linear{}, shape, random);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  using nn::Activation, nn::Mixing, nn::Residual, nn::NormKind, nn::NormPlace;
  using support::ContainsSubstring;
  CHECK(refusal([](auto&) {}) == "none");
  CHECK_THAT(
      refusal([](auto& s) { s.block.residual = Residual::normed, s.block.place = NormPlace::after; }),
      ContainsSubstring("residual of the normed input: expected a norm before the layer, got one after the sum"));
  CHECK_THAT(refusal([](auto& s) { s.block.residual = Residual::normed, s.block.norm = NormKind::none; }),
             ContainsSubstring("expected a norm before the layer, got none"));
  CHECK_THAT(refusal([](auto& s) { s.block.activation = Activation::glu; }),
             ContainsSubstring("even number of outputs, got 3"));
  CHECK_THAT(refusal([](auto& s) { s.block.gate = Activation::glu; }),
             ContainsSubstring("gate: expected a function of one number"));
  CHECK_THAT(refusal([](auto& s) { s.block.mixing = Mixing::none, s.block.channels = 2; }),
             ContainsSubstring("no mixing: expected as many activated features as the block has, 3, got 6"));
  CHECK_THAT(refusal([](auto& s) { s.block.mixing = Mixing::none, s.block.width = 2; }),
             ContainsSubstring("width: expected none"));
  CHECK_THAT(refusal([](auto& s) { s.block.mixing = Mixing::half_glu1, s.block.width = 5; }),
             ContainsSubstring("half GLU 1: expected as many activated features as the map gives, 5, got 3"));
  CHECK_THAT(refusal([](auto& s) { s.block.mixing = Mixing::half_glu2, s.block.channels = 2; }),
             ContainsSubstring("half GLU 2: expected a layer of as many outputs as the map gives, 3, got 6"));
  CHECK_THAT(refusal([](auto& s) { s.block.epsilon = -1; }),
             ContainsSubstring("epsilon of the norm: expected a finite number"));
  CHECK_THAT(refusal([](auto& s) { s.block.channels = 0; }),
             ContainsSubstring("channels of a block: expected at least 1, got 0"));
  CHECK_THAT(refusal([](auto& s) { s.encoder = nn::Encoder::none; }),
             ContainsSubstring("inputs: expected the 3 features"));
  CHECK_THAT(refusal([](auto& s) { s.decoder = false, s.outputs = 4; }),
             ContainsSubstring("outputs: expected the 3 features"));
  CHECK_THAT(refusal([](auto& s) { s.compare = true, s.pool = nn::Pool::none; }),
             ContainsSubstring("two sequences are compared"));
  CHECK_THAT(refusal([](auto& s) { s.feed_forward.emplace(); }),
             ContainsSubstring("feed_forward: expected a block without a layer"));
  CHECK_THAT(refusal([](auto& s) { s.zero_symbol = 1; }),
             ContainsSubstring("zero_symbol: expected one of the 0 symbols"));
}
