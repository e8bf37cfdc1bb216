// An LSSL trained by convolution is the LSSL: outputs, states, gradients; and its table is made only when it must be.
#include "ssm/layer/tabled_lssl.hpp"
#include "layer/gradient_laws.hpp"
#include "ssm/nn/stack.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace ssm;

namespace {

template <class T>
TabledLSSLParameters<T> some(Index features, Index states, Index length, bool frozen) {
  Random random(3);
  auto parameters =
      initial<TabledLSSL<T>>(hippo::LegS{}, {.features = features, .states = states, .dt_min = 1e-2}, random);
  parameters.length = length;
  parameters.frozen = frozen;
  return parameters;
}

}  // namespace

TEMPLATE_TEST_CASE("a tabled LSSL answers as the LSSL, and leaves its state", "[layer]", float, double) {
  const auto parameters = some<TestType>(3, 8, 60, false);
  const TabledLSSL<TestType> tabled(parameters);
  const LSSL<TestType> dense(parameters);
  const double within = std::is_same_v<TestType, float> ? 2e-6 : 1e-13;
  for (const Index L : {0, 1, 2, 59, 60, 61, 200}) {
    CAPTURE(L);
    auto [u, y, expected] = laws::sequences<TestType>(L, 3);
    auto state = tabled.initial_state(), known = dense.initial_state();
    tabled.forward(ConstSequence<TestType>(u), Sequence<TestType>(y), state);
    dense.forward(ConstSequence<TestType>(u), Sequence<TestType>(expected), known);
    CHECK(laws::distance(y, expected) <= within);
    CHECK(support::relative_error(support::numbers(state), support::numbers(known)) <= within);
    auto in_place = u;
    auto again = tabled.initial_state();
    tabled.forward(ConstSequence<TestType>(in_place), Sequence<TestType>(in_place), again);
    CHECK(in_place == y);
    CHECK(again == state);
    tabled.forward(ConstSequence<TestType>(u), Sequence<TestType>(y), state);  // goes on from where it is
    dense.forward(ConstSequence<TestType>(u), Sequence<TestType>(expected), known);
    CHECK(laws::distance(y, expected) <= within);
  }
}

TEMPLATE_TEST_CASE("a tabled LSSL's gradients are the LSSL's; frozen arrays get none", "[layer][gradient]", float,
                   double) {
  for (const bool frozen : {false, true})
    for (const Index L : {0, 1, 59, 60, 200}) {
      CAPTURE(L, frozen);
      const auto parameters = some<TestType>(3, 8, 60, frozen);
      const TabledLSSL<TestType> tabled(parameters);
      const LSSL<TestType> dense(parameters);
      auto [u, dy, du] = laws::sequences<TestType>(L, 3);
      auto expected_du = du;
      auto cotangent = tabled.cotangent(), more = cotangent;
      auto expected_cotangent = dense.cotangent();
      const ConstSequence<TestType> in(u), out(dy);
      tabled.forward_vjp(in, out, Sequence<TestType>(du), cotangent);
      dense.forward_vjp(in, out, Sequence<TestType>(expected_du), expected_cotangent);
      const double within = tolerance::gradient<TestType>;
      CHECK(laws::distance(du, expected_du) <= within);
      // and of one from a state, added
      auto state = tabled.initial_state(), dstate = state, expected_dstate = state;
      Random random(5);
      laws::randomize<TabledLSSL<TestType>>(state, random);
      tabled.forward_vjp(in, state, out, dstate, Sequence<TestType>(du), more);
      cotangent += more;
      dense.forward_vjp(in, state, out, expected_dstate, Sequence<TestType>(expected_du), expected_cotangent);
      CHECK(laws::distance(du, expected_du) <= within);
      auto gradient = zero(parameters);
      LSSLParameters<TestType> expected = zero(static_cast<const LSSLParameters<TestType>&>(parameters));
      tabled.parameters_vjp(cotangent, gradient);
      dense.parameters_vjp(expected_cotangent, expected);
      const auto near = [&](const auto& got, const auto& array) {
        const std::vector<Complex<double>> a(got.begin(), got.end()), b(array.begin(), array.end());
        return support::relative_error(a, b) <= within;
      };
      CHECK(near(gradient.C, expected.C));
      CHECK(near(gradient.D, expected.D));
      if (frozen) {
        for (const auto* array : {&gradient.A, &gradient.B, &gradient.log_dt})
          for (const TestType each : *array) REQUIRE(each == 0);
      } else {
        CHECK(near(gradient.A, expected.A));
        CHECK(near(gradient.B, expected.B));
        CHECK(near(gradient.log_dt, expected.log_dt));
      }
    }
}

