#pragma once

#ifdef SSM_TEST_FFTW
#include "ssm/fft/fftw.hpp"
#else
#include "ssm/fft/eigen.hpp"
namespace ssm::fft {
/// Without FFTW its tests run Eigen's transforms a second time.
using FftwBackend = EigenBackend;
}  // namespace ssm::fft
#endif
