// Groups of arrays, by patterns of their names: what each is trained with.
#include "ssm/layer/any_layer.hpp"
#include "ssm/layer/bidirectional.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/nn/stack.hpp"
#include "ssm/optim/adamw.hpp"
#include "support/catch.hpp"

#include <map>

using namespace ssm;

namespace {

struct Trained {
  double rate, decay;
};
/// What each array of a model is trained with: measured, by a step of a gradient of 1 from weights of 1.
template <class Layer, class Measure>
std::map<std::string, Trained> trained(Measure measure, std::vector<optim::Group> groups) {
  Random random(1);
  nn::Stack<Layer> model(measure, {.features = 4, .states = 4, .layers = 1, .outputs = 2}, random);
  const auto after = [&](double start) {
    auto weights = model.weights();
    for (const auto& each : parameters_of(weights)) std::fill(each.values.begin(), each.values.end(), start);
    auto gradient = weights;
    for (const auto& each : parameters_of(gradient)) std::fill(each.values.begin(), each.values.end(), 1.0);
    optim::AdamW<double>(parameters_of(weights), {.learning_rate = 1e-2, .weight_decay = 0.5, .groups = groups})
        .step(parameters_of(gradient));
    std::map<std::string, double> moved;
    for (const auto& each : parameters_of(weights)) moved[each.name] = start - each.values[0];
    return moved;
  };
  const auto from_zero = after(0), from_one = after(1);  // without and with what decays
  std::map<std::string, Trained> all;
  for (const auto& [name, moved] : from_zero) all[name] = {moved, moved == 0 ? 0 : (from_one.at(name) - moved) / moved};
  return all;
}
void check(const Trained& got, double rate, double decay) {
  CHECK(std::abs(got.rate - rate) <= 1e-6 * 1e-2);
  CHECK(std::abs(got.decay - decay) <= 1e-6);
}

}  // namespace

TEST_CASE("a pattern's stars stand for any letters", "[optim]") {
  CHECK(optim::matches("*/log_dt", "block0/ssm/log_dt"));
  CHECK(optim::matches("block*/ssm/*_re*", "block10/ssm/Lambda_re"));
  CHECK(optim::matches("*", ""));
  CHECK(optim::matches("a*b*c", "aXbXbc"));
  CHECK(optim::matches("x|*W", "encoder/W"));
  CHECK(optim::matches("***W", "W"));
  CHECK_FALSE(optim::matches("log_dt", "block0/ssm/log_dt"));
  CHECK_FALSE(optim::matches("*/log", "block0/ssm/log_dt"));
  CHECK_FALSE(optim::matches("a*b", "ac"));
  CHECK_FALSE(optim::matches("", "a"));
  CHECK_FALSE(optim::matches("x|y", "x|y"));
}

TEST_CASE("later groups go over earlier ones, and over the roles", "[optim]") {
  const auto all = trained<S4D<double>>(
      diagonal::Linear{},
      {{"*ssm*", 3e-3, 0.25}, {.pattern = "*/log_dt", .learning_rate = 1e-4}, {.pattern = "*/D", .frozen = true}});
  check(all.at("encoder/W"), 1e-2, 0.5);
  check(all.at("block0/ssm/A_im"), 3e-3, 0.25);
  check(all.at("block0/ssm/log_dt"), 1e-4, 0.25);
  check(all.at("block0/ssm/D"), 0, 0);
  const auto roles = trained<S4D<double>>(diagonal::Linear{}, {});
  check(roles.at("block0/ssm/log_dt"), 1e-3, 0);
  check(roles.at("block0/ssm/C_ri"), 1e-2, 0.5);
}

TEST_CASE("S5's settings are those of its code", "[optim]") {
  struct Setting {
    const char* name;
    Trained B, C;
  };
  const std::array<Setting, 4> settings{{{"standard", {2e-3, 0}, {1e-2, 0.5}},
                                         {"BandCdecay", {2e-3, 0.5}, {1e-2, 0.5}},
                                         {"BfastandCdecay", {1e-2, 0.5}, {1e-2, 0.5}},
                                         {"noBCdecay", {2e-3, 0}, {2e-3, 0}}}};
  for (const auto& each : settings) {
    CAPTURE(each.name);
    const auto groups = optim::s5_groups(each.name, {.ssm = 2e-3, .rest = 1e-2, .weight_decay = 0.5});
    const auto all = trained<S5<double>>(hippo::LegS{}, groups);
    for (const char* name : {"block0/ssm/Lambda_re", "block0/ssm/Lambda_im", "block0/ssm/log_dt"})
      check(all.at(name), 2e-3, 0);
    check(all.at("block0/ssm/B_ri"), each.B.rate, each.B.decay);
    check(all.at("block0/ssm/C_ri"), each.C.rate, each.C.decay);
    check(all.at("block0/ssm/D"), each.C.rate, each.C.decay);
    check(all.at("decoder/W"), 1e-2, 0.5);
    const auto both = trained<Bidirectional<S5<double>>>(hippo::LegS{}, groups);
    check(both.at("block0/ssm/backward/B_ri"), each.B.rate, each.B.decay);
  }
  CHECK_THROWS_WITH(optim::s5_groups("fast", {}),
                    support::ContainsSubstring("BfastandCdecay or noBCdecay, got 'fast'"));
}

TEST_CASE("S4's rates are of its arrays", "[optim]") {
  const auto all = trained<S4<double>>(hippo::LegS{}, optim::s4_groups({.dt = 2e-4, .A = 3e-4, .B = 4e-4, .C = 5e-4}));
  check(all.at("block0/ssm/log_dt"), 2e-4, 0);
  for (const char* name : {"block0/ssm/A_re_log", "block0/ssm/A_im", "block0/ssm/P_ri"}) check(all.at(name), 3e-4, 0);
  check(all.at("block0/ssm/B_ri"), 4e-4, 0);
  check(all.at("block0/ssm/C_ri"), 5e-4, 0);
  check(trained<S4D<double>>(diagonal::Linear{}, optim::s4_groups()).at("block0/ssm/C_ri"), 1e-2, 0.5);
  CHECK_THROWS_WITH(
      (trained<S5<double>>(hippo::LegS{}, optim::s4_groups())),
      support::ContainsSubstring("group '*/ssm/*A_*|*/ssm/*P_ri|*/ssm/*Q_ri': expected a pattern that fits"));
}
