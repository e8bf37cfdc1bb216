#include "ssm/core/executor.hpp"
#include "ssm/core/thread_pool.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"

#include <array>
#include <numeric>

using ssm::Index;

TEST_CASE("an executor does every task once, with workers of its own", "[core]") {
  const Index threads = GENERATE(1, 2, 5), tasks = GENERATE(0, 1, 2, 1000);
  ssm::ThreadPool pool(threads);
  CHECK(pool.threads() == threads);
  for (int again = 0; again < 20; ++again) {
    std::vector<std::atomic<int>> done(static_cast<std::size_t>(tasks));
    std::atomic<bool> sound = true;
    pool.run(tasks, [&](Index task, Index worker) {
      ++done[static_cast<std::size_t>(task)];
      if (worker < 0 || worker >= threads) sound = false;
    });
    CHECK(sound);
    for (const auto& count : done) CHECK(count == 1);
  }
}

TEST_CASE("tasks may wait for earlier ones", "[core]") {
  ssm::ThreadPool pool(3);
  std::atomic<Index> next{0};
  bool in_order = true;
  pool.run(500, [&](Index task, Index) {
    while (next.load() != task) std::this_thread::yield();
    in_order = in_order && next.load() == task;
    next.store(task + 1);
  });
  CHECK(in_order);
  CHECK(next == 500);
}

TEST_CASE("what a task throws reaches the caller, and the pool goes on", "[core]") {
  ssm::ThreadPool pool(2);
  const auto fail = [](Index task, Index) {
    if (task % 7 == 3) throw ssm::DomainError("task");
  };
  CHECK_THROWS_AS(pool.run(100, fail), ssm::DomainError);
  std::atomic<int> done = 0;
  pool.run(10, [&](Index, Index) { ++done; });
  CHECK(done == 10);
  CHECK_THROWS_AS(ssm::this_thread().run(4, fail), ssm::DomainError);
}

TEST_CASE("running tasks allocates nothing", "[core]") {
  ssm::ThreadPool pool(2);
  std::array<int, 64> done{};
  const support::AllocationCounter counter;
  pool.run(64, [&](Index task, Index) { done[static_cast<std::size_t>(task)] = 1; });
  CHECK(counter.count() == 0);
  CHECK(std::accumulate(done.begin(), done.end(), 0) == 64);
}
