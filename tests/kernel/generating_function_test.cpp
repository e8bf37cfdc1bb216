#include "ssm/kernel/generating_function.hpp"
#include "kernel/legs_system.hpp"
#include "ssm/discretize/dense.hpp"
#include "ssm/kernel/krylov.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/fftw.hpp"
#include "support/limit.hpp"
#include "support/tolerance.hpp"

using namespace ssm;

namespace {

double error_against_krylov(const DplrSystem<double>& system, double dt, Index length) {
  const auto exact = kernel::krylov(discretize(Bilinear{}, dense(system), dt), length);
  const auto K = kernel::generating_function(system, dt, length);
  return (K - exact).cwiseAbs().maxCoeff() / exact.cwiseAbs().maxCoeff();
}

}  // namespace

TEST_CASE("S4's kernel is the Krylov kernel", "[kernel]") {
  const Index N = GENERATE(1, 2, 3, 8, 64), length = GENERATE(1, 2, 97, 127, 128, 129, 1000);
  const double dt = GENERATE(1e-3, 1e-2, 1e-1);
  CAPTURE(N, length, dt);
  CHECK(error_against_krylov(support::legs(N), dt, length) <= tolerance::kernel<double>);
}

TEST_CASE("S4's kernel holds for every rank", "[kernel]") {
  const Index N = GENERATE(2, 5, 16), R = GENERATE(0, 1, 2, 3), length = GENERATE(1, 50, 256);
  const bool free = GENERATE(false, true);
  CAPTURE(N, R, length, free);
  CHECK(error_against_krylov(support::random_dplr(N, R, 31, free), 0.05, length) <= tolerance::kernel<double>);
}

TEST_CASE("modes that hardly decay, stand still or are very fast do not spoil the kernel", "[kernel]") {
  auto system = support::random_dplr(6, 1, 13);
  const Complex<double> mode =
      GENERATE(Complex<double>(0, 0), Complex<double>(-1e-12, 0), Complex<double>(-1e-12, 62.831853071795862),
               Complex<double>(-1e9, 1e9), Complex<double>(-1e-300, 1e-300));
  const double dt = GENERATE(1e-12, 0.1);
  system.Lambda(0) = mode;
  CAPTURE(mode, dt);
  CHECK(error_against_krylov(system, dt, 100) <= tolerance::kernel<double>);
  system.P.setZero();  // nothing damps the mode then: it may meet a root of unity
  CHECK(error_against_krylov(system, dt, 100) <= tolerance::kernel<double>);
}

TEST_CASE("on the paper's roots of unity the spectrum is that of the kernel", "[kernel]") {
  const Index L = GENERATE(1, 2, 31, 64);
  const auto system = support::legs(8);
  const double dt = 0.05;
  const kernel::Circle circle{L, 1.0};
  const auto C_tilde = kernel::truncated_output(discretize(Bilinear{}, system, dt), circle);
  std::vector<Complex<double>> spectrum(static_cast<std::size_t>(L / 2 + 1)), expected(spectrum.size());
  kernel::generating_function(system, C_tilde, dt, circle, spectrum);
  const auto K = kernel::krylov(discretize(Bilinear{}, dense(system), dt), L);
  fft::EigenBackend::Plan<double>(L).forward(std::span<const double>(K.data(), static_cast<std::size_t>(L)), expected);
  for (std::size_t j = 0; j < spectrum.size(); ++j)
    CHECK(std::abs(spectrum[j] - expected[j]) <= 1e-11 * std::abs(expected[0]));
}

TEST_CASE("the kernel is the same by either library of transforms, and in float", "[kernel]") {
  const auto system = support::legs(16);
  const auto K = kernel::generating_function(system, 0.01, 300);
  CHECK((kernel::generating_function<double, fft::FftwBackend>(system, 0.01, 300) - K).cwiseAbs().maxCoeff() <= 1e-13);
  const DplrSystem<float> single{16, system.Lambda.cast<Complex<float>>(), system.P.cast<Complex<float>>(),
                                 system.B.cast<Complex<float>>(), system.C.cast<Complex<float>>()};
  CHECK((kernel::generating_function(single, 0.01F, 300).cast<double>() - K).cwiseAbs().maxCoeff() <=
        tolerance::kernel<float> * K.cwiseAbs().maxCoeff());
}

TEST_CASE("the kernel's memory is O(N^2 + L): nothing of size N x L is made", "[kernel]") {
  const Index N = 64;
  for (const Index length : {Index{1} << 14, Index{1} << 17}) {
    const auto system = support::legs(N);
    const support::AllocationCounter counter;
    const auto K = kernel::generating_function(system, 0.01, length);
    const double words = static_cast<double>(counter.peak_bytes()) / 8;
    CAPTURE(length, words);
    CHECK(words >= static_cast<double>(length));  // the counter sees the kernel itself
    CHECK(words <= 16 * static_cast<double>(N * N + length));
    CHECK(words <= 0.5 * static_cast<double>(N * length));
  }
}

