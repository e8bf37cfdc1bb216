#include "ssm/core/thread_pool.hpp"
#include "support/catch.hpp"

using ssm::Index;

TEST_CASE("a pool has at least one thread", "[core]") {
  CHECK_THROWS_WITH(ssm::ThreadPool(0), "threads of a pool: expected at least 1, got 0");
}

TEST_CASE("two callers of one pool take turns, and a task cannot ask its own pool", "[core]") {
  ssm::ThreadPool pool(2);
  std::atomic<int> done = 0;
  const auto ask = [&] {
    for (int round = 0; round < 300; ++round) pool.run(5, [&](Index, Index) { ++done; });
  };
  std::thread one(ask), two(ask);
  one.join();
  two.join();
  CHECK(done == 3000);
  CHECK_THROWS_WITH(pool.run(4, [&](Index, Index) { pool.run(1, [](Index, Index) {}); }),
                    support::ContainsSubstring("asked this pool to run tasks"));
  ssm::ThreadPool other(2);
  pool.run(3, [&](Index, Index) { other.run(2, [&](Index, Index) { ++done; }); });
  CHECK(done == 3006);
}
