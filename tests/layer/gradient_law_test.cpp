// Laws of every layer's derivatives: they are adjoint to its linear maps, and the limits of differences.
#include "layer/gradient_laws.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "support/golden.hpp"

using namespace ssm;

namespace {

/// f(layer) for layers of odd sizes.
template <class T, class F>
void for_each_layer(F f) {
  Random random(5);
  f(S4<T>(initial<S4<T>>(hippo::LegS{}, {.features = 17, .states = 8}, random)), 8);
  f(S4<T>(initial<S4<T>>(hippo::LegT{}, {.features = 3, .states = 6, .copies = 1}, random)), 6);
  f(S4<T>(initial<S4<T>>(diagonal::RandomLowRank<diagonal::Linear>{.rank = 3}, {.features = 2, .states = 5}, random)),
    5);
  f(S4D<T>(initial<S4D<T>>(diagonal::Linear{}, {.features = 17, .states = 10}, random)), 10);
  f(S4D<T>(initial<S4D<T>>(diagonal::Inverse{}, {.features = 4, .states = 7, .copies = 2}, random), Bilinear{}), 7);
  f(S4D<T>(initial<S4D<T>>(hippo::LegS{}, {.features = 1, .states = 1}, random), Sampling{2.0}), 1);
  f(S5<T>(initial<S5<T>>(hippo::LegS{}, {.features = 5, .states = 12}, random)), 12);
  f(S5<T>(initial<S5<T>>(hippo::LegS{}, {.features = 3, .states = 7}, random), Bilinear{}), 7);
  f(LSSL<T>(initial<LSSL<T>>(hippo::LegS{}, {.features = 2, .states = 5}, random)), 5);
  f(LSSL<T>(initial<LSSL<T>>(hippo::LegT{}, {.features = 2, .states = 4}, random), ZeroOrderHold{}), 4);
}

/// Every array of a gradient within an error of another's.
template <class Parameters>
void check_gradient(Parameters& got, Parameters& expected, double within) {
  std::vector<std::vector<Complex<double>>> found;
  Parameters::each(got, [&](const char*, auto& array, Role) { found.emplace_back(array.begin(), array.end()); });
  std::size_t i = 0;
  Parameters::each(expected, [&](const std::string& name, auto& array, Role) {
    INFO(name);
    const std::vector<Complex<double>> values(array.begin(), array.end());
    CHECK(support::relative_error(found[i++], values) <= within);
  });
}

}  // namespace

TEMPLATE_TEST_CASE("vjp is adjoint to the map from input and state to output and state", "[layer][gradient]", float,
                   double) {
  const Index L = GENERATE(0, 1, 2, 63, 257, 2100);
  for_each_layer<TestType>([&](const auto& layer, Index states) { laws::check_adjoint(layer, states, L); });
}

TEMPLATE_TEST_CASE("vjp from rest is vjp from a state at rest", "[layer][gradient]", float, double) {
  const Index L = GENERATE(0, 1, 256, 600);
  for_each_layer<TestType>([&](const auto& layer, Index states) {
    CAPTURE(L, states, layer.features());
    auto [u, dy, du] = laws::sequences<TestType>(L, layer.features());
    auto other = du;
    auto gradient = zero(layer.parameters()), expected = gradient;
    auto cotangent = layer.cotangent();
    layer.forward_vjp(u, dy, du, cotangent);
    layer.parameters_vjp(cotangent, gradient);
    auto nobody = layer.initial_state();
    forward_vjp(layer, ConstSequence<TestType>(u), layer.initial_state(), ConstSequence<TestType>(dy), nobody,
                Sequence<TestType>(other), expected);
    CHECK(laws::distance(du, other) <= tolerance::gradient<TestType>);
    check_gradient(gradient, expected, tolerance::gradient<TestType>);
  });
}

