// Times, steps without an input, and padding: what a deep model is told of a sequence besides its numbers.
#include "ssm/nn/reading.hpp"
#include "layer/laws.hpp"
#include "nn/gradients.hpp"
#include "ssm/layer/any_layer.hpp"
#include "ssm/layer/bidirectional.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/nn/loss.hpp"
#include "support/allocation.hpp"

using namespace ssm;

namespace {

const nn::StackShape small{
    .inputs = 2, .features = 4, .states = 4, .layers = 2, .outputs = 3, .dt_min = 0.05, .step_seconds = 0.5};

laws::Rows<double> answer_of(const auto& model, const laws::Rows<double>& u, const nn::Reading<double>& reading = {}) {
  laws::Rows<double> answer(model.answers(u.rows()), 3);
  model.forward(u, answer, reading);
  return answer;
}
double squares(Index, ConstSequence<double> answer, Sequence<double> danswer) {
  double sum = 0;
  for (Index k = 0; k < answer.length(); ++k)
    for (Index o = 0; o < answer.features(); ++o) {
      sum += answer(k, o) * answer(k, o) * static_cast<double>(k + o + 1);
      danswer(k, o) += 2 * answer(k, o) * static_cast<double>(k + o + 1);
    }
  return sum;
}

}  // namespace

TEST_CASE("a model reads times in seconds and in layer steps alike", "[nn]") {
  Random random(1);
  const nn::Stack<S5<double>> model(hippo::LegS{}, small, random);
  const auto u = laws::noise<double>(6, 2);
  const std::vector<double> steps{1, 2, 0.5, 0, 3, 1}, seconds{0.5, 1, 0.25, 0, 1.5, 0.5};
  const auto told = answer_of(model, u, {.intervals = InLayerSteps<double>{steps}});
  CHECK(answer_of(model, u, {.intervals = InSeconds<double>{seconds, model.layer_step()}}) == told);
  CHECK(answer_of(model, u) != told);
  auto stream = model.stream();
  const ConstSequence<double> in(u);
  std::span<const double> last;
  for (Index k = 0; k < 6; ++k) last = stream.step(in.row(k), Seconds{seconds[std::size_t(k)]});
  for (Index o = 0; o < 3; ++o) CHECK(std::abs(last[std::size_t(o)] - told(0, o)) <= 1e-13);
  auto shape = small;
  shape.step_seconds.reset();
  CHECK_THROWS_WITH((nn::Stack<S5<double>>(hippo::LegS{}, shape, random).layer_step()),
                    support::ContainsSubstring("step_seconds"));
}

TEST_CASE("a step without an input has features of 0, whatever its row holds", "[nn]") {
  Random random(2);
  auto shape = small;
  shape.pool = nn::Pool::none;
  nn::Stack<S5<double>> model(hippo::LegS{}, shape, random);
  for (Index h = 0; h < 4; ++h) model.weights().encoder.b(h) = 0;  // then it is an input of 0
  model.refresh();
  const std::vector<std::uint8_t> mask{1, 0, 1, 1, 0, 0, 1};
  const std::vector<double> gaps{1, 0.5, 2, 1, 0, 3, 1};
  auto u = laws::noise<double>(7, 2);
  auto zeros = u;
  for (Index k = 0; k < 7; ++k)
    if (mask[std::size_t(k)] == 0) {
      u.row(k).setConstant(std::nan(""));
      zeros.row(k).setZero();
    }
  const Timing<double> timing{InLayerSteps<double>{gaps}, mask};
  const auto told = answer_of(model, u, {.intervals = timing.intervals, .observed = mask});
  CHECK(told == answer_of(model, zeros, {.intervals = timing.intervals}));
  model.weights().encoder.b(0) = 1;  // and with a bias it is not: the bias is not there either
  model.refresh();
  const auto biased = answer_of(model, u, {.intervals = timing.intervals, .observed = mask});
  CHECK(biased.allFinite());
  CHECK((biased - answer_of(model, zeros, {.intervals = timing.intervals})).cwiseAbs().maxCoeff() > 1e-3);

  auto stream = model.stream();
  stream.prepare(7);
  laws::Rows<double> steps(7, 3), block(7, 3), halves(7, 3);
  const support::AllocationCounter counter;
  for (Index k = 0; k < 7; ++k) {
    const LayerSteps gap{gaps[std::size_t(k)]};
    const auto y = mask[std::size_t(k)] ? stream.step(ConstSequence<double>(u).row(k), gap) : stream.skip(gap);
    std::copy(y.begin(), y.end(), Sequence<double>(steps).row(k).begin());
  }
  stream.reset();
  stream.process(u, block, timing);
  stream.reset();
  stream.process(ConstSequence<double>(u).block(0, 3), Sequence<double>(halves).block(0, 3),
                 {timing.intervals.part(0, 3), timing.observed.first(3)});
  stream.process(ConstSequence<double>(u).block(3, 4), Sequence<double>(halves).block(3, 4),
                 {timing.intervals.part(3, 4), timing.observed.subspan(3)});
  CHECK(counter.count() == 0);
  for (const auto* got : {&steps, &block, &halves}) CHECK((*got - biased).cwiseAbs().maxCoeff() <= 1e-13);
}

