#pragma once

#include "ssm/discretize/exponential.hpp"
#include "ssm/discretize/mode.hpp"
#include "ssm/system/dplr.hpp"

namespace ssm {

/// Discretizes one mode for a step z = dt Lambda: A_bar = e^z, gain = phi_1(z) = (e^z - 1)/z, phi_1(0) = 1.
template <class T>
DiscreteMode<T> discretize_mode(ZeroOrderHold, Complex<T> z) {
  const detail::Exponential<T> e(z);
  return {e.value, e.less_one, z == Complex<T>(0) ? Complex<T>(1) : detail::plain_quotient(e.less_one, z)};
}

/// Its slopes: e^z and phi_1'(z) = (e^z - phi_1(z))/z.
template <class T>
ModeSlope<T> mode_slope(ZeroOrderHold, Complex<T> z) {
  return {std::exp(z), phi_1_slope(z)};
}

/// There is no structured zero-order hold of a diagonal plus low rank system: its exponential is dense. Use Bilinear,
/// or make the system dense first.
template <class T>
void discretize(ZeroOrderHold, const DplrSystem<T>&, T dt) = delete;

}  // namespace ssm