TEST_CASE("a tabled LSSL reads and writes columns of a wider sequence", "[layer]") {
  const TabledLSSL<double> tabled(some<double>(3, 8, 60, false));
  constexpr Index L = 40;
  const auto [wide_u, wide_dy, none] = laws::sequences<double>(L, 7);
  const laws::Rows<double> u = wide_u.middleCols(2, 3), dy = wide_dy.middleCols(2, 3);
  laws::Rows<double> y(L, 3), du = laws::Rows<double>::Zero(L, 3), wide_y = laws::Rows<double>::Zero(L, 7),
                              wide_du = wide_y;
  tabled.forward(ConstSequence<double>(u), Sequence<double>(y));
  tabled.forward(ConstSequence<double>(wide_u).columns(2, 3), Sequence<double>(wide_y).columns(2, 3));
  CHECK(wide_y.middleCols(2, 3) == y);
  auto cotangent = tabled.cotangent(), wide = cotangent;
  tabled.forward_vjp(ConstSequence<double>(u), ConstSequence<double>(dy), Sequence<double>(du), cotangent);
  tabled.forward_vjp(ConstSequence<double>(wide_u).columns(2, 3), ConstSequence<double>(wide_dy).columns(2, 3),
                     Sequence<double>(wide_du).columns(2, 3), wide);
  CHECK(wide_du.middleCols(2, 3) == du);
  CHECK(wide.response == cotangent.response);
}

TEST_CASE("the table is kept while A, B, dt and the length stay", "[layer]") {
  const auto first = some<float>(2, 6, 40, true);
  const TabledLSSL<float> before(first);
  auto next = first;
  for (auto& each : next.C) each *= 2;
  CHECK(TabledLSSL<float>(next, before).shares_table(before));
  const auto differs = [&](auto change) {
    auto changed = next;
    change(changed);
    const TabledLSSL<float> kept(changed, before), fresh(changed);
    CHECK_FALSE(kept.shares_table(before));
    CHECK(kept.impulse_response(40) == fresh.impulse_response(40));
  };
  differs([](auto& p) { p.A(1, 5, 5) += 1e-3F; });
  differs([](auto& p) { p.B(1, 5) += 1e-3F; });
  differs([](auto& p) { p.log_dt(1) += 1e-3F; });
  differs([](auto& p) { p.length = 41; });
  next.length = 0;
  CHECK_THROWS_WITH(TabledLSSL<float>(next, before), "length: expected at least 1, got 0");
  // the same answers from what is kept as from what is made anew
  next.length = 40;
  const TabledLSSL<float> kept(next, before), fresh(next);
  CHECK(kept.impulse_response(40) == fresh.impulse_response(40));
}

TEST_CASE("a stack keeps the tables of what is frozen, and gives it to no optimiser", "[layer]") {
  using Model = nn::Stack<TabledLSSL<float>>;
  Random random(1);
  Model model(RandomMatrix{}, {.features = 3, .states = 4, .layers = 2, .outputs = 2}, random);
  for (auto& block : model.weights().blocks) {
    block.ssm.length = 20;
    block.ssm.frozen = true;
  }
  model.refresh();
  const std::vector<TabledLSSL<float>> before = model.layers();
  std::string frozen, trained;
  for (const auto& each : model.parameters()) {
    if (!each.name.starts_with("block1/ssm/")) continue;
    (each.role == Role::statistic ? frozen : trained) += each.name.substr(11) + " ";
    if (each.role != Role::statistic)
      for (auto& value : each.values) value += 1;
  }
  CHECK(frozen == "A B log_dt ");
  CHECK(trained == "C D ");
  model.refresh();
  CHECK(model.layers()[1].shares_table(before[1]));
  CHECK_FALSE(model.layers()[1].impulse_response(20) == before[1].impulse_response(20));
}
