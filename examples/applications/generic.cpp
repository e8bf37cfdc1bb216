// One function template over SSMLayer runs all layers and one of a user's own.
//
// Code that is written for the concept (include/ssm/layer/concept.hpp) works for S4, S4D, LSSL, S5, and for
// example::MovingAverage (support/moving_average.hpp), which is not the library's. The program measures how long a
// layer remembers, as the share of an impulse's energy that comes out after some time, and checks that steps give what
// forward gives, up to rounding.
#include "support/moving_average.hpp"

#include <ssm/ssm.hpp>

#include <iomanip>
#include <iostream>

using namespace ssm;

namespace {

template <SSMLayer Layer>
void describe(const std::string& name, const Layer& layer) {
  using T = typename Layer::Scalar;
  const Index L = 2000, H = layer.features();
  const Array<T> K = layer.impulse_response(L);
  double all = 0, late = 0;
  for (Index k = 1; k < L; ++k)  // without the direct term
    for (Index h = 0; h < H; ++h) {
      const double energy = std::pow(static_cast<double>(K(k, h)), 2);
      all += energy;
      if (k >= 200) late += energy;
    }
  Array<T> u(L, H), y(L, H), z(L, H);
  for (Index k = 0; k < L; ++k)
    for (Index h = 0; h < H; ++h) u(k, h) = static_cast<T>(std::sin(0.01 * static_cast<double>(k * (h + 1))));
  auto whole = layer.initial_state(), stepped = whole;
  layer.forward({u.data(), L, H}, {y.data(), L, H}, whole);
  double peak = 0, difference = 0;
  for (Index k = 0; k < L; ++k) {
    layer.step(u.row(k), z.row(k), stepped);
    for (Index h = 0; h < H; ++h) {
      peak = std::max(peak, std::abs(static_cast<double>(y(k, h))));
      difference = std::max(difference, std::abs(static_cast<double>(y(k, h) - z(k, h))));
    }
  }
  std::cout << std::left << std::setw(16) << name << std::right << std::setw(5) << H << std::fixed
            << std::setprecision(1) << std::setw(12) << 100 * late / all << " %" << std::scientific << std::setw(16)
            << difference / peak << '\n';
}

}  // namespace

int main() {
  Random random(1);
  const S4Shape shape{.features = 4, .states = 32};
  const S4DShape diagonal_shape{.features = 4, .states = 32};
  std::cout << "layer            features  energy after 200 steps   step against forward\n";
  describe("S4", S4<float>(initial<S4<float>>(hippo::LegS{}, shape, random)));
  describe("S4D", S4D<float>(initial<S4D<float>>(diagonal::Inverse{}, diagonal_shape, random)));
  describe("S4D, N = 32", S4D<float, 32>(initial<S4D<float>>(diagonal::Linear{}, diagonal_shape, random)));
  describe("LSSL", LSSL<float>(initial<LSSL<float>>(hippo::LegS{}, {.features = 4, .states = 32}, random)));
  describe("S5", S5<float>(initial<S5<float>>(hippo::LegS{}, {.features = 4, .states = 32, .blocks = 2}, random)));
  describe("moving average", example::MovingAverage<float>({0.5F, 0.1F, 0.01F, 0.001F}));
}
