#pragma once

namespace support {

/// The derivative of f at 0 from central differences at `step`, a half and a quarter of it: Richardson's extrapolation,
/// order 6. Its rounding error is some eps |f| / step.
template <class F>
double limit_of_differences(F f, double step) {
  const auto difference = [&](double h) { return (f(h) - f(-h)) / (2 * h); };
  const double coarse = difference(step), fine = difference(step / 2), finest = difference(step / 4);
  const double once = (4 * fine - coarse) / 3, again = (4 * finest - fine) / 3;
  return (16 * again - once) / 15;
}

}  // namespace support
