#pragma once

#include "ssm/core/error.hpp"
#include "ssm/core/executor.hpp"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace ssm {

/// Threads of its own, started once and kept until it is destroyed. Callers take turns: one waits until the tasks of
/// the other are done. A task must not ask the pool that runs it for more.
class ThreadPool final : public Executor {
 public:
  /// @param threads   how many work at once, the caller among them     >= 1
  /// @throws          DomainError if threads < 1; std::system_error if one cannot be started
  explicit ThreadPool(Index threads) {
    detail::require_at_least("threads of a pool", 1, threads);
    helpers_.reserve(static_cast<std::size_t>(threads - 1));
    try {
      for (Index worker = 1; worker < threads; ++worker) helpers_.emplace_back([this, worker] { help(worker); });
    } catch (...) {
      stop();
      throw;
    }
  }
  ~ThreadPool() override { stop(); }

  Index threads() const noexcept override { return static_cast<Index>(helpers_.size()) + 1; }

 protected:
  void execute(Index tasks, Task task, void* context) override {
    if (running() == this)
      throw Error("a task of a thread pool asked this pool to run tasks: it would wait for itself");
    const std::lock_guard turn(turn_);
    {
      const std::lock_guard lock(mutex_);
      task_ = task;
      context_ = context;
      tasks_ = tasks;
      next_.store(0, std::memory_order_relaxed);
      busy_ = static_cast<Index>(helpers_.size());
      error_ = nullptr;
      ++round_;
    }
    begin_.notify_all();
    work(0);
    std::unique_lock lock(mutex_);
    end_.wait(lock, [this] { return busy_ == 0; });
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  /// The pool whose task the calling thread is in.
  static const ThreadPool*& running() noexcept {
    thread_local const ThreadPool* pool = nullptr;
    return pool;
  }
  void work(Index worker) noexcept {
    const auto* const outer = std::exchange(running(), this);
    run_tasks(worker);
    running() = outer;
  }
  void run_tasks(Index worker) noexcept {
    for (Index i = 0; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) try {
        task_(context_, i, worker);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
      }
  }
  void help(Index worker) noexcept {
    std::unique_lock lock(mutex_);
    for (Index seen = 0;;) {
      begin_.wait(lock, [&] { return stopping_ || round_ != seen; });
      if (stopping_) return;
      seen = round_;
      lock.unlock();
      work(worker);
      lock.lock();
      if (--busy_ == 0) end_.notify_one();
    }
  }
  void stop() noexcept {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    begin_.notify_all();
    for (auto& helper : helpers_) helper.join();
  }

  std::mutex turn_;  // of callers
  std::mutex mutex_;
  std::condition_variable begin_, end_;
  std::vector<std::thread> helpers_;
  Task task_ = nullptr;
  void* context_ = nullptr;
  Index tasks_ = 0, busy_ = 0, round_ = 0;
  std::atomic<Index> next_{0};
  std::exception_ptr error_;
  bool stopping_ = false;
};

}  // namespace ssm
