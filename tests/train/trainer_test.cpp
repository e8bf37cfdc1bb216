// The loop: it learns, in the same bits whatever the threads and however often it was stopped.
#include "ssm/train/trainer.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/nn/loss.hpp"
#include "support/catch.hpp"

using namespace ssm;
using Layer = S4D<float>;

namespace {

const auto folder = std::filesystem::temp_directory_path() / ("ssm_train_" + std::to_string(::getpid()));

nn::Stack<Layer> fresh() {
  Random random(1);
  return nn::Stack<Layer>(diagonal::Linear{},
                          {.features = 8, .states = 4, .layers = 1, .outputs = 2, .dropout = 0.1, .dt_min = 1e-2},
                          random);
}
/// Which of two frequencies a noisy wave has.
train::Sample<float> sample(Index i, Random& random) {
  std::vector<float> u;
  for (int k = 0; k < 40; ++k)
    u.push_back(static_cast<float>(std::sin((i % 2 == 0 ? 0.3 : 0.8) * k) + 0.2 * random.normal()));
  return {u};
}
train::Judged judge(Index i, ConstSequence<float> answer, Sequence<float> danswer, double weight) {
  return {nn::cross_entropy<float>(answer.row(0), i % 2, danswer.row(0), weight),
          (answer(0, 1) > answer(0, 0)) == (i % 2 == 1) ? 1.0 : 0.0};
}
train::Options options(bool checkpoint) {
  train::Options all{.epochs = 4, .batch = 6, .rate = 1e-2, .average = 0.9, .seed = 5};
  if (checkpoint) all.checkpoint = folder / "checkpoint";
  return all;
}
std::vector<float> numbers(nn::Stack<Layer>& model) {
  std::vector<float> all;
  for (const auto& each : model.parameters()) all.insert(all.end(), each.values.begin(), each.values.end());
  return all;
}

}  // namespace

TEST_CASE("a training learns", "[train]") {
  auto model = fresh();
  auto longer = options(false);
  longer.epochs = 30;
  train::Trainer<Layer> trainer(model, longer, this_thread());
  CHECK(trainer.run(40, sample, judge));
  CHECK(trainer.curve().size() == 30);
  CHECK(trainer.curve().back().loss < 0.5 * trainer.curve().front().loss);
  CHECK(trainer.curve().back().accuracy > 0.8);
}

TEST_CASE("one thread and two give the same curve, bit for bit", "[train]") {
  const auto run = [](Index count) {
    auto model = fresh();
    ThreadPool threads(count);
    train::Trainer<Layer> trainer(model, options(false), threads);
    trainer.run(20, sample, judge);
    auto all = numbers(model);
    for (const auto& epoch : trainer.curve()) all.push_back(static_cast<float>(epoch.loss));
    return all;
  };
  CHECK(run(1) == run(2));
}

TEST_CASE("stopped and resumed after any step, it is as if it had been left alone", "[train]") {
  std::filesystem::create_directories(folder);
  auto alone = fresh();
  train::Trainer<Layer> whole(alone, options(false), this_thread());
  whole.run(20, sample, judge);
  std::filesystem::remove(folder / "checkpoint");
  bool done = false;
  Index rounds = 0;
  std::vector<train::Epoch> curve;
  std::vector<float> last;
  while (!done && rounds++ < 40) {  // a new process each time, as far as it can tell
    auto model = fresh();
    train::Trainer<Layer> part(model, options(true), this_thread());
    CHECK(part.resume() == (rounds > 1));
    Index steps = 0;
    done = part.run(20, sample, judge, {.stop = [&] { return ++steps == 3; }});
    curve = part.curve();
    last = numbers(model);
  }
  REQUIRE(done);
  CHECK(rounds > 3);
  CHECK(last == numbers(alone));
  REQUIRE(curve.size() == whole.curve().size());
  for (std::size_t i = 0; i < curve.size(); ++i) {
    CHECK(curve[i].loss == whole.curve()[i].loss);
    CHECK(curve[i].accuracy == whole.curve()[i].accuracy);
  }
  auto model = fresh();
  auto other = options(true);
  other.rate = 2e-2;
  CHECK_THROWS_AS((train::Trainer<Layer>(model, other, this_thread()).resume()), io::FormatError);
  std::filesystem::remove_all(folder);
}

TEST_CASE("a stop that is asked for in the last step changes nothing", "[train]") {
  auto alone = fresh(), asked = fresh();
  train::Trainer<Layer> one(alone, options(false), this_thread()), other(asked, options(false), this_thread());
  one.run(20, sample, judge);
  CHECK(other.run(20, sample, judge, {.stop = [&] { return other.steps() == 16; }}));
  CHECK(other.steps() == 16);
  CHECK(numbers(asked) == numbers(alone));
}

TEST_CASE("a loss that is not finite stops it, with step and array", "[train]") {
  auto model = fresh();
  train::Trainer<Layer> trainer(model, options(false), this_thread());
  Index steps = 0;
  const auto broken = [&](Index i, Random& random) {
    auto made = sample(i, random);
    if (++steps > 12) made.u[3] = std::numeric_limits<float>::quiet_NaN();
    return made;
  };
  using Catch::Contains;
  CHECK_THROWS_WITH(trainer.run(20, broken, judge),
                    Contains("step 3") && Contains("gradient of") && Contains("checkpoint"));
}
