#pragma once

#include "ssm/core/index.hpp"
#include "ssm/recurrence/step_work.hpp"

#include <algorithm>
#include <cmath>

namespace ssm::cost {

/// Constants of a machine that the planner uses: nanoseconds of each kind of inner loop, on one thread, in float. Only
/// their ratios decide between modes.
///
/// The defaults were measured by bench/calibrate.cpp on one core of an AMD EPYC with AVX-512, g++ 12, -O3
/// -march=native; on another machine it prints another table, which may be handed to `plan`.
struct Table {
  double mode_step = 0.11;     ///< one mode of a diagonal recurrence, one step, lanes full
  double rank_step = 0.31;     ///< one mode of one column of a low-rank correction, one step, on top
  double feature_step = 0.18;  ///< one feature of a recurrence, one step, on top of its modes
  double row_step = 3.7;       ///< one row of a dense transition matrix, one step, on top of its entries
  double dense_step = 0.027;   ///< one entry of a dense transition matrix, one step
  double transform = 1.3;      ///< one point of Eigen's transform, forward and inverse, for each doubling of its length
  double product = 0.024;      ///< one multiplication and addition of a matrix product
  double jump = 0.094;         ///< one entry of a state's jump over a block of time
};

/// A step of all features, in ns.
inline double step(const Table& table, const ssm::detail::StepWork& work) {
  return table.feature_step * work.features + table.mode_step * work.modes + table.rank_step * work.rank_modes +
         table.row_step * work.rows + table.dense_step * work.entries + table.product * work.products;
}

/// A convolution of one feature over L steps with the state at both ends, N states whose jump over a block of time has
/// `jump_entries` entries, and transforms of this much work (conv::Cut), in ns.
inline double convolution(const Table& table, Index L, Index N, Index jump_entries, double transforms) {
  const auto length = static_cast<double>(L), states = static_cast<double>(N);
  const double blocks = length / std::max({std::sqrt(length), std::min(states, length), 1.0}) + 1;
  return table.transform * transforms + 2 * table.product * states * length +
         2 * table.jump * static_cast<double>(jump_entries) * blocks;
}

}  // namespace ssm::cost
