#pragma once

#include <cstddef>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

namespace example {

/// How often each class was taken for each.
class Confusion {
 public:
  /// @param classes   names, in order
  explicit Confusion(std::vector<std::string> classes)
      : classes_(std::move(classes)), counts_(classes_.size(), std::vector<long>(classes_.size())) {}
  /// One more of a class that was taken for another.
  void add(std::size_t truth, std::size_t answer) { ++counts_[truth][answer]; }
  long count(std::size_t truth, std::size_t answer) const { return counts_[truth][answer]; }
  const std::vector<std::string>& classes() const { return classes_; }

  /// Prints a row for each class, a column for each answer.
  void print(const std::string& rows, const std::string& columns) const {
    std::size_t wide = (rows + " \\ " + columns).size();
    for (const auto& each : classes_) wide = std::max(wide, each.size());
    const auto left = [&](const std::string& text) { return text + std::string(wide - text.size(), ' '); };
    std::cout << '\n' << left(rows + " \\ " + columns);
    std::vector<int> widths;
    for (const auto& each : classes_) {
      widths.push_back(static_cast<int>(std::max<std::size_t>(each.size() + 2, 5)));
      std::cout << std::setw(widths.back()) << each;
    }
    for (std::size_t truth = 0; truth < classes_.size(); ++truth) {
      std::cout << '\n' << left(classes_[truth]);
      for (std::size_t answer = 0; answer < classes_.size(); ++answer)
        std::cout << std::setw(widths[answer]) << counts_[truth][answer];
    }
    std::cout << "\n\n";
  }

 private:
  std::vector<std::string> classes_;
  std::vector<std::vector<long>> counts_;
};

}  // namespace example
