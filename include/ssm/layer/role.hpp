#pragma once

namespace ssm {

/// What a stored parameter is to an optimiser. Every `Parameters` says so of each of its arrays, by
///
///     Parameters::each(parameters, [](const char* name, auto& array, Role role) { .. })
///
/// which goes through its arrays in one fixed order, `parameters` being const or not.
enum class Role {
  dynamics,  ///< of the system itself: Lambda, P, B, log dt; trained slower, never decayed
  ordinary,  ///< C, D, and all that is no state space
  statistic  ///< kept by training beside the parameters, and stored with them: running means
};

}  // namespace ssm
