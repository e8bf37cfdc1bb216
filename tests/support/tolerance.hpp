#pragma once

#include "ssm/core/index.hpp"

#include <limits>
#include <type_traits>

/// The one table of tolerances: largest errors relative to the peak of the exact output.
namespace tolerance {

template <class T>
constexpr double recurrence = std::is_same_v<T, float> ? 5e-6 : 1e-12;
template <class T>
constexpr double convolution = std::is_same_v<T, float> ? 1e-5 : 1e-12;
/// Step by step, chunk by chunk and whole, in the same mode.
template <class T>
constexpr double chunks = std::is_same_v<T, float> ? 5e-6 : 1e-12;
/// A vector-Jacobian product against reference data, an adjoint identity, or complex-step.
template <class T>
constexpr double gradient = std::is_same_v<T, float> ? 1e-4 : 1e-9;
/// Cauchy + Woodbury against Krylov.
template <class T>
constexpr double kernel = std::is_same_v<T, float> ? 1e-5 : 1e-10;
/// Residuals of N x N factorizations.
inline double matrix(ssm::Index N) { return 64 * static_cast<double>(N) * std::numeric_limits<double>::epsilon(); }

}  // namespace tolerance
