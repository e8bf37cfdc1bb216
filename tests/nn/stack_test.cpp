// A deep stack: whole sequences and streams answer alike; gradients are the limits of differences; threads do not
// matter.
#include "layer/laws.hpp"
#include "nn/gradients.hpp"
#include "ssm/core/thread_pool.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/nn/loss.hpp"
#include "support/allocation.hpp"
#include "support/golden.hpp"

using namespace ssm;

namespace {

template <class T>
std::vector<T> noise(Index size, Random& random) {
  std::vector<T> numbers;
  for (Index i = 0; i < size; ++i) numbers.push_back(static_cast<T>(random.normal()));
  return numbers;
}

/// Shapes that differ in everything a stack can differ in.
std::vector<nn::StackShape> shapes() {
  const nn::StackShape plain{.inputs = 2, .features = 5, .states = 4, .layers = 2, .outputs = 3, .dt_min = 1e-2};
  std::vector<nn::StackShape> all(6, plain);
  all[1].pool = nn::Pool::last;
  all[2].pool = nn::Pool::none;
  all[2].block.place = nn::NormPlace::after;
  all[3].block.norm = nn::NormKind::batch;
  all[4].block.norm = nn::NormKind::batch;
  all[4].block.place = nn::NormPlace::after;
  all[5].inputs = 1;
  all[5].symbols = 7;
  all[5].encoder = nn::Encoder::embedding;
  return all;
}
template <class T>
std::vector<T> input(const nn::StackShape& shape, Index length, Random& random) {
  if (!shape.has_symbols()) return noise<T>(length * shape.inputs, random);
  std::vector<T> u;
  for (Index k = 0; k < length; ++k) u.push_back(static_cast<T>(std::floor(random.uniform() * 7)));
  return u;
}

}  // namespace

TEMPLATE_TEST_CASE("a stream answers what the whole sequence does", "[nn]", float, double) {
  Random random(1);
  for (const auto& shape : shapes()) {
    const nn::Stack<S4D<TestType>> model(diagonal::Linear{}, shape, random);
    const Index L = 37, rows = model.answers(L);
    const auto u = input<TestType>(shape, L, random);
    std::vector<TestType> whole(std::size_t(rows * shape.outputs)), steps;
    model.forward({u.data(), L, shape.inputs}, {whole.data(), rows, shape.outputs});
    auto stream = model.stream();
    const support::AllocationCounter counter;
    std::span<const TestType> answer;
    for (Index k = 0; k < L; ++k) {
      answer = stream.step({u.data() + k * shape.inputs, std::size_t(shape.inputs)});
      if (shape.pool == nn::Pool::none) {
        for (const auto each : answer) steps.push_back(each);
      }
    }
    if (shape.pool != nn::Pool::none) {
      CHECK(counter.count() == 0);
      steps.assign(answer.begin(), answer.end());
    }
    CHECK(support::relative_error(steps, whole) <= (sizeof(TestType) == 4 ? 2e-5 : 1e-12));
  }
}

TEST_CASE("gradients of a stack are the limits of differences", "[nn][gradient]") {
  for (const auto& shape : shapes()) {
    CAPTURE(int(shape.block.norm), int(shape.block.place), shape.symbols, int(shape.pool));
    Random random(2);
    using Layer = S4D<double>;
    nn::Stack<Layer> model(diagonal::Linear{}, shape, random);
    std::vector<std::vector<double>> inputs;
    for (const Index length : {9, 4, 12}) inputs.push_back(input<double>(shape, length, random));
    std::vector<nn::Example<double>> examples;
    for (const auto& each : inputs) examples.push_back({ConstSequence<double>(std::span(each), shape.inputs)});
    const auto loss = [](Index i, ConstSequence<double> answer, Sequence<double> danswer) {
      double sum = 0;
      for (Index k = 0; k < answer.length(); ++k)
        sum += nn::cross_entropy<double>(answer.row(k), (i + k) % 3, danswer.row(k));
      return sum;
    };
    support::check_gradient(std::move(model), examples, loss);
  }
}

TEST_CASE("gradients are the same bits for any number of threads", "[nn][gradient]") {
  for (auto shape : shapes()) {
    shape.dropout = 0.3;
    using Layer = S5<float>;
    const auto run = [&](Index count) {
      Random random(4);
      nn::Stack<Layer> model(hippo::LegS{}, shape, random);
      std::vector<std::vector<float>> inputs;
      for (Index i = 0; i < 11; ++i) inputs.push_back(input<float>(shape, 5 + i, random));
      std::vector<nn::Example<float>> examples;
      for (const auto& each : inputs) examples.push_back({ConstSequence<float>(std::span(each), shape.inputs)});
      ThreadPool threads(count);
      nn::Backpropagation<Layer> backpropagate(threads);
      auto gradient = zero(model.weights());
      const double loss = backpropagate(
          model, examples, random,
          [](Index, ConstSequence<float> answer, Sequence<float> danswer) {
            return nn::cross_entropy<float>(answer.row(0), 1, danswer.row(0));
          },
          gradient);
      std::vector<float> all{static_cast<float>(loss)};
      for (const auto& each : parameters_of(gradient)) all.insert(all.end(), each.values.begin(), each.values.end());
      return all;
    };
    const auto one = run(1);
    CHECK(one == run(2));
    CHECK(one == run(3));
  }
}