TEST_CASE("without times of their own, steps without an input stream alike", "[nn]") {
  Random random(3);
  auto shape = small;
  shape.pool = nn::Pool::none;
  shape.inputs = 1;
  shape.symbols = 5;
  shape.encoder = nn::Encoder::embedding;
  const nn::Stack<S4D<double>> model(diagonal::Linear{}, shape, random);
  laws::Rows<double> u(5, 1);
  u << 4, -1, 0, 77, 2;  // no symbols where there is no input
  const std::vector<std::uint8_t> mask{1, 0, 1, 0, 1};
  const auto whole = answer_of(model, u, {.observed = mask});
  auto stream = model.stream();
  stream.prepare(5);
  laws::Rows<double> block(5, 3);
  stream.process(u, block, {{}, mask});
  CHECK((block - whole).cwiseAbs().maxCoeff() <= 1e-13);
  stream.reset();
  for (Index k = 0; k < 5; ++k) {
    const auto y = mask[std::size_t(k)] ? stream.step(ConstSequence<double>(u).row(k)) : stream.skip();
    for (Index o = 0; o < 3; ++o) CHECK(std::abs(y[std::size_t(o)] - whole(k, o)) <= 1e-13);
  }
}

TEST_CASE("padding is read by the layers, and not by the pool", "[nn]") {
  Random random(4);
  for (const auto pool : {nn::Pool::mean, nn::Pool::last, nn::Pool::sum}) {
    auto shape = small;
    shape.pool = pool;
    const nn::Stack<S4D<double>> causal(diagonal::Linear{}, shape, random);
    const nn::Stack<Bidirectional<S4D<double>>> both(diagonal::Linear{}, shape, random);
    const auto u = laws::noise<double>(9, 2);
    const laws::Rows<double> first = u.topRows(6);
    const nn::Reading<double> six{.counted = 6};
    CHECK(laws::distance(answer_of(causal, u, six), answer_of(causal, first)) <= 1e-13);
    CHECK(laws::distance(answer_of(both, u, six), answer_of(both, first)) > 1e-6);
    CHECK(laws::distance(answer_of(both, u, {.counted = 9}), answer_of(both, u)) == 0);
  }
}

TEST_CASE("gradients with times, masks and padding are the limits of differences, in both directions",
          "[nn][gradient]") {
  Random random(5);
  const auto u = laws::noise<double>(7, 2), v = laws::noise<double>(5, 2);
  auto missing = u;
  missing.row(2).setConstant(std::nan(""));
  const std::vector<double> gaps{1, 0.5, 2, 1, 0.1, 3, 1}, fewer{2, 1, 0.3, 1, 1};
  const std::vector<std::uint8_t> mask{1, 1, 0, 1, 1, 0, 1};
  const std::vector<nn::Example<double>> examples{
      {missing, {InLayerSteps<double>{gaps}, mask, 5}}, {v, {InSeconds<double>{fewer, Seconds{0.7}}, {}, {}}}, {u}};
  support::check_gradient(nn::Stack<S5<double>>(hippo::LegS{}, small, random), examples, squares);
  support::check_gradient(nn::Stack<Bidirectional<S5<double>>>(hippo::LegS{}, small, random), examples, squares);
  using Mixed = AnyLayer<double>;
  const S5Shape sizes{.features = 4, .states = 4, .dt_min = 0.05};
  const std::array<AnyParameters<double>, 2> layers{
      AnyParameters<double>::of<ShiftedBidirectional<S5<double>>>(
          initial<ShiftedBidirectional<S5<double>>>(hippo::LegS{}, sizes, random)),
      AnyParameters<double>::of<S5<double>>(initial<S5<double>>(hippo::LegS{}, sizes, random))};
  support::check_gradient(
      nn::Stack<Mixed>(nn::StackParameters<Mixed>(small, random, [&](Index i) { return layers[std::size_t(i)]; })),
      examples, squares);
  auto compared = small;
  compared.compare = true;
  const std::vector<nn::Example<double>> pairs{
      {u, {InLayerSteps<double>{gaps}, mask, 6}, v, {InLayerSteps<double>{fewer}, {}, 2}}};
  support::check_gradient(nn::Stack<S5<double>>(hippo::LegS{}, compared, random), pairs, squares);
}

