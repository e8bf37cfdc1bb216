// A layer whose coefficients depend on its input is an SSMLayer: it steps, runs in pieces and in plans, and has no
// convolution.
#include "layer/laws.hpp"
#include "ssm/layer/snapshots.hpp"
#include "ssm/plan/plan.hpp"
#include "support/catch.hpp"

using namespace ssm;

namespace {

/// x_k = a_k x_{k-1} + (1 - a_k) u_k with a_k = sigmoid(w + v u_k), one state a feature: a gate of its own input.
class Gated {
 public:
  using Scalar = double;
  struct Parameters {
    double w, v;
    Index features;
  };
  using State = std::vector<double>;

  explicit Gated(const Parameters& parameters) : parameters_(parameters) {}
  Index features() const { return parameters_.features; }
  State initial_state() const { return State(static_cast<std::size_t>(features())); }
  void step(std::span<const double> u, std::span<double> y, State& state) const noexcept {
    for (std::size_t h = 0; h < state.size(); ++h) {
      const double a = 1 / (1 + std::exp(-parameters_.w - parameters_.v * u[h]));
      y[h] = state[h] = a * state[h] + (1 - a) * u[h];
    }
  }
  void forward(ConstSequence<double> u, Sequence<double> y, State& state) const {
    for (Index k = 0; k < u.length(); ++k) step(u.row(k), y.row(k), state);
  }

 private:
  Parameters parameters_;
};

template <class Layer, class How>
concept CanPlan = requires(const Layer layer, How how) {
  plan(layer, Workload{.length = 4}, how);
};

}  // namespace

TEST_CASE("a layer whose coefficients depend on its input runs, and has no convolution", "[layer]") {
  STATIC_REQUIRE(SSMLayer<Gated>);
  STATIC_REQUIRE_FALSE(TimeInvariantSSMLayer<Gated>);
  STATIC_REQUIRE(CanPlan<Gated, algorithm::recurrence>);
  STATIC_REQUIRE_FALSE(CanPlan<Gated, algorithm::convolution<>>);

  const Gated layer({.w = 1, .v = 2, .features = 3});
  const auto u = laws::noise<double>(50, 3);
  laws::Rows<double> whole(50, 3), planned(50, 3), pieces(50, 3);
  auto state = layer.initial_state(), other = state, third = state;
  layer.forward(u, whole, state);
  auto run = plan(layer, {.length = 50});
  run(u, planned, other);
  CHECK(planned == whole);
  CHECK(other == state);
  const ConstSequence<double> in(u);
  const Sequence<double> out(pieces);
  layer.forward(in.block(0, 20), out.block(0, 20), third);
  layer.forward(in.block(20, 30), out.block(20, 30), third);
  CHECK(pieces == whole);
}
