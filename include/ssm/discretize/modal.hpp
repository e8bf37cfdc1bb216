#pragma once

#include "ssm/discretize/bilinear.hpp"
#include "ssm/discretize/zero_order_hold.hpp"

namespace ssm {

/// Discretizes one mode by a method that is data; so ModalDiscretization is a ModalMethod.
template <class T>
DiscreteMode<T> discretize_mode(const ModalDiscretization& method, Complex<T> z) {
  return std::visit([&](auto chosen) { return discretize_mode(chosen, z); }, method);
}

/// Returns the slopes of such a mode.
template <class T>
ModeSlope<T> mode_slope(const ModalDiscretization& method, Complex<T> z) {
  return std::visit([&](auto chosen) { return mode_slope(chosen, z); }, method);
}

}  // namespace ssm
