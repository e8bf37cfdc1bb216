// Deep models with every choice of a block, made by PyTorch: answers, streams, gradients.
#include "ssm/io/model.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/nn/backpropagation.hpp"
#include "support/allocation.hpp"
#include "support/golden.hpp"

using namespace ssm;
using support::Safetensors;

namespace {

using Model = nn::Stack<S4D<double>>;

/// visit(path of a model) for all of them.
template <class Visit>
void each_model(Visit visit) {
  Index count = 0;
  for (const std::filesystem::path& path : support::made_files("deep"))
    if (path.stem().extension() != ".gradient") {
      INFO(path.filename());
      visit(path);
      ++count;
    }
  CHECK(count >= 21);
}
/// The file's input as sequences of one example.
nn::Example<double> example(const Model& model, const std::vector<double>& u) {
  const Index inputs = model.shape().inputs, L = std::ssize(u) / inputs;
  if (!model.shape().compare) return {ConstSequence<double>(u.data(), L, inputs)};
  return {{u.data(), L / 2, inputs}, {}, {u.data() + L / 2 * inputs, L / 2, inputs}};
}

}  // namespace

TEST_CASE("deep models answer as PyTorch's do", "[io][golden]") {
  each_model([](const std::filesystem::path& path) {
    const auto model = io::load<Model>(path);  // which checks the answer in the file to 1e-9
    const Safetensors file(path);
    const auto& u = file["self_test/input"].values;
    const auto given = example(model, u);
    const auto& expected = file["self_test/output"].values;
    std::vector<double> answer(expected.size());
    const Sequence<double> rows(std::span<double>(answer), model.shape().outputs);
    if (model.shape().compare)
      model.forward(given.u, given.other, rows);
    else
      model.forward(given.u, rows);
    CHECK(support::relative_error(answer, expected) <= 1e-12);
  });
}

TEST_CASE("streams of deep models answer as PyTorch's do, step by step and in blocks", "[io][golden]") {
  each_model([](const std::filesystem::path& path) {
    const auto model = io::load<Model>(path);
    if (model.shape().compare) {
      CHECK_THROWS_AS(model.stream(), DomainError);
      return;
    }
    const Safetensors file(path);
    const auto& u = file["self_test/input"].values;
    const Index inputs = model.shape().inputs, outputs = model.shape().outputs, L = std::ssize(u) / inputs;
    const auto& expected = file["self_test/output"].values;
    const auto check = [&](const std::vector<double>& answers) {
      const auto from = model.shape().pool == nn::Pool::none ? answers.begin() : answers.end() - outputs;
      CHECK(support::relative_error(std::vector<double>(from, answers.end()), expected) <= 1e-12);
    };
    std::vector<double> answers(static_cast<std::size_t>(L * outputs));
    const Sequence<double> rows(answers.data(), L, outputs);
    auto stream = model.stream();
    stream.prepare(20);
    const support::AllocationCounter counter;
    for (Index k = 0; k < L; ++k) {
      const auto y = stream.step({u.data() + k * inputs, static_cast<std::size_t>(inputs)});
      std::copy(y.begin(), y.end(), rows.row(k).begin());
    }
    const auto in_steps = counter.count();
    const std::vector<double> step_by_step = answers;
    stream.reset();
    std::fill(answers.begin(), answers.end(), 0.0);
    const ConstSequence<double> in(u.data(), L, inputs);
    const support::AllocationCounter of_blocks;
    Index at = 0;
    for (const Index length : {20, 1, 0, 13, 20, 10}) {
      stream.process(in.block(at, length), rows.block(at, length));
      at += length;
    }
    const auto in_blocks = of_blocks.count();
    CHECK(in_steps == 0);
    CHECK(in_blocks == 0);
    CHECK(stream.steps() == L);
    check(step_by_step);
    check(answers);
    CHECK(support::relative_error(answers, step_by_step) <= 1e-12);
  });
}

TEST_CASE("gradients of deep models are PyTorch's", "[io][golden][gradient]") {
  each_model([](const std::filesystem::path& path) {
    auto model = io::load<Model>(path);
    const Safetensors file(path);
    auto beside = path;
    const Safetensors expected(beside.replace_extension(".gradient.safetensors"));
    const auto given = example(model, file["self_test/input"].values);
    std::vector<double> answer;
    nn::Backpropagation<S4D<double>> backpropagate(this_thread());
    auto gradient = zero(model.weights());
    Random random(1);
    backpropagate(
        model, std::span(&given, 1), random,
        [&](Index, ConstSequence<double> y, Sequence<double> dy) {
          answer.assign(y.data(), y.data() + y.length() * y.features());
          double sum = 0;
          for (Index k = 0; k < y.length(); ++k)
            for (Index h = 0; h < y.features(); ++h) {
              const double d = expected["dy"].values[static_cast<std::size_t>(k * y.features() + h)];
              dy(k, h) += d;
              sum += y(k, h) * d;
            }
          return sum;
        },
        gradient);
    CHECK(support::relative_error(answer, expected["y"].values) <= 1e-12);
    for (const auto& each : parameters_of(gradient)) {
      if (each.role == Role::statistic) continue;
      INFO(each.name);
      CHECK(support::relative_error(each.values, expected["gradient/" + each.name].values) <= expected.tolerance());
    }
    for (const auto& each : model.parameters()) {
      if (each.role != Role::statistic) continue;
      INFO(each.name);
      CHECK(support::relative_error(each.values, expected["after/" + each.name].values) <= 1e-12);
    }
  });
}
