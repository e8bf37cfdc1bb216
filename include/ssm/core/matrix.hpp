#pragma once

#include "ssm/core/index.hpp"

#include <Eigen/Core>

namespace ssm {

// Eigen's dynamic matrices and vectors. How Eigen allocates depends on the instruction set, so a program that compiles
// its translation units for different ones fixes EIGEN_MAX_ALIGN_BYTES for all of them, as Eigen asks.
template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
template <class T>
using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
template <class T>
using RowVector = Eigen::Matrix<T, 1, Eigen::Dynamic>;

/// The largest rank of a low-rank correction; those of the papers are 1 and 2.
inline constexpr int max_rank = 8;
/// (R, R) for a rank R, on the stack.
template <class T>
using RankMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, 0, max_rank, max_rank>;
template <class T>
using RankVector = Eigen::Matrix<T, Eigen::Dynamic, 1, 0, max_rank, 1>;

}  // namespace ssm
