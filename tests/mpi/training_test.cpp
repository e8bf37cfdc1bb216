// A training over ranks is that of one process, to the bit.
#include "mpi/world.hpp"
#include "ssm/core/thread_pool.hpp"
#include "ssm/layer/any_layer.hpp"
#include "ssm/layer/bidirectional.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/layer/tabled_lssl.hpp"
#include "ssm/nn/loss.hpp"
#include "ssm/train/trainer.hpp"
#include "support/catch.hpp"

using namespace ssm;

namespace {

/// Which of two frequencies a noisy wave has; waves differ in length.
train::Sample<float> sample(Index i, Random& random) {
  train::Sample<float> wave;
  for (Index k = 0; k < 20 + i % 7; ++k)
    wave.u.push_back(
        static_cast<float>(std::sin((i % 2 == 0 ? 0.3 : 0.8) * static_cast<double>(k)) + 0.2 * random.normal()));
  return wave;
}
train::LossResult loss_of(Index i, ConstSequence<float> answer, Sequence<float> danswer, double weight) {
  return {nn::cross_entropy<float>(answer.row(0), i % 2, danswer.row(0), weight),
          (answer(0, 1) > answer(0, 0)) == (i % 2 == 1) ? 1.0 : 0.0};
}
nn::StackShape shape(nn::NormKind norm) {
  nn::StackShape all{.features = 8, .states = 4, .layers = 2, .outputs = 2, .dropout = 0.1, .dt_min = 1e-2};
  all.block.norm = norm;
  return all;
}
template <class Model>
std::vector<float> numbers(Model& model, const std::vector<train::Epoch>& curve) {
  std::vector<float> all;
  for (const auto& each : model.parameters()) all.insert(all.end(), each.values.begin(), each.values.end());
  for (const auto& epoch : curve) {
    for (const double number : {epoch.loss, epoch.accuracy, epoch.validation, epoch.validation_accuracy})
      if (!std::isnan(number)) all.push_back(static_cast<float>(number));  // not measured
  }
  return all;
}

template <class Layer, class Make>
void is_one_process(Make make, const train::Options& options) {
  auto one = make(), shared = make();
  train::Trainer<Layer> alone(one, options, this_thread());
  alone.run(21, sample, loss_of);
  ThreadPool threads(2);
  train::Trainer<Layer> together(shared, options, threads, &support::world());
  together.run(21, sample, loss_of);
  CHECK(numbers(shared, together.curve()) == numbers(one, alone.curve()));
}

using Any = AnyLayer<float>;
template <class Layer, class Measure>
AnyParameters<float> drawn(Measure measure, Random& random) {
  return AnyParameters<float>::of<Layer>(initial<Layer>(measure, {.features = 8, .states = 4, .dt_min = 0.05}, random));
}
nn::Stack<Any> mixed(nn::NormKind norm) {
  Random random(3);
  const std::vector<AnyParameters<float>> layers{
      drawn<S4D<float>>(diagonal::Linear{}, random), drawn<S5<float>>(hippo::LegS{}, random),
      drawn<S4<float>>(hippo::LegS{}, random), drawn<Bidirectional<LSSL<float>>>(hippo::LegS{}, random)};
  auto of = shape(norm);
  of.layers = std::ssize(layers);
  return nn::Stack<Any>({of, random, [&](Index i) { return layers[static_cast<std::size_t>(i)]; }});
}

}  // namespace

TEST_CASE("a training over ranks is that of one process, to the bit", "[mpi]") {
  for (const auto norm : {nn::NormKind::layer, nn::NormKind::batch}) {
    is_one_process<S4D<float>>(
        [&] {
          Random random(1);
          return nn::Stack<S4D<float>>(diagonal::Linear{}, shape(norm), random);
        },
        {.epochs = 3, .batch = 5, .accumulate = 2, .learning_rate = 1e-2, .ema_decay = 0.9, .validation = 0.2});
    is_one_process<Any>([&] { return mixed(norm); }, {.epochs = 2, .batch = 5, .learning_rate = 1e-2});
  }
}

