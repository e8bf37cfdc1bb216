#pragma once

#include "ssm/fft/concept.hpp"

#include <fftw3.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <new>

/// FFTW is under the GPL; this header is used only by those who link `ssm::fftw`, and nothing else includes it.
namespace ssm::fft {

namespace detail {

/// FFTW's C interface of one precision under one set of names.
template <class T>
struct Fftw;

template <>
struct Fftw<double> {
  using Plan = fftw_plan;
  using Cpx = fftw_complex;
  static void lock_planner() { fftw_make_planner_thread_safe(); }
  static void* allocate(std::size_t bytes) { return fftw_malloc(bytes); }
  static void release(void* memory) { fftw_free(memory); }
  static void destroy(Plan plan) { fftw_destroy_plan(plan); }
  static Plan forward(int n, double* x, Cpx* X) { return fftw_plan_dft_r2c_1d(n, x, X, FFTW_ESTIMATE); }
  static Plan inverse(int n, Cpx* X, double* x) { return fftw_plan_dft_c2r_1d(n, X, x, FFTW_ESTIMATE); }
  static void execute(Plan plan) { fftw_execute(plan); }
};

template <>
struct Fftw<float> {
  using Plan = fftwf_plan;
  using Cpx = fftwf_complex;
  static void lock_planner() { fftwf_make_planner_thread_safe(); }
  static void* allocate(std::size_t bytes) { return fftwf_malloc(bytes); }
  static void release(void* memory) { fftwf_free(memory); }
  static void destroy(Plan plan) { fftwf_destroy_plan(plan); }
  static Plan forward(int n, float* x, Cpx* X) { return fftwf_plan_dft_r2c_1d(n, x, X, FFTW_ESTIMATE); }
  static Plan inverse(int n, Cpx* X, float* x) { return fftwf_plan_dft_c2r_1d(n, X, x, FFTW_ESTIMATE); }
  static void execute(Plan plan) { fftwf_execute(plan); }
};

}  // namespace detail

/// FFTW's transforms, float and double.
///
/// The planner is one global thing of the process. It is made thread-safe by FFTW's own lock, which lives in FFTW's
/// shared object and so is one for all shared objects that use this header, however their symbols are hidden. A plan
/// works in aligned memory of its own, copied to and from, so any span will do.
struct FftwBackend {
  /// Time of a transform against that of Eigen's, for the planner (bench/calibrate.cpp measures it).
  static constexpr double relative_cost = 0.4;

  /// A transform of n points, see Backend.
  template <std::floating_point T>
  class Plan {
   public:
    /// @throws DomainError unless 1 <= n <= 2^31 - 1; std::bad_alloc
    explicit Plan(Index n) : size_(n) {
      if (n < 1 || n > std::numeric_limits<int>::max())
        throw DomainError(ssm::detail::message("transform length: expected 1 to 2^31 - 1, got ", n));
      static const bool planner_is_locked = (Api::lock_planner(), true);
      static_cast<void>(planner_is_locked);
      const auto points = static_cast<std::size_t>(n), bins = static_cast<std::size_t>(n / 2 + 1);
      time_.reset(static_cast<T*>(Api::allocate(points * sizeof(T))));
      spectrum_.reset(static_cast<typename Api::Cpx*>(Api::allocate(bins * sizeof(typename Api::Cpx))));
      if (!time_ || !spectrum_) throw std::bad_alloc();
      forward_.reset(Api::forward(static_cast<int>(n), time_.get(), spectrum_.get()));
      inverse_.reset(Api::inverse(static_cast<int>(n), spectrum_.get(), time_.get()));
      if (!forward_ || !inverse_) throw std::bad_alloc();
    }

    /// n
    Index size() const noexcept { return size_; }
    /// See Backend.
    void forward(std::span<const T> time, std::span<Complex<T>> spectrum) {
      detail::require_sizes(size_, time, spectrum);
      std::copy(time.begin(), time.end(), time_.get());
      Api::execute(forward_.get());
      std::copy_n(reinterpret_cast<const Complex<T>*>(spectrum_.get()), spectrum.size(), spectrum.begin());
    }
    /// See Backend.
    void inverse(std::span<Complex<T>> spectrum, std::span<T> time) {
      detail::require_sizes(size_, time, spectrum);
      std::copy(spectrum.begin(), spectrum.end(), reinterpret_cast<Complex<T>*>(spectrum_.get()));
      Api::execute(inverse_.get());
      std::transform(time_.get(), time_.get() + size_, time.begin(),
                     [scale = T(1) / static_cast<T>(size_)](T value) { return value * scale; });
    }

   private:
    using Api = detail::Fftw<T>;
    struct Release {
      void operator()(void* memory) const { Api::release(memory); }
    };
    struct Destroy {
      void operator()(typename Api::Plan plan) const { Api::destroy(plan); }
    };
    Index size_;
    std::unique_ptr<T, Release> time_;
    std::unique_ptr<typename Api::Cpx, Release> spectrum_;
    std::unique_ptr<std::remove_pointer_t<typename Api::Plan>, Destroy> forward_, inverse_;
  };
};

}  // namespace ssm::fft