TEST_CASE("what gradients were made of before leaves no trace", "[nn][gradient]") {
  const auto gradients = [](nn::Backpropagation<S4D<double>>& backpropagate, Index features, Index states, Index L) {
    Random random(4);
    nn::Stack<S4D<double>> model(diagonal::Linear{},
                                 {.features = features, .states = states, .layers = 2, .outputs = 3}, random);
    const auto u = noise<double>(L, random);
    const std::vector<nn::Example<double>> examples{{ConstSequence<double>(u.data(), L, 1)}};
    auto gradient = zero(model.weights());
    backpropagate(
        model, examples, random,
        [](Index, ConstSequence<double> answer, Sequence<double> danswer) {
          return nn::cross_entropy<double>(answer.row(0), 1, danswer.row(0));
        },
        gradient);
    std::vector<double> all;
    for (const auto& each : parameters_of(gradient)) all.insert(all.end(), each.values.begin(), each.values.end());
    return all;
  };
  ThisThread executor;
  nn::Backpropagation<S4D<double>> fresh(executor), used(executor);
  gradients(used, 5, 32, 1100);  // more states and steps: larger buffers, which stay
  CHECK(gradients(used, 100, 6, 40) == gradients(fresh, 100, 6, 40));
}

TEST_CASE("intervals reach the layers that take them, and are refused by others", "[nn]") {
  Random random(5);
  const nn::StackShape shape{.inputs = 1, .features = 4, .states = 4, .layers = 1, .outputs = 2};
  const std::vector<float> u = noise<float>(6, random), intervals{1, 2, 0.5F, 1, 1, 3};
  std::vector<float> answer(2), other(2);
  const nn::Stack<S5<float>> uneven(hippo::LegS{}, shape, random);
  uneven.forward({u.data(), 6, 1}, {answer.data(), 1, 2}, {.intervals = InLayerSteps<float>{intervals}});
  uneven.forward({u.data(), 6, 1}, {other.data(), 1, 2});
  CHECK(answer != other);
  const nn::Stack<S4D<float>> even(diagonal::Linear{}, shape, random);
  CHECK_THROWS_AS(even.forward({u.data(), 6, 1}, {answer.data(), 1, 2}, {.intervals = InLayerSteps<float>{intervals}}),
                  DomainError);
}

TEST_CASE("batch norm folds into a linear map before or after it", "[nn]") {
  Random random(6);
  nn::Norm<double> before(4, nn::NormKind::batch), after(3, nn::NormKind::batch);
  for (auto* norm : {&before, &after})
    for (Index h = 0; h < norm->features(); ++h) {
      norm->weight(h) = random.normal();
      norm->bias(h) = random.normal();
      norm->running_mean(h) = random.normal();
      norm->running_var(h) = random.uniform(0.1, 2);
    }
  const nn::Linear<double> map(4, 3, random);
  const auto x = noise<double>(5 * 4, random);
  std::vector<double> normed(5 * 4), plain(5 * 3), folded(5 * 3);
  const ConstSequence<double> in(x.data(), 5, 4);
  nn::batch_norm<double>(before, in, {normed.data(), 5, 4});
  nn::linear<double>(map, {normed.data(), 5, 4}, {plain.data(), 5, 3});
  nn::linear<double>(nn::fold(before, map), in, {folded.data(), 5, 3});
  CHECK(support::relative_error(folded, plain) <= 1e-14);
  nn::linear<double>(map, in, {plain.data(), 5, 3});
  nn::batch_norm<double>(after, {plain.data(), 5, 3}, {plain.data(), 5, 3});
  nn::linear<double>(nn::fold(map, after), in, {folded.data(), 5, 3});
  CHECK(support::relative_error(folded, plain) <= 1e-14);
}

TEST_CASE("a stack refuses what does not fit", "[nn]") {
  Random random(7);
  const nn::StackShape shape{.inputs = 2, .features = 4, .states = 4, .layers = 1, .outputs = 3};
  nn::Stack<S4D<float>> model(diagonal::Linear{}, shape, random);
  std::vector<float> u(8), answer(3);
  CHECK_THROWS_AS(model.forward({u.data(), 8, 1}, {answer.data(), 1, 3}), ShapeError);
  CHECK_THROWS_AS(model.forward({u.data(), 4, 2}, {answer.data(), 3, 1}), ShapeError);
  CHECK_THROWS_AS(model.forward({u.data(), 0, 2}, {answer.data(), 1, 3}), DomainError);  // nothing to pool
  auto weights = model.weights();
  weights.decoder = nn::Linear<float>(5, 3);
  CHECK_THROWS_AS(nn::Stack<S4D<float>>(weights), ShapeError);
  auto wrong = shape;
  wrong.dropout = 1;
  CHECK_THROWS_AS(nn::Stack<S4D<float>>(diagonal::Linear{}, wrong, random), DomainError);
}

TEST_CASE("weights of which no layer can be made leave the model as it was", "[nn]") {
  Random random(1);
  nn::Stack<S4D<float>> model(diagonal::Linear{}, {.inputs = 1, .features = 8, .states = 8, .layers = 3, .outputs = 2},
                              random);
  const auto u = laws::noise<float>(20, 1);
  laws::Rows<float> before(1, 2), after(1, 2);
  model.forward(u, before);
  model.weights().blocks[1].ssm.log_dt(0) = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(model.refresh(), support::ContainsSubstring("block 1: log_dt: expected finite numbers"));
  CHECK(model.layers().size() == 3);
  model.forward(u, after);
  CHECK(after == before);
}
