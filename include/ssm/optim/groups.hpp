#pragma once

#include "ssm/core/error.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ssm::optim {

/// Arrays that are trained alike, by a pattern of their names. What is not set is as the options have it.
struct Group {
  std::string pattern;                       ///< "*/log_dt": a star stands for any letters, also none; | for "or"
  std::optional<double> learning_rate = {};  ///< at full schedule
  std::optional<double> weight_decay = {};   ///< see AdamWOptions
  bool frozen = false;                       ///< the arrays stay as they are
};

namespace detail {

/// Whether a name fits one alternative of a pattern.
inline bool matches_one(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, tried = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      tried = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {  // let the last star take one letter more
      p = star + 1;
      n = ++tried;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace detail

/// Returns whether a name fits a pattern: see Group.
inline bool matches(std::string_view pattern, std::string_view name) {
  for (;;) {
    const std::size_t end = pattern.find('|');
    if (detail::matches_one(pattern.substr(0, end), name)) return true;
    if (end == std::string_view::npos) return false;
    pattern.remove_prefix(end + 1);
  }
}

/// Rates of S5's settings.
struct S5Rates {
  double ssm = 1e-3;           ///< learning rate of the state space: `ssm_lr_base` there
  double rest = 4e-3;          ///< learning rate of the rest, that of the options: `lr_factor` times the other there
  double weight_decay = 0.05;  ///< of what is decayed, that of the options
};
/// The settings that S5's models were trained with, by the names that its code has for them (`opt_config`).
///
/// | setting        | the state space's rate, not decayed   | that rate, decayed | the rest's rate, decayed   |
/// | standard       | Lambda, log dt, B                     |                    | C, D and the rest          |
/// | BandCdecay     | Lambda, log dt                        | B                  | C, D and the rest          |
/// | BfastandCdecay | Lambda, log dt                        |                    | B, C, D and the rest       |
/// | noBCdecay      | Lambda, log dt, B, C, D               |                    | the rest                   |
///
/// Smith, Warrington, Linderman 2023, arXiv:2208.04933, appendix G; github.com/lindermanlab/S5, train_helpers.py.
///
/// @param setting   one of these names
/// @param rates     the numbers
/// @throws          DomainError if there is no such setting
inline std::vector<Group> s5_groups(std::string_view setting, const S5Rates& rates) {
  std::vector<Group> all;
  const auto add = [&](double rate, double decay, std::string_view names) {
    all.push_back({std::string(names), rate, decay});
  };
  add(rates.ssm, 0, "*/ssm/*Lambda_re|*/ssm/*Lambda_im|*/ssm/*log_dt");
  if (setting == "standard") {
    add(rates.ssm, 0, "*/ssm/*B_ri");
  } else if (setting == "BandCdecay") {
    add(rates.ssm, rates.weight_decay, "*/ssm/*B_ri");
  } else if (setting == "BfastandCdecay") {
    add(rates.rest, rates.weight_decay, "*/ssm/*B_ri");
  } else if (setting == "noBCdecay") {
    add(rates.ssm, 0, "*/ssm/*B_ri|*/ssm/*C_ri|*/ssm/*D");
  } else {
    throw DomainError(ssm::detail::message(
        "setting of S5: expected standard, BandCdecay, BfastandCdecay or noBCdecay, got '", setting, "'"));
  }
  return all;
}

/// Learning rates of S4's and S4D's arrays, as their code has them (`lr`, a number or one for each). What is not set is
/// trained like the rest.
struct S4Rates {
  std::optional<double> dt = 1e-3;  ///< of log dt
  std::optional<double> A = 1e-3;   ///< of A, and of S4's P and Q
  std::optional<double> B = 1e-3;   ///< of B
  std::optional<double> C = {};     ///< of C
};
/// Returns S4's groups; what has a rate of its own is not decayed.
///
/// Gu, Goel, Re 2022, arXiv:2111.00396, appendix D; github.com/state-spaces/s4, models/s4/s4.py.
inline std::vector<Group> s4_groups(const S4Rates& rates = {}) {
  std::vector<Group> all;
  const auto add = [&](std::optional<double> rate, const char* pattern) {
    if (rate) all.push_back({pattern, *rate, 0.0});
  };
  add(rates.dt, "*/ssm/*log_dt");
  add(rates.A, "*/ssm/*A_*|*/ssm/*P_ri|*/ssm/*Q_ri");
  add(rates.B, "*/ssm/*B_ri");
  add(rates.C, "*/ssm/*C_ri");
  return all;
}

}  // namespace ssm::optim