TEMPLATE_TEST_CASE("vjp of a sequence is that of its pieces, the last first", "[layer][gradient]", float, double) {
  constexpr Index L = 4200,
                  cut = 1500;  // the whole has three tiles, no piece one that begins where one of the whole's does
  for_each_layer<TestType>([&](const auto& layer, Index states) {
    using Layer = std::remove_cvref_t<decltype(layer)>;
    using T = TestType;
    CAPTURE(states, layer.features());
    Random random(13);
    const auto [u, dy, none] = laws::sequences<T>(L, layer.features());
    auto before = layer.initial_state(), dstate = before;
    laws::randomize<Layer>(before, random);
    laws::randomize<Layer>(dstate, random);
    laws::legal(before, states);
    laws::legal(dstate, states);
    laws::Rows<T> du = none, du_pieces = none, y = none;
    auto dpieces = dstate, middle = before;
    auto gradient = zero(layer.parameters()), pieces = gradient;
    const ConstSequence<T> in(u), out(dy);
    const Sequence<T> to(du_pieces);
    forward_vjp(layer, in, before, out, dstate, Sequence<T>(du), gradient);
    layer.forward(in.block(0, cut), Sequence<T>(y).block(0, cut), middle);
    forward_vjp(layer, in.block(cut, L - cut), middle, out.block(cut, L - cut), dpieces, to.block(cut, L - cut),
                pieces);
    forward_vjp(layer, in.block(0, cut), before, out.block(0, cut), dpieces, to.block(0, cut), pieces);
    CHECK(laws::distance(du_pieces, du) <= tolerance::gradient<T>);
    check_gradient(pieces, gradient, tolerance::gradient<T>);
    CHECK(support::relative_error(support::numbers(dpieces), support::numbers(dstate)) <= tolerance::gradient<T>);
  });
}

TEMPLATE_TEST_CASE("checkpoints lead back to the same gradients, and wrong ones are refused", "[layer][gradient]",
                   S5<float>, S5<double>, S4D<float>, S4D<double>, S4<float>, S4<double>, LSSL<float>, LSSL<double>) {
  using Layer = TestType;
  using T = typename Layer::Scalar;
  STATIC_REQUIRE(LeavesCheckpoints<Layer>);
  constexpr bool exact = std::same_as<Layer, S5<T>>;  // its states there and back are made by the same loop
  constexpr double within = exact ? 0.0 : tolerance::gradient<T>;
  const Index L = GENERATE(0, 1, 1024, 1025, 4200);  // three tiles and more
  CAPTURE(L);
  Random random(3);
  const auto layer = [&] {
    if constexpr (exact)
      return Layer(initial<Layer>(hippo::LegS{}, {.features = 3, .states = 8}, random));
    else if constexpr (std::same_as<Layer, S4D<T>>)
      return Layer(initial<Layer>(diagonal::Linear{}, {.features = 17, .states = 8}, random));
    else
      return Layer(initial<Layer>(hippo::LegS{}, {.features = 17, .states = 8}, random));
  }();
  const auto [u, dy, none] = laws::sequences<T>(L, layer.features());
  auto first = layer.initial_state(), last = first;
  laws::randomize<Layer>(first, random);
  laws::randomize<Layer>(last, random);
  laws::Rows<T> y = none, y_expected = none, du = none, du_expected = none;
  typename Layer::Checkpoints checkpoints;
  auto state = first, state_expected = first, dstate = last, dstate_expected = last;
  auto cotangent = layer.cotangent(), cotangent_expected = cotangent;
  layer.forward(u, y, state, checkpoints);
  layer.forward(u, y_expected, state_expected);
  layer.forward_vjp(u, checkpoints, dy, dstate, du, cotangent);
  layer.forward_vjp(u, first, dy, dstate_expected, du_expected, cotangent_expected);
  CHECK(y == y_expected);
  CHECK(state == state_expected);
  CHECK(laws::distance(du, du_expected) <= within);
  CHECK(support::relative_error(support::numbers(dstate), support::numbers(dstate_expected)) <= within);
  auto gradient = zero(layer.parameters()), gradient_expected = gradient;
  layer.parameters_vjp(cotangent, gradient);
  layer.parameters_vjp(cotangent_expected, gradient_expected);
  check_gradient(gradient, gradient_expected, within);

  typename Layer::Checkpoints of_another_length{};
  of_another_length.starts = decltype(checkpoints.starts)(7);
  CHECK_THROWS_AS(layer.forward_vjp(u, of_another_length, dy, dstate, du, cotangent), ShapeError);
}

