// Modes that stand still, hardly decay, turn or decay very fast, in every layer.
#pragma once

#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"

namespace support::hostile {

using namespace ssm;

inline const std::vector<Complex<double>> eigenvalues{
    {0, 0}, {-1e-300, 0}, {-1e-12, 1e-12}, {-1e-12, 62.8318530717958}, {-1e-3, 0.7}, {-1e9, 1e9}, {-1e9, 0}};
constexpr double dt = 0.05;

template <class T, class Parameters>
Parameters with_mode(Parameters parameters, Complex<double> Lambda) {
  parameters.A_re_log(0, 0) = static_cast<T>(std::max(std::log(-Lambda.real()), -80.0));
  parameters.A_im(0, 0) = static_cast<T>(Lambda.imag());
  parameters.A_re_log(0, 1) = 0;
  parameters.A_im(0, 1) = 3;
  for (Index n = 0; n < 2; ++n) {
    parameters.B(0, n) = {T(1), T(0.5)};
    parameters.C(0, n) = {T(0.3), T(-1)};
  }
  parameters.log_dt(0) = static_cast<T>(std::log(dt));
  return parameters;
}

template <class T>
S4Parameters<T> low_rank(Complex<double> Lambda) {
  auto result = with_mode<T>(S4Parameters<T>(1, 4, 1), Lambda);
  result.P(0, 0, 0) = {T(0.1), 0};
  result.P(0, 1, 0) = {0, T(0.2)};
  return result;
}
template <class T>
S5Parameters<T> mimo(Complex<double> Lambda) {
  S5Parameters<T> parameters(2, 4);
  parameters.Lambda_re(0) = static_cast<T>(Lambda.real());
  parameters.Lambda_im(0) = static_cast<T>(Lambda.imag());
  parameters.Lambda_re(1) = -1;
  parameters.Lambda_im(1) = 3;
  for (Index s = 0; s < 2; ++s) {
    parameters.log_dt(s) = static_cast<T>(std::log(dt));
    for (Index h = 0; h < 2; ++h) {
      parameters.B(s, h) = {T(1), T(0.5)};
      parameters.C(h, s) = {T(0.3), T(h)};
    }
  }
  return parameters;
}
/// @param size   of A, times its published value
template <class T>
LSSLParameters<T> dense_of_size(double size) {
  Random random(1);
  auto parameters = initial<LSSL<T>>(hippo::LegS{}, {.features = 1, .states = 5}, random);
  for (auto& entry : parameters.A) entry = static_cast<T>(double(entry) * size);
  return parameters;
}

}  // namespace support::hostile
