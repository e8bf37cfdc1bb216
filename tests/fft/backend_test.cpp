#include "ssm/core/random.hpp"
#include "support/allocation.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

#include <cmath>
#include <numbers>
#include <thread>
#include <vector>

using namespace ssm;

namespace {
template <class T>
std::vector<T> noise(Index n) {
  Random random(4);
  std::vector<T> values(static_cast<std::size_t>(n));
  for (auto& value : values) value = static_cast<T>(random.normal());
  return values;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("a transform is its definition, and back", "[fft]", support::AllBackends) {
  using T = typename TestType::scalar;
  STATIC_REQUIRE(fft::Backend<typename TestType::backend, T>);
  const Index n = GENERATE(1, 2, 3, 4, 5, 7, 12, 15, 16, 60, 97, 128);
  const auto time = noise<T>(n);
  std::vector<Complex<T>> spectrum(static_cast<std::size_t>(n / 2 + 1));
  typename TestType::backend::template Plan<T> plan(n);
  plan.forward(time, spectrum);
  const double eps = std::numeric_limits<T>::epsilon() * 8 * std::sqrt(static_cast<double>(n));
  for (std::size_t j = 0; j < spectrum.size(); ++j) {
    Complex<double> sum = 0;
    for (std::size_t k = 0; k < time.size(); ++k)
      sum += double(time[k]) * std::polar(1.0, -2 * std::numbers::pi * double(j * k % time.size()) / double(n));
    CHECK(std::abs(Complex<double>(spectrum[j]) - sum) <= eps * std::sqrt(static_cast<double>(n)));
  }
  auto back = time;
  plan.inverse(spectrum, back);
  for (std::size_t k = 0; k < time.size(); ++k) CHECK(std::abs(back[k] - time[k]) <= eps);
}

TEMPLATE_LIST_TEST_CASE("a plan refuses spans of another size", "[fft]", support::AllBackends) {
  using T = typename TestType::scalar;
  typename TestType::backend::template Plan<T> plan(8);
  std::vector<T> time(8), short_time(7);
  std::vector<Complex<T>> spectrum(5);
  CHECK_THROWS_AS(plan.forward(short_time, spectrum), ShapeError);
  CHECK_THROWS_AS(plan.inverse(spectrum, short_time), ShapeError);
  CHECK_THROWS_AS(typename TestType::backend::template Plan<T>(0), DomainError);
}

TEMPLATE_LIST_TEST_CASE("transforms allocate nothing", "[fft]", support::AllBackends) {
  using T = typename TestType::scalar;
  const Index n = GENERATE(15, 16);
  typename TestType::backend::template Plan<T> plan(n);
  auto time = noise<T>(n);
  std::vector<Complex<T>> spectrum(static_cast<std::size_t>(n / 2 + 1));
  const support::AllocationCounter counter;
  plan.forward(time, spectrum);
  plan.inverse(spectrum, time);
  CHECK(counter.count() == 0);
}

TEMPLATE_LIST_TEST_CASE("plans are made and used by many threads at once", "[fft]", support::AllBackends) {
  using T = typename TestType::scalar;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&wrong, t] {
      for (Index n = 2; n < 150; ++n) {
        typename TestType::backend::template Plan<T> plan(n);
        std::vector<T> time(static_cast<std::size_t>(n), T(1));
        std::vector<Complex<T>> spectrum(static_cast<std::size_t>(n / 2 + 1));
        plan.forward(time, spectrum);
        if (std::abs(spectrum[0] - Complex<T>(T(n))) > T(1e-3)) ++wrong[t];
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}