TEST_CASE("where draws are by example, every example is made by one rank alone, and the bits are the same", "[mpi]") {
  auto& world = support::world();
  double made = 0, made_by_ranks = 0;
  const auto counted = [](double& count) {
    return [&count](Index i, Random& random) {
      ++count;
      return sample(i, random);
    };
  };
  const auto fresh = [] {
    Random random(1);
    return nn::Stack<S4D<float>>(diagonal::Linear{}, shape(nn::NormKind::batch), random);
  };
  train::Options options{.epochs = 3, .batch = 5, .accumulate = 2, .validation = 0.2};
  options.draw_by_example = true;
  auto one = fresh(), shared = fresh();
  train::Trainer<S4D<float>> alone(one, options, this_thread()), together(shared, options, this_thread(), &world);
  alone.run(21, counted(made), loss_of);
  together.run(21, counted(made_by_ranks), loss_of);
  CHECK(numbers(shared, together.curve()) == numbers(one, alone.curve()));
  add_up(world, std::span(&made_by_ranks, 1));
  CHECK(made_by_ranks == made);
  options.draw_by_example = false;
  auto other = fresh();
  train::Trainer<S4D<float>> in_order(other, options, this_thread());
  in_order.run(21, sample, loss_of);
  CHECK(numbers(other, in_order.curve()) != numbers(one, alone.curve()));
}

TEST_CASE("stopped on so many ranks, it goes on in one process, and the other way round", "[mpi]") {
  auto& world = support::world();
  const auto file = std::filesystem::temp_directory_path() / "ssm_mpi_training.safetensors";
  const auto fresh = [] {
    Random random(1);
    return nn::Stack<S4D<float>>(diagonal::Linear{}, shape(nn::NormKind::batch), random);
  };
  train::Options options{.epochs = 3, .batch = 7, .learning_rate = 1e-2};
  auto whole = fresh();
  train::Trainer<S4D<float>> alone(whole, options, this_thread());
  alone.run(21, sample, loss_of);
  options.checkpoint = file;
  if (world.rank() == 0) std::filesystem::remove(file);
  wait_for_all(world);
  auto model = fresh();
  {
    train::Trainer<S4D<float>> begun(model, options, this_thread(), &world);
    CHECK_FALSE(begun.run(21, sample, loss_of, {.should_stop = [&] { return begun.steps() == 4; }}));
  }
  auto resumed = fresh();
  train::Trainer<S4D<float>> over_ranks(resumed, options, this_thread(), &world);
  CHECK(over_ranks.resume());
  auto single = fresh();
  train::Trainer<S4D<float>> in_one(single, options, this_thread());
  CHECK(in_one.resume());
  wait_for_all(world);
  CHECK(over_ranks.run(21, sample, loss_of));
  CHECK(numbers(resumed, over_ranks.curve()) == numbers(whole, alone.curve()));
  if (world.rank() == 0) {
    in_one.run(21, sample, loss_of);
    CHECK(numbers(single, in_one.curve()) == numbers(whole, alone.curve()));
  }
  wait_for_all(world);
  if (world.rank() == 0) std::filesystem::remove(file);
}

TEST_CASE("members that differ, too many, or layers that cannot be sent are refused", "[mpi]") {
  auto& world = support::world();
  Random random(world.rank() == 0 ? 1 : 2);
  nn::Stack<S4D<float>> model(diagonal::Linear{}, shape(nn::NormKind::layer), random);
  if (world.size() > 1)
    CHECK_THROWS_WITH((train::Trainer<S4D<float>>(model, {}, this_thread(), &world)),
                      support::ContainsSubstring("weights of the model: expected the same on every rank"));
  struct Many final : Team {
    Index rank() const noexcept override { return 0; }
    Index size() const noexcept override { return 9; }
    void send(std::span<const std::byte>, Index) override {}
    void receive(std::span<std::byte>, Index) override {}
  } many;
  CHECK_THROWS_WITH((nn::Backpropagation<S4D<float>>(this_thread(), &many)),
                    support::ContainsSubstring("expected at most 8"));
  if (world.size() == 1) return;
  Random same(4);
  using Tabled = TabledLSSL<float>;
  nn::Stack<Tabled> tabled(hippo::LegS{}, shape(nn::NormKind::layer), same);
  train::Trainer<Tabled> trainer(tabled, {.epochs = 1, .batch = 8}, this_thread(), &world);
  CHECK_THROWS_WITH(trainer.run(8, sample, loss_of), support::ContainsSubstring("what their memory is"));
}
