// Analysis agrees with behaviour: a layer answers a sinusoid by its frequency response, and rests in its steady
// state.
#include "ssm/control/analysis.hpp"
#include "layer/laws.hpp"
#include "layer/state_numbers.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace ssm;

namespace {

template <class F>
void for_each_layer(F f) {
  Random random(4);
  f(S4<double>(initial<S4<double>>(hippo::LegS{}, {.features = 3, .states = 8, .dt_min = 1e-2}, random)));
  f(S4<double>(initial<S4<double>>(hippo::LegT{}, {.features = 2, .states = 5, .dt_min = 1e-2}, random)));
  f(S4D<double>(initial<S4D<double>>(diagonal::Linear{}, {.features = 3, .states = 7, .dt_min = 1e-2}, random)));
  f(S4D<double>(initial<S4D<double>>(diagonal::Inverse{}, {.features = 2, .states = 8, .dt_min = 1e-2}, random),
                Bilinear{}));
  f(LSSL<double>(initial<LSSL<double>>(hippo::LegS{}, {.features = 2, .states = 6, .dt_min = 1e-2}, random)));
  f(S5<double>(initial<S5<double>>(hippo::LegS{}, {.features = 3, .states = 8, .dt_min = 1e-2}, random)));
  f(S5<double>(initial<S5<double>>(hippo::LegS{}, {.features = 2, .states = 7, .dt_min = 1e-2}, random), Bilinear{}));
  f(S5<double>(initial<S5<double>>(hippo::LegS{},
                                   {.features = 2, .states = 6, .spectrum = Spectrum::full, .dt_min = 1e-2}, random)));
}

}  // namespace

TEST_CASE("the frequency response is the transform of the impulse response", "[layer]") {
  const std::vector<double> omega{0, 0.01, 0.3, 1, 2.5, std::numbers::pi};
  for_each_layer([&](const auto& layer) {
    using Layer = std::remove_cvref_t<decltype(layer)>;
    const Index H = layer.features(), L = 20000;
    const auto response = frequency_response(layer, std::span<const double>(omega));
    for (Index in = 0; in < H; ++in) {
      laws::Rows<double> u = laws::Rows<double>::Zero(L, H), y(L, H);
      u(0, in) = 1;
      auto state = layer.initial_state();
      layer.forward(ConstSequence<double>(u), Sequence<double>(y), state);
      for (Index i = 0; i < std::ssize(omega); ++i)
        for (Index out = 0; out < H; ++out) {
          Complex<double> sum = 0;
          for (Index k = 0; k < L; ++k)
            sum += y(k, out) * std::polar(1.0, -omega[static_cast<std::size_t>(i)] * double(k));
          CAPTURE(i, in, out);
          if constexpr (std::is_same_v<Layer, S5<double>>)
            CHECK(std::abs(response(i, out, in) - sum) <= 1e-9 * (1 + std::abs(sum)));
          else if (in == out)
            CHECK(std::abs(response(i, out) - sum) <= 1e-9 * (1 + std::abs(sum)));
        }
    }
  });
  Random random(1);
  const S4D<double> layer(initial<S4D<double>>(diagonal::Linear{}, {.features = 1, .states = 4}, random));
  const std::vector<double> none{std::nan("")};
  CHECK_THROWS_WITH(frequency_response(layer, std::span<const double>(none)),
                    "omega: expected finite frequencies, got nan");
}

TEST_CASE("a layer stays in its steady state", "[layer]") {
  for_each_layer([&](const auto& layer) {
    const Index H = layer.features(), L = 300;
    std::vector<double> level;
    for (Index h = 0; h < H; ++h) level.push_back(0.5 - double(h));
    const auto rest = steady_state(layer, std::span<const double>(level));
    laws::Rows<double> u(L, H), y(L, H);
    for (Index k = 0; k < L; ++k)
      for (Index h = 0; h < H; ++h) u(k, h) = level[static_cast<std::size_t>(h)];
    auto state = rest;
    layer.forward(ConstSequence<double>(u), Sequence<double>(y), state);
    for (Index h = 0; h < H; ++h)
      CHECK((y.col(h).array() - y(0, h)).abs().maxCoeff() <= 1e-11 * (1 + std::abs(y(0, h))));
    CHECK(support::relative_error(support::numbers(state), support::numbers(rest)) <= 1e-11);
    // and that is its frequency response at 0
    const std::vector<double> zero{0};
    const auto gain = frequency_response(layer, std::span<const double>(zero));
    for (Index h = 0; h < H; ++h) {
      double expected = 0;
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(layer)>, S5<double>>)
        for (Index in = 0; in < H; ++in) expected += gain(0, h, in).real() * level[static_cast<std::size_t>(in)];
      else
        expected = gain(0, h).real() * level[static_cast<std::size_t>(h)];
      CHECK(std::abs(y(0, h) - expected) <= 1e-10 * (1 + std::abs(expected)));
    }
    CHECK_THROWS_AS(steady_state(layer, std::span<const double>(level).first(1)), ShapeError);
  });
}

TEST_CASE("poles are inside the unit circle, and those of the modes", "[layer]") {
  for_each_layer([&](const auto& layer) {
    for (const auto& pole : poles(layer)) CHECK(std::abs(pole) < 1);
  });
  S4DParameters<double> one(1, 2);
  one.A_re_log(0, 0) = std::log(0.5);
  one.A_im(0, 0) = 3;
  one.B(0, 0) = one.C(0, 0) = 1;
  one.log_dt(0) = std::log(0.1);
  const auto found = poles(S4D<double>(one));
  const auto expected = std::exp(0.1 * Complex<double>(-0.5, 3));
  for (Index n = 0; n < 2; ++n)
    CHECK(std::min(std::abs(found(0, n) - expected), std::abs(found(0, n) - std::conj(expected))) <= 1e-14);
}
