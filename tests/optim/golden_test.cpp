// Optimisers and schedules: parameters after each of the steps of a file, with its gradients.
#include "support/golden.hpp"
#include "ssm/optim/adamw.hpp"
#include "ssm/optim/schedule.hpp"
#include "ssm/optim/sgd.hpp"

using namespace ssm;
using support::Safetensors;

namespace {

Safetensors open(const std::string& name) { return Safetensors(support::golden_files("optim", name + ".").front()); }

/// Two arrays, and what is done to them in step k with the gradients of the file.
template <class Make, class Step>
void check_steps(const Safetensors& file, Role second, Make make, Step step) {
  std::vector<double> p0 = file["p0_0"].values, p1 = file["p1_0"].values;
  const auto list = [&](std::vector<double>& a, std::vector<double>& b) {
    return std::vector<Parameter<double>>{{"p0", {}, a, Role::ordinary}, {"p1", {}, b, second}};
  };
  auto optimizer = make(list(p0, p1));
  for (Index k = 0; k < file["lr"].size(0); ++k) {
    const auto row = [&](const std::string& name, const std::vector<double>& like) {
      const auto* const first = file[name].values.data() + k * Index(like.size());
      return std::vector<double>(first, first + like.size());
    };
    auto g0 = row("g0", p0), g1 = row("g1", p1);
    step(optimizer, list(g0, g1), k);
    CHECK(support::relative_error(p0, row("p0", p0)) <= file.tolerance());
    CHECK(support::relative_error(p1, row("p1", p1)) <= file.tolerance());
  }
}

constexpr auto plain = [](auto& optimizer, const auto& gradients, Index) { optimizer.step(gradients); };
auto adamw(optim::AdamWOptions options) {
  return [options](auto parameters) { return optim::AdamW<double>(std::move(parameters), options); };
}

}  // namespace

TEST_CASE("AdamW is the reference's", "[optim][golden]") {
  check_steps(open("adamw"), Role::ordinary, adamw({.learning_rate = 1e-2, .weight_decay = 0.05}), plain);
  check_steps(open("adamw_groups"), Role::dynamics, adamw({.learning_rate = 1e-2, .weight_decay = 0.05}), plain);
}

TEST_CASE("clipping is the reference's", "[optim][golden]") {
  const auto file = open("adamw_clip");
  check_steps(file, Role::ordinary, adamw({.learning_rate = 1e-2, .weight_decay = 0.01, .clip = 1}),
              [&](auto& optimizer, const auto& gradients, Index k) {
                const double norm = optimizer.step(gradients),
                             expected = file["norm_before_clip"].values[std::size_t(k)];
                CHECK(std::abs(norm - expected) <= 1e-12 * expected);
              });
}

TEST_CASE("warm-up and cosine are the reference's", "[optim][golden]") {
  const auto file = open("adamw_cosine_warmup");
  const Index steps = file["lr"].size(0);
  for (Index k = 0; k < steps; ++k)
    CHECK(std::abs(1e-2 * optim::warmup_cosine(k, 5, steps) - file["lr"].values[std::size_t(k)]) <= 1e-15);
  check_steps(file, Role::ordinary, adamw({.learning_rate = 1e-2, .weight_decay = 0}),
              [&](auto& optimizer, const auto& gradients, Index k) {
                optimizer.step(gradients, optim::warmup_cosine(k, 5, steps));
              });
}

TEST_CASE("momentum is the reference's", "[optim][golden]") {
  check_steps(
      open("sgd_momentum"), Role::ordinary,
      [](auto parameters) { return optim::Sgd<double>(std::move(parameters), 0.1, 0.9); }, plain);
}

TEST_CASE("the plateau schedule is the reference's", "[optim][golden]") {
  const auto file = open("plateau");
  optim::Plateau schedule(0.5, 2, 1e-4);
  for (std::size_t i = 0; i < file["lr"].values.size(); ++i)
    CHECK(std::abs(0.1 * schedule(file["metric"].values[i]) - file["lr"].values[i]) <= file.tolerance());
}

TEST_CASE("schedules of a training are functions of the moment", "[optim]") {
  const auto at = [](const optim::Schedule& schedule, Index step, std::vector<double> validation = {}) {
    return schedule.factor({step, 100, 10, validation});
  };
  for (Index k = 0; k < 100; ++k) {
    CHECK(at(optim::cosine(1), k) == optim::warmup_cosine(k, 10, 100));
    CHECK(at(optim::cosine(0, 0.2), k) == 0.2 + 0.8 * optim::warmup_cosine(k, 0, 100));
    CHECK(at(optim::step_decay(2, 0.5), k) == std::pow(0.5, static_cast<double>(k / 20)));
  }
  CHECK(optim::warmup_cosine(100, 10, 100, 0.1) == 0.1);
  // PyTorch's OneCycleLR(max_lr = 1, total_steps = 100): 0.04 first, 1 in step 29, 4e-6 last
  CHECK(std::abs(at(optim::one_cycle(), 0) - 0.04) <= 1e-15);
  CHECK(std::abs(at(optim::one_cycle(), 29) - 1) <= 1e-15);
  CHECK(std::abs(at(optim::one_cycle(), 99) - 4e-6) <= 1e-15);
  CHECK(std::abs(at(optim::one_cycle(), 10) - (1 + (0.04 - 1) / 2 * (1 + std::cos(std::numbers::pi * 10 / 29)))) <=
        1e-15);
  const auto plateau = optim::plateau(0.5, 1);
  CHECK(at(plateau, 5) == 1);
  CHECK(at(plateau, 5, {1, 0.9, 0.91}) == 1);
  CHECK(at(plateau, 5, {1, 0.9, 0.91, 0.92}) == 0.5);
  CHECK(at(plateau, 5, {1, 0.9, 0.91, 0.92, 0.5, 0.6, 0.7}) == 0.25);
}