TEST_CASE("a loss of two sequences with readings is that of forward", "[nn]") {
  Random random(6);
  auto shape = small;
  shape.compare = true;
  nn::Stack<S5<double>> model(hippo::LegS{}, shape, random);
  const auto u = laws::noise<double>(7, 2), v = laws::noise<double>(5, 2);
  const std::vector<std::uint8_t> mask{1, 1, 0, 1, 1, 0, 1};
  const nn::Reading<double> of_u{.observed = mask, .counted = 6}, of_v{.counted = 3};
  laws::Rows<double> answer(1, 3), seen(1, 3);
  model.forward(u, v, answer, of_u, of_v);
  nn::Backpropagation<S5<double>> backpropagate(this_thread());
  auto gradient = zero(model.weights());
  const std::vector<nn::Example<double>> pair{{u, of_u, v, of_v}};
  backpropagate(
      model, pair, random,
      [&](Index, ConstSequence<double> got, Sequence<double>) {
        std::copy_n(got.data(), 3, seen.data());
        return 0.0;
      },
      gradient);
  CHECK(laws::distance(seen, answer) <= 1e-13);
}

TEST_CASE("readings of other sizes, and times for layers without, are refused and change nothing", "[nn]") {
  Random random(7);
  nn::Stack<S5<double>> model(hippo::LegS{}, small, random);
  const nn::Stack<S4D<double>> even(diagonal::Linear{}, small, random);
  const auto u = laws::noise<double>(4, 2);
  const std::vector<double> three(3, 1.0), four(4, 1.0), negative{1, 1, -1, 1}, missing{1, 1, 1, std::nan("")};
  const std::vector<std::uint8_t> mask(3, 1);
  laws::Rows<double> answer = laws::Rows<double>::Constant(1, 3, 7);
  const auto said = [&](const auto& of, const nn::Reading<double>& reading) -> std::string {
    try {
      of.forward(u, answer, reading);
    } catch (const Error& error) {
      CHECK((answer.array() == 7).all());
      return error.what();
    }
    return "nothing";
  };
  CHECK(said(model, {.intervals = InLayerSteps<double>{three}}) == "intervals (a step each): expected 4, got 3");
  CHECK_THAT(said(model, {.intervals = InLayerSteps<double>{negative}}),
             support::ContainsSubstring("interval of step 2"));
  CHECK_THAT(said(model, {.intervals = InLayerSteps<double>{missing}}),
             support::ContainsSubstring("interval of step 3"));
  CHECK(said(model, {.observed = mask}) == "observed (one a step): expected 4, got 3");
  CHECK(said(model, {.counted = 0}) == "counted steps: expected within 1..4, got 0");
  CHECK(said(model, {.counted = 5}) == "counted steps: expected within 1..4, got 5");
  CHECK_THAT(said(even, {.intervals = InLayerSteps<double>{four}}),
             support::ContainsSubstring("intervals: expected none"));
  auto every = small;
  every.pool = nn::Pool::none;
  CHECK_THAT(said(nn::Stack<S5<double>>(hippo::LegS{}, every, random), {.counted = 3}),
             support::ContainsSubstring("every step has an answer"));
  nn::Backpropagation<S5<double>> backpropagate(this_thread());
  auto gradient = zero(model.weights());
  const std::vector<nn::Example<double>> wrong{{u}, {u, {.observed = mask}}};
  try {
    backpropagate(model, wrong, random, squares, gradient);
    FAIL("a mask of another length was taken");
  } catch (const nn::ExampleError& error) {
    CHECK(error.example == 1);
  }
}
