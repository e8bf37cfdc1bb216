// Functions in lanes are what they are number by number, and what the standard library makes of them.
#include "ssm/nn/activation.hpp"
#include "ssm/nn/words.hpp"
#include "support/catch.hpp"

#include <functional>
#include <vector>

using namespace ssm;

namespace {

template <class T, class F>
void check(F f, const std::function<double(double)>& exact) {
  constexpr double near = sizeof(T) == 4 ? 2e-6 : 1e-14;
  std::vector<T> x, dy;
  for (int i = -40; i <= 42; ++i) {  // an odd number: lanes and what is left
    x.push_back(static_cast<T>(0.21 * i));
    dy.push_back(static_cast<T>(1 - 0.02 * i));
  }
  std::vector<T> lanes(x.size()), one(x.size()), dlanes(x.size(), T(2)), done(x.size(), T(2));
  nn::activate<F, T>(f, x, lanes);
  nn::activate<F, T, simd::scalar>(f, x, one);
  nn::activate_vjp<F, T>(f, x, dy, dlanes);
  nn::activate_vjp<F, T, simd::scalar>(f, x, dy, done);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double size = 1 + std::abs(double(x[i]));
    CAPTURE(x[i]);
    CHECK(std::abs(double(lanes[i]) - exact(double(x[i]))) <= near * size);
    CHECK(std::abs(double(lanes[i]) - double(one[i])) <= near * size);
    CHECK(std::abs(double(dlanes[i]) - double(done[i])) <= near * 4 * size);
  }
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

TEMPLATE_TEST_CASE("activations in lanes are the functions", "[nn]", float, double) {
  using T = TestType;
  check<T>(nn::Relu{}, [](double x) { return std::max(x, 0.0); });
  check<T>(nn::Sigmoid{}, sigmoid);
  check<T>(nn::Silu{}, [](double x) { return x * sigmoid(x); });
  check<T>(nn::Tanh{}, [](double x) { return std::tanh(x); });
  check<T>(nn::Gelu{}, [](double x) { return x * (1 + std::erf(x * std::numbers::sqrt2 / 2)) / 2; });
  check<T>(nn::TanhGelu{},
           [](double x) { return x / 2 * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))); });
}

TEMPLATE_TEST_CASE("a number has the same bits wherever it stands in what is activated", "[nn]", float, double) {
  using T = TestType;
  std::vector<T> x, dy;
  for (int i = -40; i <= 42; ++i) {
    x.push_back(static_cast<T>(0.21 * i));
    dy.push_back(static_cast<T>(1 - 0.02 * i));
  }
  for (std::size_t each = 0; each < nn::words_of(nn::Activation{}).size(); ++each) {
    const auto activation = static_cast<nn::Activation>(each);
    if (activation == nn::Activation::glu) continue;
    nn::with_function(activation, [&]<class F>(F f) {
      std::vector<T> whole(x.size()), slope(x.size()), dx(x.size(), T(2));
      nn::activate<F, T>(f, x, whole, slope);
      nn::activate_vjp<F, T>(f, x, dy, dx);
      for (std::size_t piece = 1; piece < 20; ++piece) {
        std::vector<T> y(x.size()), y_slope(x.size()), alone(x.size()), sum(x.size(), T(2));
        for (std::size_t at = 0; at < x.size(); at += piece) {
          const std::size_t count = std::min(piece, x.size() - at);
          const auto part = [&](auto& of) { return std::span(of).subspan(at, count); };
          nn::activate<F, T>(f, part(std::as_const(x)), part(y), part(y_slope));
          nn::activate<F, T>(f, part(std::as_const(x)), part(alone));
          nn::activate_vjp<F, T>(f, part(std::as_const(x)), part(std::as_const(dy)), part(sum));
        }
        CAPTURE(each, piece);
        CHECK(y == whole);
        CHECK(y_slope == slope);
        CHECK(alone == whole);
        CHECK(sum == dx);
      }
    });
  }
}

TEMPLATE_TEST_CASE("a function and its slope at once are the two", "[nn]", float, double) {
  using T = TestType;
  std::vector<T> x;
  for (int i = -40; i <= 42; ++i) x.push_back(static_cast<T>(0.21 * i));
  std::vector<T> y(x.size()), slope(x.size()), expected(x.size()), dx(x.size(), T(0));
  const std::vector<T> ones(x.size(), T(1));
  nn::activate<nn::Gelu, T>({}, x, y, slope);
  nn::activate<nn::Gelu, T>({}, x, expected);
  nn::activate_vjp<nn::Gelu, T>({}, x, ones, dx);
  CHECK(y == expected);
  CHECK(slope == dx);
}