TEST_CASE("the kernel refuses bad lengths and steps", "[kernel]") {
  CHECK(kernel::generating_function(support::legs(4), 0.1, 0).size() == 0);
  CHECK_THROWS_AS(kernel::generating_function(support::legs(4), 0.1, -1), DomainError);
  CHECK_THROWS_AS(kernel::generating_function(support::legs(4), 0.0, 8), DomainError);
}

TEST_CASE("the generating function's vjp is the limit of differences", "[kernel][gradient]") {
  const Index N = GENERATE(1, 2, 7, 8), R = GENERATE(0, 1, 2), length = GENERATE(1, 50);
  const bool free = GENERATE(false, true);
  auto system = support::random_dplr(N, R, 17, free);
  double dt = 0.05;
  CAPTURE(N, R, length, free);
  Random random(5);
  const Vector<double> dK = Vector<double>::NullaryExpr(length, [&] { return random.normal(); });
  const Index M = modes_of(N);
  auto found = system.zeros();
  double ddt = 0;
  kernel::generating_function_vjp(system, dt, dK, found, ddt);
  const auto limit = [&](auto& number, auto along, double step) {
    const auto kept = number;
    return support::limit_of_differences(
        [&](double moved) {
          number = kept + moved * along;
          const double value = kernel::krylov(discretize(Bilinear{}, dense(system), dt), length).dot(dK);
          number = kept;
          return value;
        },
        step);
  };
  CHECK(std::abs(limit(dt, 1.0, 1e-4) - ddt) <= 1e-8 * (1 + std::abs(ddt)));
  const auto check = [&](Complex<double>& number, Complex<double> expected, bool real) {
    CHECK(std::abs(limit(number, Complex<double>(1), 1e-3) - expected.real()) <= 1e-8 * (1 + std::abs(expected)));
    if (!real)
      CHECK(std::abs(limit(number, Complex<double>(0, 1), 1e-3) - expected.imag()) <= 1e-8 * (1 + std::abs(expected)));
  };
  for (Index n = 0; n < M; ++n) {
    const bool real = multiplicity(n, N) == 1;
    check(system.Lambda(n), found.Lambda(n), real);
    check(system.B(n), found.B(n), real);
    check(system.C(n), found.C(n), real);
    for (Index r = 0; r < R; ++r) {
      check(system.P(n, r), found.P(n, r), real);
      if (system.Q.size() > 0) check(system.Q(n, r), found.Q(n, r), real);
    }
  }
}

TEST_CASE("on the paper's roots of unity the vjp is that of the spectrum, z = -1 included", "[kernel][gradient]") {
  const Index N = 6, L = GENERATE(1, 7, 8), M = modes_of(N);
  auto system = support::random_dplr(N, 1, 23);
  auto C_tilde = support::random_dplr(N, 1, 29).C;
  double dt = 0.1;
  const kernel::Circle circle{L, 1.0};
  Random random(7);
  std::vector<Complex<double>> dspectrum(static_cast<std::size_t>(L / 2 + 1)), spectrum(dspectrum.size());
  for (auto& each : dspectrum) each = {random.normal(), random.normal()};
  auto found = system.zeros();
  RowVector<Complex<double>> dC_tilde = RowVector<Complex<double>>::Zero(M);
  double ddt = 0;
  kernel::generating_function_vjp(system, C_tilde, dt, circle, dspectrum, found, dC_tilde, ddt);
  const auto check = [&](auto& number, auto along, double expected) {
    const auto kept = number;
    const double limit = support::limit_of_differences(
        [&](double moved) {
          number = kept + moved * along;
          kernel::generating_function(system, C_tilde, dt, circle, spectrum);
          number = kept;
          double value = 0;
          for (std::size_t j = 0; j < spectrum.size(); ++j)
            value += spectrum[j].real() * dspectrum[j].real() + spectrum[j].imag() * dspectrum[j].imag();
          return value;
        },
        1e-4);
    CHECK(std::abs(limit - expected) <= 1e-8 * (1 + std::abs(expected)));
  };
  check(dt, 1.0, ddt);
  const Complex<double> i(0, 1);
  for (Index n = 0; n < M; ++n) {
    check(system.Lambda(n), Complex<double>(1), found.Lambda(n).real());
    check(system.Lambda(n), i, found.Lambda(n).imag());
    check(system.B(n), Complex<double>(1), found.B(n).real());
    check(system.P(n, 0), i, found.P(n, 0).imag());
    check(C_tilde(n), Complex<double>(1), dC_tilde(n).real());
    check(C_tilde(n), i, dC_tilde(n).imag());
  }
}
