#pragma once

#include "ssm/core/index.hpp"

#include <memory>
#include <type_traits>

namespace ssm {

/// Threads that the caller lends to a call: the library starts none of its own. Derive from it to lend those of a pool
/// that is there already.
class Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor() = default;

  /// Number of threads that work at once, the caller's included: workers are numbered 0 .. threads() - 1.
  virtual Index threads() const noexcept = 0;

  /// Calls work(task, worker) once for every 0 <= task < tasks, and returns when all are done. What one of them throws
  /// is thrown again. Allocates nothing.
  template <class Work>
  requires std::is_invocable_v<Work&, Index, Index>
  void run(Index tasks, Work&& work) {
    execute(
        tasks,
        [](void* context, Index task, Index worker) {
          (*static_cast<std::remove_reference_t<Work>*>(context))(task, worker);
        },
        const_cast<void*>(static_cast<const void*>(std::addressof(work))));
  }

 protected:
  /// Function that `run` hands to `execute`.
  using Task = void (*)(void* context, Index task, Index worker);

  /// Keeps the promises of `run`. Tasks must be started in increasing order (they may then wait for earlier ones).
  virtual void execute(Index tasks, Task task, void* context) = 0;
};

/// The calling thread alone.
class ThisThread final : public Executor {
 public:
  Index threads() const noexcept override { return 1; }

 protected:
  void execute(Index tasks, Task task, void* context) override {
    for (Index i = 0; i < tasks; ++i) task(context, i, 0);
  }
};

/// The executor that is taken where the caller names none. Keeps nothing, so all may share it.
inline Executor& this_thread() noexcept {
  static ThisThread executor;
  return executor;
}

}  // namespace ssm
