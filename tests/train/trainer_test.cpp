// The loop: it learns, in the same bits whatever the threads and however often it was stopped.
#include "ssm/train/trainer.hpp"
#include "ssm/core/thread_pool.hpp"
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
  CHECK_THROWS_WITH((train::Trainer<Layer>(model, other, this_thread()).resume()),
                    support::ContainsSubstring("learning_rate: expected that of the training that the checkpoint is "
                                               "of, '0.01"));
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
  const auto broken = [&](Index i, Random& random) {
    auto made = sample(i, random);
    if (trainer.steps() >= 2) made.u[3] = std::numeric_limits<float>::quiet_NaN();
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
    CHECK_THROWS_WITH(optim::cosine(bad), ContainsSubstring("warmup: expected"));
    CHECK_THAT(refusal([&](auto& all) {
                 all.groups = {{"*/log_dt", bad}};
               }),
               ContainsSubstring("group '*/log_dt': learning_rate: expected"));
    CHECK_THAT(refusal([&](auto& all) { all.validation = bad; }), ContainsSubstring("validation: expected a share"));
    CHECK_THAT(refusal([&](auto& all) { all.ema_decay = bad; }),
               ContainsSubstring("ema_decay: expected a decay in [0, 1)"));
  }
  for (const double bad : {nan, 0.0, -1.0})
    CHECK_THAT(refusal([&](auto& all) { all.clip = bad; }), ContainsSubstring("clip: expected a positive number"));
  CHECK_THAT(refusal([](auto& all) { all.batch = 0; }), ContainsSubstring("batch: expected at least 1"));
  CHECK_THAT(refusal([](auto& all) { all.epochs = -1; }), ContainsSubstring("epochs: expected at least 0"));
  CHECK_THAT(refusal([](auto& all) { all.groups = {{.pattern = "*/ssm/Lambda", .frozen = true}}; }),
             ContainsSubstring("group '*/ssm/Lambda': expected a pattern that fits an array, got one that fits none of "
                               "encoder/W, "));
  CHECK_THAT(refusal([](auto& all) { all.accumulate = 0; }), ContainsSubstring("accumulate: expected at least 1"));
  CHECK_THAT(refusal([](auto& all) { all.patience = 3; }),
             ContainsSubstring("patience: expected 0 where nothing is held out"));
  CHECK_THAT(refusal([](auto& all) { all.schedule.factor = nullptr; }), ContainsSubstring("schedule: expected"));
  CHECK_THROWS_AS(optim::cosine(1, 1.5), DomainError);
  CHECK_THROWS_AS(optim::one_cycle(-0.1), DomainError);
  CHECK_THROWS_AS(optim::step_decay(0), DomainError);
  CHECK_THROWS_AS(optim::plateau(0), DomainError);
  CHECK(numbers(model) == before);
}

TEST_CASE("frozen arrays stay as they are", "[train]") {
  auto model = fresh();
  const auto before = model.weights();
  auto all = options(false);
  all.ema_decay = 0;
  all.groups = {{.pattern = "*/ssm/A_re_log|*/ssm/log_dt", .frozen = true}};
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

TEST_CASE("data may be a lambda that returns numbers, and others than those it began with are refused", "[train]") {
  auto model = fresh();
  train::Trainer<Layer> trainer(model, options(false), this_thread());
  const auto numbers_of = [](float shift) {
    return [shift](Index i, Random&) { return std::vector<float>(30, static_cast<float>(i % 2) + shift); };
  };
  Index steps = 0;
  CHECK_FALSE(trainer.run(20, numbers_of(0), loss_of, {.should_stop = [&] { return ++steps == 2; }}));
  const auto before = numbers(model);
  CHECK_THROWS_WITH(trainer.run(20, numbers_of(1e-3F), loss_of),
                    support::ContainsSubstring("expected those that this training began with, of fingerprint"));
  CHECK(numbers(model) == before);
  CHECK(trainer.run(20, numbers_of(0), loss_of));
}

TEST_CASE("batches that are accumulated are one step of all of them", "[train]") {
  const auto trained = [](Index batch, Index accumulate, double dropout) {
    Random random(1);
    nn::Stack<Layer> model(diagonal::Linear{},
                           {.features = 8, .states = 4, .layers = 1, .outputs = 2, .dropout = dropout, .dt_min = 1e-2},
                           random);
    auto all = options(false);
    all.batch = batch;
    all.accumulate = accumulate;
    const auto still = [](Index i, Random&) {
      Random own(static_cast<std::uint64_t>(i));
      return sample(i, own);
    };
    train::Trainer<Layer> trainer(model, all, this_thread());
    trainer.run(20, still, loss_of);
    CHECK(trainer.steps() == 8);
    return numbers(model);
  };
  const auto whole = trained(10, 1, 0), parts = trained(4, 3, 0);
  CHECK(trained(12, 1, 0) != whole);
  double worst = 0;
  const auto twelve = trained(12, 1, 0);
  for (std::size_t i = 0; i < twelve.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(parts[i] - twelve[i])));
  CHECK(worst <= 1e-3);  // the order of summation alone; Adam's first steps divide by small numbers
}

