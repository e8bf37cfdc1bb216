#pragma once

#include "ssm/core/index.hpp"

#include <algorithm>
#include <cmath>

namespace ssm::cost {

/// What the planner knows of the machine: nanoseconds of each kind of inner loop, on one thread, in float. Only their
/// ratios decide between modes.
///
/// The defaults were measured by bench/layer_bench.cpp on one core of an AMD EPYC with AVX-512, g++ 12, -O3
/// -march=native. Another table may be handed to `plan`.
struct Table {
  double mode_step = 0.18;    ///< one mode of a diagonal recurrence, one step, lanes full
  double rank_step = 0.20;    ///< one mode of one column of a low-rank correction, one step, on top
  double feature_step = 0.6;  ///< one feature of a recurrence, one step, on top of its modes
  double row_step = 2.5;      ///< one row of a dense transition matrix, one step, on top of its entries
  double dense_step = 0.04;   ///< one entry of a dense transition matrix, one step
  double transform = 0.88;    ///< one point of a transform, there and back, for each doubling of its length
  double product = 0.04;      ///< one multiplication and addition of a matrix product
  double jump = 0.09;         ///< one entry of a state's jump over a block of time
};

/// A convolution of one feature over L steps with the state at both ends, N states whose jump over a block of time has
/// `jump_entries` entries, transforms of `points`, in ns.
inline double convolution(const Table& table, Index L, Index N, Index jump_entries, Index points) {
  const auto length = static_cast<double>(L), states = static_cast<double>(N), all = static_cast<double>(points);
  const double blocks = length / std::max({std::sqrt(length), std::min(states, length), 1.0}) + 1;
  return table.transform * all * std::log2(std::max(all, 2.0)) + 2 * table.product * states * length +
         2 * table.jump * static_cast<double>(jump_entries) * blocks;
}

}  // namespace ssm::cost
