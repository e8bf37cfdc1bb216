#include "ssm/fft/length.hpp"
#include "support/catch.hpp"

TEST_CASE("fast lengths are the least multiples of four with small factors", "[fft]") {
  for (ssm::Index n = 0; n < 3000; ++n) {
    ssm::Index best = 1 << 14;
    for (ssm::Index two = 4; two < 1 << 14; two *= 2)
      for (ssm::Index three = two; three < 1 << 14; three *= 3)
        for (ssm::Index five = three; five < 1 << 14; five *= 5)
          if (five >= n) best = std::min(best, five);
    CHECK(ssm::fft::fast_length(n) == best);
  }
  CHECK_THROWS_AS(ssm::fft::fast_length(-1), ssm::DomainError);
}