TEMPLATE_TEST_CASE("scratch memory that another layer's backward run has left changes no bit", "[layer][gradient]",
                   S5<float>, S4D<float>, S4<float>, LSSL<float>) {
  using Layer = TestType;
  using T = typename Layer::Scalar;
  const Index L = GENERATE(1, 1030);
  CAPTURE(L);
  Random random(5);
  typename Layer::Workspace kept;
  const auto run = [&](const Layer& layer, Index length, typename Layer::Workspace* work) {
    const auto [u, dy, none] = laws::sequences<T>(length, layer.features());
    laws::Rows<T> du = none;
    auto cotangent = layer.cotangent();
    layer.forward_vjp(u, dy, du, cotangent, work);
    auto state = layer.initial_state(), dstate = state;
    laws::randomize<Layer>(dstate, random);
    layer.forward_vjp(u, state, dy, dstate, du, cotangent, work);
    auto gradient = zero(layer.parameters());
    layer.parameters_vjp(cotangent, gradient);
    return std::pair(du, gradient);
  };
  const Layer layer(initial<Layer>(hippo::LegS{}, {.features = 5, .states = 8}, random));
  const Layer larger(initial<Layer>(hippo::LegS{}, {.features = 20, .states = 12}, random));
  const auto from_nothing = random;
  const auto expected = run(layer, L, nullptr);
  for (const Index other : {3, 2500}) {
    run(larger, other, &kept);
    random = from_nothing;
    const auto found = run(layer, L, &kept);
    CHECK(found.first == expected.first);
    check_gradient(found.second, expected.second, 0.0);
  }
}

TEMPLATE_TEST_CASE("modes apart, backwards by blocks of steps, are those that a low-rank part of zero joins",
                   "[layer][gradient]", float, double) {
  using T = TestType;
  const Index states = GENERATE(1, 4, 6, 8, 10), L = GENERATE(31, 32, 33, 2100), features = 3;
  CAPTURE(states, L);
  Random random(11);
  const auto apart = initial<S4D<T>>(diagonal::Linear{}, {.features = features, .states = states}, random);
  S4Parameters<T> joined(features, states, 1);
  static_cast<detail::ModalParameters<T>&>(joined) = apart;
  auto [u, dy, du] = laws::sequences<T>(L, features);
  auto other = du;
  const S4D<T> layer(apart, Bilinear{});
  const S4<T> slow(joined);
  auto found = zero(apart);
  auto expected = zero(joined);
  auto cotangent = layer.cotangent();
  auto slow_cotangent = slow.cotangent();
  typename S4D<T>::Workspace work;
  typename S4<T>::Workspace slow_work;
  for (int sequence = 0; sequence < 2; ++sequence) {
    layer.forward_vjp(u, dy, du, cotangent, &work);
    slow.forward_vjp(u, dy, other, slow_cotangent, &slow_work);
  }
  layer.parameters_vjp(cotangent, found);
  slow.parameters_vjp(slow_cotangent, expected);
  CHECK(laws::distance(du, other) <= tolerance::gradient<T>);
  const auto check = [](const char* name, const auto& got, const auto& wanted) {
    INFO(name);
    const std::vector<Complex<double>> a(got.begin(), got.end()), b(wanted.begin(), wanted.end());
    CHECK(support::relative_error(a, b) <= tolerance::gradient<T>);
  };
  check("A_re_log", found.A_re_log, expected.A_re_log);
  if (states > 1) check("A_im", found.A_im, expected.A_im);
  check("B", found.B, expected.B);
  check("C", found.C, expected.C);
  check("D", found.D, expected.D);
  check("log_dt", found.log_dt, expected.log_dt);
}

TEST_CASE("gradients of stored parameters are the limit of differences", "[layer][gradient]") {
  for_each_layer<double>([&](const auto& layer, Index states) {
    using Layer = std::remove_cvref_t<decltype(layer)>;
    CAPTURE(states, layer.features());
    if (layer.rate() != 1) return;  // remade at rate 1, by its default method
    laws::check_differences(layer.parameters(), [](const auto& parameters) { return Layer(parameters); });
  });
}
