#pragma once

namespace ssm {

/// Treatment of a stored array by an optimiser. Every `Parameters` names the role of each of its arrays, by
///
///     Parameters::each(parameters, [](const char* name, auto& array, Role role) { .. })
///
/// which goes through its arrays in one fixed order, `parameters` being const or not.
enum class Role {
  dynamics,  ///< the system itself: Lambda, P, B, log dt; trained slower, never decayed
  ordinary,  ///< C, D, and all that is no state space
  statistic  ///< kept by training beside the parameters, and stored with them: running means
};

}  // namespace ssm