TEST_CASE("what is held out is measured, chooses the best model and ends a training", "[train]") {
  std::filesystem::create_directories(folder);
  auto all = options(true);
  all.epochs = 40;
  all.validation = 0.25;
  all.patience = 3;
  all.learning_rate = 0.05;
  std::vector<Index> learnt;
  const auto watched = [&](Index i, ConstSequence<float> answer, Sequence<float> danswer, double weight) {
    if (weight < 1) learnt.push_back(i);  // what is held out has weight 1
    auto result = loss_of(i, answer, danswer, weight);
    return result;
  };
  auto model = fresh();
  train::Trainer<Layer> trainer(model, all, this_thread());
  CHECK_THROWS_AS(trainer.use_best(), DomainError);
  REQUIRE(trainer.run(40, sample, watched));
  std::sort(learnt.begin(), learnt.end());
  learnt.erase(std::unique(learnt.begin(), learnt.end()), learnt.end());
  CHECK(learnt.size() == 30);
  const auto& curve = trainer.curve();
  REQUIRE(trainer.best_epoch() > 0);
  for (const auto& each : curve) CHECK(each.validation >= curve[std::size_t(trainer.best_epoch() - 1)].validation);
  if (curve.size() < 40) {
    CHECK(trainer.ended_early());
    CHECK(std::ssize(curve) == trainer.best_epoch() + 3);
  }
  trainer.use_best();
  const auto best = numbers(model);

  // stopped and resumed in every third step, it finds the same best model
  std::filesystem::remove(folder / "checkpoint");
  bool done = false;
  for (Index rounds = 0; !done && rounds < 200; ++rounds) {
    auto again = fresh();
    train::Trainer<Layer> part(again, all, this_thread());
    part.resume();
    Index steps = 0;
    done = part.run(40, sample, loss_of, {.should_stop = [&] { return ++steps == 3; }});
    if (!done) continue;
    CHECK(part.best_epoch() == trainer.best_epoch());
    part.use_best();
    CHECK(numbers(again) == best);
  }
  CHECK(done);
  std::filesystem::remove_all(folder);
  auto alone = fresh();
  all.validation = 0.01;
  all.checkpoint.clear();
  CHECK_THROWS_WITH((train::Trainer<Layer>(alone, all, this_thread()).run(40, sample, loss_of)),
                    support::ContainsSubstring("validation: expected a share of the 40 examples"));
}

TEST_CASE("a training is prolonged in the bits of one that was to be as long, where the schedule allows", "[train]") {
  const auto constant = optim::Schedule{"constant", [](const optim::Moment&) { return 1.0; }};
  std::filesystem::create_directories(folder);
  auto longer = options(true);
  longer.schedule = constant;
  auto alone = fresh();
  longer.epochs = 6;
  longer.checkpoint.clear();
  train::Trainer<Layer>(alone, longer, this_thread()).run(20, sample, loss_of);

  auto model = fresh();
  auto shorter = longer;
  shorter.epochs = 3;
  shorter.checkpoint = folder / "checkpoint";
  train::Trainer<Layer> trainer(model, shorter, this_thread());
  CHECK(trainer.run(20, sample, loss_of));
  CHECK_THROWS_WITH(trainer.prolong(2), "epochs: expected at least the 3 that are done, got 2");
  trainer.prolong(6);
  CHECK(trainer.run(20, sample, loss_of));
  CHECK(numbers(model) == numbers(alone));

  std::filesystem::remove(folder / "checkpoint");
  auto first = fresh(), second = fresh();
  train::Trainer<Layer>(first, shorter, this_thread()).run(20, sample, loss_of);  // finished, and kept
  shorter.epochs = 6;
  train::Trainer<Layer> resumed(second, shorter, this_thread());
  CHECK(resumed.resume());
  CHECK(resumed.run(20, sample, loss_of));
  CHECK(numbers(second) == numbers(alone));
  shorter.epochs = 2;
  auto untouched = fresh();
  CHECK_THROWS_AS((train::Trainer<Layer>(untouched, shorter, this_thread()).resume()), DomainError);
  auto begun = fresh();
  CHECK(numbers(untouched) == numbers(begun));
  std::filesystem::remove_all(folder);
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
