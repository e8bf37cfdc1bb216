#pragma once

#include "ssm/fft/eigen.hpp"
#include "support/fftw.hpp"

#include <tuple>

namespace support {

/// A library of transforms and a scalar, for tests that hold for all.
template <class Backend, class T>
struct With {
  using backend = Backend;
  using scalar = T;
};
using AllBackends = std::tuple<With<ssm::fft::EigenBackend, double>, With<ssm::fft::EigenBackend, float>,
                               With<ssm::fft::FftwBackend, double>, With<ssm::fft::FftwBackend, float>>;

}  // namespace support
