#include <ssm/fft/fftw.hpp>

#include <vector>

// Compiled into two shared objects with hidden symbols: nothing of the header is shared between them.
__attribute__((visibility("default"))) int PLAN_MANY() {
  int wrong = 0;
  for (ssm::Index n = 2; n < 300; ++n) {
    ssm::fft::FftwBackend::Plan<double> plan(n);
    std::vector<double> time(static_cast<std::size_t>(n), 1.0);
    std::vector<std::complex<double>> spectrum(static_cast<std::size_t>(n / 2 + 1));
    plan.forward(time, spectrum);
    if (std::abs(spectrum[0] - std::complex<double>(static_cast<double>(n))) > 1e-9) ++wrong;
  }
  return wrong;
}
