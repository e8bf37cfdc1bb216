#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string_view>
#include <thread>

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

namespace ssm::mpi::detail {

/// Words that a rank says when it is ended from outside: Open MPI's launcher ends all ranks by SIGTERM where one was
/// killed.
class LastWords {
 public:
  /// Says it from now on, unless the program minds the signal by itself.
  static void begin() {
    if (const auto before = std::signal(SIGTERM, &say); before != SIG_DFL) std::signal(SIGTERM, before);
  }
  /// Sets what is said; what is beyond 500 characters is left out.
  static void set(std::string_view words) {
    Text& text = texts_[1 - current_];
    text.size = std::min(words.size(), text.characters.size());
    std::copy_n(words.data(), text.size, text.characters.data());
    current_ = 1 - current_;
  }

 private:
  struct Text {
    std::array<char, 500> characters;
    std::size_t size;
  };
  /// Does what a signal handler may do: no allocation, no lock.
  static void say(int signal) {
    const Text& text = texts_[current_];
#if defined(_WIN32)
    [[maybe_unused]] const auto said = _write(2, text.characters.data(), static_cast<unsigned>(text.size));
#else
    [[maybe_unused]] const auto said = ::write(STDERR_FILENO, text.characters.data(), text.size);
#endif
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // the launcher reads what is said while it lives
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }

  inline static std::array<Text, 2> texts_;  // one is said while the other is set
  inline static std::atomic<std::size_t> current_ = 0;
};

}  // namespace ssm::mpi::detail
