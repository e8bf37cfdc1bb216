// The loop: it learns, in the same bits whatever the threads and however often it was stopped.
#include "ssm/train/trainer.hpp"
#include "ssm/layer/s4.hpp"
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
train::LossResult loss_of(Index i, ConstSequence<float> answer, Sequence<float> danswer, double weight) {
  return {nn::cross_entropy<float>(answer.row(0), i % 2, danswer.row(0), weight),
          (answer(0, 1) > answer(0, 0)) == (i % 2 == 1) ? 1.0 : 0.0};
}
train::Options options(bool checkpoint) {
  train::Options all{.epochs = 4, .batch = 6, .learning_rate = 1e-2, .ema_decay = 0.9, .seed = 5};
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
  CHECK(trainer.run(40, sample, loss_of));
  CHECK(trainer.curve().size() == 30);
  CHECK(trainer.curve().back().loss < 0.5 * trainer.curve().front().loss);
  CHECK(trainer.curve().back().accuracy > 0.8);
}

TEST_CASE("one thread and two give the same curve, bit for bit", "[train]") {
  const auto run = [](Index count) {
    auto model = fresh();
    ThreadPool threads(count);
    train::Trainer<Layer> trainer(model, options(false), threads);
    trainer.run(20, sample, loss_of);
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
  whole.run(20, sample, loss_of);
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
    done = part.run(20, sample, loss_of, {.should_stop = [&] { return ++steps == 3; }});
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
  other.learning_rate = 2e-2;
  CHECK_THROWS_AS((train::Trainer<Layer>(model, other, this_thread()).resume()), io::FormatError);
  std::filesystem::remove_all(folder);
}

TEST_CASE("a stop that is asked for in the last step changes nothing", "[train]") {
  auto alone = fresh(), asked = fresh();
  train::Trainer<Layer> one(alone, options(false), this_thread()), other(asked, options(false), this_thread());
  one.run(20, sample, loss_of);
  CHECK(other.run(20, sample, loss_of, {.should_stop = [&] { return other.steps() == 16; }}));
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
  CHECK_THROWS_WITH(trainer.run(20, broken, loss_of), support::ContainsSubstring("step 3: example ") &&
                                                          support::ContainsSubstring("its loss is nan") &&
                                                          support::ContainsSubstring("checkpoint"));
}

TEST_CASE("settings that make no sense are refused before anything is touched", "[train]") {
  auto model = fresh();
  const auto before = numbers(model);
  const auto refusal = [&](auto change) {
    auto all = options(false);
    change(all);
    try {
      train::Trainer<Layer> trainer(model, all, this_thread());
    } catch (const DomainError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  using support::ContainsSubstring;
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, inf, -1.0}) {
    CHECK_THAT(refusal([&](auto& all) { all.learning_rate = bad; }),
               ContainsSubstring("learning_rate: expected a finite number"));
    CHECK_THAT(refusal([&](auto& all) { all.dynamics_learning_rate = bad; }),
               ContainsSubstring("dynamics_learning_rate: expected"));
    CHECK_THAT(refusal([&](auto& all) { all.weight_decay = bad; }), ContainsSubstring("weight_decay: expected"));
    CHECK_THAT(refusal([&](auto& all) { all.warmup = bad; }), ContainsSubstring("warmup: expected"));
    CHECK_THAT(refusal([&](auto& all) { all.ema_decay = bad; }),
               ContainsSubstring("ema_decay: expected a decay in [0, 1)"));
  }
  for (const double bad : {nan, 0.0, -1.0})
    CHECK_THAT(refusal([&](auto& all) { all.clip = bad; }), ContainsSubstring("clip: expected a positive number"));
  CHECK_THAT(refusal([](auto& all) { all.batch = 0; }), ContainsSubstring("batch: expected at least 1"));
  CHECK_THAT(refusal([](auto& all) { all.epochs = -1; }), ContainsSubstring("epochs: expected at least 0"));
  CHECK_THAT(refusal([](auto& all) { all.frozen = {"ssm/Lambda"}; }),
             ContainsSubstring("'ssm/Lambda', which none has"));
  CHECK(numbers(model) == before);
}

TEST_CASE("frozen arrays stay as they are", "[train]") {
  auto model = fresh();
  const auto before = model.weights();
  auto all = options(false);
  all.ema_decay = 0;
  all.frozen = {"ssm/A_re_log", "ssm/log_dt"};
  train::Trainer<Layer> trainer(model, all, this_thread());
  trainer.run(20, sample, loss_of);
  const auto &was = before.blocks[0].ssm, &is = model.weights().blocks[0].ssm;
  CHECK(is.A_re_log == was.A_re_log);
  CHECK(is.log_dt == was.log_dt);
  CHECK_FALSE(is.A_im == was.A_im);
  CHECK_FALSE(is.C == was.C);
}

TEST_CASE("a training goes on with the examples that it began with, and names the one that is wrong", "[train]") {
  using support::ContainsSubstring;
  std::filesystem::create_directories(folder);
  {
    auto model = fresh();
    train::Trainer<Layer> part(model, options(true), this_thread());
    Index steps = 0;
    part.run(20, sample, loss_of, {.should_stop = [&] { return ++steps == 3; }});
    CHECK_THROWS_WITH(part.run(21, sample, loss_of),
                      ContainsSubstring("expected the 20 that this training began with"));
  }
  auto model = fresh();
  train::Trainer<Layer> resumed(model, options(true), this_thread());
  CHECK(resumed.resume());
  CHECK_THROWS_WITH(resumed.run(19, sample, loss_of), ContainsSubstring("examples: expected the 20"));
  std::filesystem::remove_all(folder);

  const auto said = [&](auto make, auto loss) {
    auto own = fresh();
    const auto before = numbers(own);
    auto all = options(false);
    all.batch = 20;
    ThreadPool two(2);
    train::Trainer<Layer> trainer(own, all, two);
    std::string message;
    try {
      trainer.run(20, make, loss);
    } catch (const train::TrainingError& error) {
      message = error.what();
    }
    CHECK(numbers(own) == before);
    return message;
  };
  const auto only = [](Index which, auto change) {
    return [which, change](Index i, Random& random) {
      auto made = sample(i, random);
      if (i == which) change(made);
      return made;
    };
  };
  CHECK_THAT(said(only(7, [](auto& made) { made.u.clear(); }), loss_of), ContainsSubstring("step 1: example 7: "));
  CHECK_THAT(said(only(7, [](auto& made) { made.intervals.assign(40, 1); }), loss_of),
             ContainsSubstring("example 7: intervals: expected none"));
  CHECK_THAT(said(only(7, [](auto&) { throw std::runtime_error("no such recording"); }), loss_of),
             ContainsSubstring("example 7: no such recording"));
  CHECK_THAT(said(sample,
                  [](Index i, ConstSequence<float> answer, Sequence<float> danswer, double weight) {
                    if (i == 11) throw std::runtime_error("no label");
                    return loss_of(i, answer, danswer, weight);
                  }),
             ContainsSubstring("example 11: no label"));
  CHECK_THAT(said(sample,
                  [](Index i, ConstSequence<float> answer, Sequence<float> danswer, double weight) {
                    auto result = loss_of(i, answer, danswer, weight);
                    if (i == 11) result.loss = std::numeric_limits<double>::quiet_NaN();
                    return result;
                  }),
             ContainsSubstring("example 11: its loss is nan"));
}

TEST_CASE("a checkpoint that is damaged changes neither model nor optimiser", "[train]") {
  std::filesystem::create_directories(folder);
  {
    auto model = fresh();
    train::Trainer<Layer> part(model, options(true), this_thread());
    Index steps = 0;
    part.run(20, sample, loss_of, {.should_stop = [&] { return ++steps == 3; }});
  }
  const auto whole = io::read(folder / "checkpoint");
  const auto check = [&](auto spoil, const char* what) {
    auto file = whole;
    spoil(file);
    io::write(folder / "checkpoint", file);
    auto model = fresh();
    const auto before = numbers(model);
    train::Trainer<Layer> trainer(model, options(true), this_thread());
    CHECK_THROWS_WITH(trainer.resume(), support::ContainsSubstring(what));
    CHECK(numbers(model) == before);
    CHECK(trainer.steps() == 0);
  };
  check([](auto& file) { file.tensors.erase("average/decoder/b"); }, "average/decoder/b: expected in the file");
  check(
      [](auto& file) {
        const float nan = std::numeric_limits<float>::quiet_NaN();
        std::memcpy(file.tensors.at("block0/ssm/log_dt").bytes.data(), &nan, 4);
      },
      "log_dt: expected finite numbers");
  std::filesystem::remove_all(folder);
}

TEST_CASE("real parts that are stored as next to nothing learn to decay", "[train]") {
  // an exponential moving average is asked of modes that begin as Fourier's, which do not decay
  using Fourier = S4<float>;
  Random random(1);
  nn::Stack<Fourier> model(
      hippo::Fourier{}, {.features = 8, .states = 8, .layers = 1, .outputs = 1, .pool = nn::Pool::none, .dt_min = 1e-2},
      random);
  const auto begun = model.weights().blocks[0].ssm.A_re_log;
  const auto input = [](Index i) {
    Random draw(static_cast<std::uint64_t>(i));
    std::vector<float> u;
    for (int k = 0; k < 60; ++k) u.push_back(static_cast<float>(draw.normal()));
    return u;
  };
  train::Trainer<Fourier> trainer(
      model, {.epochs = 60, .batch = 8, .learning_rate = 1e-2, .dynamics_learning_rate = 1e-2}, this_thread());
  trainer.run(
      32, [&](Index i, Random&) { return train::Sample<float>{input(i)}; },
      [&](Index i, ConstSequence<float> answer, Sequence<float> danswer, double weight) {
        const auto u = input(i);
        double average = 0, sum = 0;
        for (Index k = 0; k < answer.length(); ++k) {
          average += 0.1 * (double(u[std::size_t(k)]) - average);
          const double off = double(answer(k, 0)) - average;
          danswer(k, 0) += static_cast<float>(2 * weight * off);
          sum += off * off;
        }
        return train::LossResult{sum, 0};
      });
  const auto& learnt = model.weights().blocks[0].ssm.A_re_log;
  float moved = 0;
  for (Index i = 0; i < learnt.size(); ++i) moved = std::max(moved, std::abs(learnt.data()[i] - begun.data()[i]));
  CHECK(moved > 0.3F);  // by more than a third of itself
}
