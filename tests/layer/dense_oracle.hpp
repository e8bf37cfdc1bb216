#pragma once

#include "layer/laws.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s5.hpp"

/// The slow, obvious versions in fp64 that layers are held to.
namespace support {

using ssm::Index;

/// H dense systems one step after the other, from rest.
template <class Method, class T>
laws::Rows<double> dense_response(const ssm::LSSLParameters<double>& parameters, Method method, double rate,
                                  const laws::Rows<T>& u) {
  laws::Rows<double> y(u.rows(), u.cols());
  for (Index h = 0; h < parameters.features(); ++h) {
    const auto system = discretize(method, parameters.system(h), rate * std::exp(parameters.log_dt(h)));
    ssm::Vector<double> x = ssm::Vector<double>::Zero(parameters.states);
    for (Index k = 0; k < u.rows(); ++k) {
      x = (system.A_bar * x + system.B_bar * double(u(k, h))).eval();
      y(k, h) = (system.C * x)(0) + parameters.D(h) * double(u(k, h));
    }
  }
  return y;
}

/// One complex diagonal system with all inputs and outputs, by its definition, each step of its own length.
template <class Method, class Stored, class T>
laws::Rows<double> s5_response(const ssm::S5Parameters<Stored>& parameters, Method method, double rate,
                               const laws::Rows<T>& u, const std::vector<T>& intervals = {}) {
  laws::Rows<double> y(u.rows(), u.cols());
  std::vector<ssm::Complex<double>> x(static_cast<std::size_t>(parameters.modes()));
  for (Index k = 0; k < u.rows(); ++k) {
    const double interval = rate * (intervals.empty() ? 1.0 : double(intervals[static_cast<std::size_t>(k)]));
    for (Index s = 0; s < parameters.modes(); ++s) {
      const double dt = interval * parameters.dt(s);
      const auto mode = discretize_mode(method, ssm::Complex<double>(dt * parameters.Lambda(s)));
      ssm::Complex<double> drive = 0;
      for (Index h = 0; h < u.cols(); ++h) drive += ssm::Complex<double>(parameters.B(s, h)) * double(u(k, h));
      auto& state = x[static_cast<std::size_t>(s)];
      state = mode.A_bar * state + dt * mode.gain * drive;
    }
    for (Index h = 0; h < u.cols(); ++h) {
      y(k, h) = double(parameters.D(h)) * double(u(k, h));
      for (Index s = 0; s < parameters.modes(); ++s)
        y(k, h) +=
            parameters.count(s) * (ssm::Complex<double>(parameters.C(h, s)) * x[static_cast<std::size_t>(s)]).real();
    }
  }
  return y;
}

}  // namespace support
