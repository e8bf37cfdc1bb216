#pragma once

#include <complex>
#include <cstddef>

namespace ssm {

/// Sizes, strides and positions: signed, as wide as a pointer (the same type as Eigen::Index).
using Index = std::ptrdiff_t;

/// Complex numbers at the interface. Loops split them into real and imaginary arrays.
template <class T>
using Complex = std::complex<T>;

}  // namespace ssm
