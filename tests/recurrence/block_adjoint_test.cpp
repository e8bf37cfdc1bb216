// The equations of a block of steps backwards, in plain numbers, against the recurrence step by step.
#include "ssm/core/random.hpp"
#include "ssm/recurrence/block_adjoint_reference.hpp"
#include "support/catch.hpp"

#include <vector>

using namespace ssm;

TEST_CASE("a block of steps backwards is its steps backwards, one by one", "[recurrence]") {
  Random random(12);
  const auto number = [&] { return Complex<double>(random.normal(), random.normal()); };
  for (const std::size_t S : {0U, 1U, 2U, 7U, 32U})
    for (int time = 0; time < 20; ++time) {
      const Complex<double> a = std::polar(random.uniform(0.5, 1.02), random.uniform(-3, 3)), B = number(),
                            C = number(), X = number(), M = number();
      std::vector<double> u(S), dy(S), du(S, 0.25), expected_du(S, 0.25);
      for (auto& value : u) value = random.normal();
      for (auto& value : dy) value = random.normal();

      std::vector<Complex<double>> x{X};  // x[i + 1] is the state after step i
      for (std::size_t i = 0; i < S; ++i) x.push_back(a * x.back() + B * u[i]);
      Complex<double> lambda = M, dA = 0, dB = 0, dC = 0;  // lambda: the conjugate of a state's cotangent
      for (std::size_t i = S; i-- > 0;) {
        lambda += C * dy[i];
        dC += dy[i] * x[i + 1];
        dA += lambda * x[i];
        dB += lambda * u[i];
        expected_du[i] += (lambda * B).real();
        lambda *= a;
      }
      const auto got = detail::block_adjoint_reference<double>(a, B, C, X, M, u, dy, du);
      const auto near = [](Complex<double> left, Complex<double> right) {
        return std::abs(left - right) <= 1e-12 * (1 + std::abs(right));
      };
      CAPTURE(S, a);
      CHECK(near(got.x, lambda));
      CHECK(near(got.a, dA));
      CHECK(near(got.B, dB));
      CHECK(near(got.C, dC));
      for (std::size_t i = 0; i < S; ++i) CHECK(near(du[i], expected_du[i]));
    }
}
