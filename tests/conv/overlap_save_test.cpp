#include "ssm/conv/overlap_save.hpp"
#include "ssm/core/random.hpp"
#include "support/allocation.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

using namespace ssm;

namespace {

template <class T>
std::vector<T> noise(Index length, std::uint64_t seed) {
  Random random(seed);
  std::vector<T> result(static_cast<std::size_t>(length));
  for (T& value : result) value = static_cast<T>(random.normal());
  return result;
}

/// A stream of u in blocks of these lengths.
template <class T, class Convolution>
std::vector<T> stream(Convolution& convolution, const std::vector<T>& K, std::vector<T> u,
                      const std::vector<Index>& blocks) {
  std::vector<Complex<T>> spectrum(static_cast<std::size_t>(convolution.bins()));
  convolution.transform(ConstSequence<T>(std::span<const T>(K), 1), spectrum);
  std::vector<T> history(static_cast<std::size_t>(convolution.history_length()));
  const Sequence<T> all(std::span<T>(u), 1);
  const support::AllocationCounter counter;
  Index first = 0;
  for (const Index count : blocks) {
    convolution(spectrum, all.block(first, count), all.block(first, count), history);  // in place
    first += count;
  }
  const std::size_t allocations = counter.count();
  CHECK(allocations == 0);
  return u;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a stream in blocks of any length is the convolution", "[conv]", support::AllBackends) {
  using T = typename TestType::scalar;
  const Index M = GENERATE(1, 2, 7, 65, 400);
  const auto K = noise<T>(M, 1), u = noise<T>(700, 2);
  conv::OverlapSave<T, typename TestType::backend> convolution(500, M);
  const auto y = stream<T>(convolution, K, u, {500, 0, 1, 64, 99, 1, 35});
  double worst = 0, peak = 0;
  for (Index k = 0; k < 700; ++k) {
    double exact = 0;
    for (Index j = 0; j < M && j <= k; ++j)
      exact += double(K[static_cast<std::size_t>(j)]) * double(u[static_cast<std::size_t>(k - j)]);
    worst = std::max(worst, std::abs(double(y[static_cast<std::size_t>(k)]) - exact));
    peak = std::max(peak, std::abs(exact));
  }
  CAPTURE(M, convolution.points());
  CHECK(worst <= tolerance::convolution<T> * peak);
}

TEST_CASE("a short kernel is convolved in short blocks, a long one at once", "[conv]") {
  CHECK(conv::OverlapSave<float>(100000, 100).points() <= 2048);
  CHECK(conv::OverlapSave<float>(100000, 100000).points() == fft::fast_length(199999));
  CHECK(conv::OverlapSave<float>(64, 1000).points() == fft::fast_length(64 + 999));
  CHECK(conv::OverlapSave<float>(0, 0).history_length() == 0);
  CHECK_THROWS_AS(conv::OverlapSave<float>(-1, 3), DomainError);
}

TEST_CASE("a NaN is heard into the next block of a stream, as far as the kernel reaches", "[conv]") {
  const auto K = noise<double>(10, 1);
  auto u = noise<double>(60, 2);
  u[28] = std::numeric_limits<double>::quiet_NaN();
  conv::OverlapSave<double> convolution(30, 10);
  const auto y = stream<double>(convolution, K, u, {30, 5, 25});
  for (std::size_t k = 0; k < 60; ++k) CHECK(std::isnan(y[k]) == (k >= 28 && k < 38));
}
