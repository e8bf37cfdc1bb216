#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

namespace example {

/// Returns whether the error stream is a terminal. Bars are drawn on terminals only.
inline bool on_terminal() { return ::isatty(STDERR_FILENO) == 1; }

/// A bar on the error stream, shown once the work has taken longer than a second.
class Progress {
 public:
  /// @param done   share of the whole work, 0 .. 1
  void operator()(double done, const std::string& what) {
    const auto now = std::chrono::steady_clock::now();
    if (!on_terminal() || now - start_ < std::chrono::seconds(1) ||
        (shown_ && now - last_ < std::chrono::milliseconds(100)))
      return;
    last_ = now;
    shown_ = true;
    const int filled = static_cast<int>(done * 30);
    std::fprintf(stderr, "\r[%-30s] %3.0f %%  %-24s", std::string(static_cast<std::size_t>(filled), '#').c_str(),
                 done * 100, what.c_str());
  }
  Progress() = default;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() {
    if (shown_) std::fprintf(stderr, "\r%70s\r", "");
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_{};
  bool shown_ = false;
};

}  // namespace example
