#pragma once

#include "ssm/core/array.hpp"
#include "ssm/core/random.hpp"
#include "ssm/discretize/method.hpp"
#include "ssm/hippo/nplr.hpp"
#include "ssm/layer/role.hpp"
#include "ssm/layer/spectrum.hpp"
#include "ssm/system/diagonal.hpp"

#include <concepts>
#include <limits>
#include <type_traits>

namespace ssm {

/// The three published ways to draw S5's output matrix. Smith, Warrington, Linderman 2023, arXiv:2208.04933, appendix
/// B.
namespace s5_output {

/// Real and imaginary parts truncated normal of variance 1/P, rotated into the eigenbasis.
struct TruncatedNormal {};
/// Truncated normal parts of variance 1/(P H), rotated: the authors' code draws all of C as one, and so counts the
/// features in.
struct LecunNormal {};
/// Complex normal of variance 1, in the eigenbasis as drawn.
struct ComplexNormal {};

}  // namespace s5_output

/// Which modes of an S5 layer have a time step of their own.
enum class TimeSteps {
  per_mode,  ///< each
  shared     ///< none: there is one for all
};

/// Sizes of an S5 layer, and the range its time steps are drawn from.
struct S5Shape {
  Index features;                      ///< H, inputs and outputs     >= 1
  Index states = 64;                   ///< P, of all features        >= 1
  Spectrum spectrum = Spectrum::half;  ///< kept eigenvalues
  Index blocks = 1;                    ///< J, of HiPPO-N on the diagonal, a divisor of P
  /// Which modes have a time step of their own.
  TimeSteps steps = TimeSteps::per_mode;
  double dt_min = 1e-3;                     ///< s
  double dt_max = 1e-1;                     ///< s
  ModalDiscretization discretization = {};  ///< zero-order hold, unless chosen
};

/// Parameters of an S5 layer, stored and trained: one system of P states with H inputs and H outputs; or, for a
/// RectangularS5, with different numbers of them.
///
///     x' = Lambda x + B u,   y = 2 Re(C x) + D u   (full spectrum: Re(C x) + D u),   dt = exp(log_dt)
///
/// Smith, Warrington, Linderman 2023, arXiv:2208.04933.
template <Real T>
struct S5Parameters {
  /// Scalar of the data.
  using Scalar = T;

  Index states = 0;                    ///< P
  Spectrum spectrum = Spectrum::half;  ///< kept eigenvalues: S = (P+1)/2 modes, or S = P
  ModalDiscretization discretization;  ///< zero-order hold, unless chosen
  Array<T> Lambda_re;                  ///< eigenvalues                     (S)          1/s
  Array<T> Lambda_im;                  ///<                                 (S)          1/s
  Array<Complex<T>> B;                 ///< input, in the eigenbasis        (S, inputs)
  Array<Complex<T>> C;                 ///< output, in the eigenbasis       (outputs, S)
  Array<T> D;                          ///< direct term                     (H), or a matrix (outputs, inputs)
  Array<T> log_dt;                     ///< log of the time step            (S), or (1) for all      log s
  /// Real parts are clipped to at most this; the published value, for autoregressive use, is -1e-4.
  T Lambda_re_max = std::numeric_limits<T>::infinity();

  S5Parameters() = default;
  /// Makes zeros of these sizes.
  S5Parameters(Index features, Index P, Spectrum kept = Spectrum::half, TimeSteps steps = TimeSteps::per_mode)
      : states(P),
        spectrum(kept),
        Lambda_re(kept_of(P, kept)),
        Lambda_im(kept_of(P, kept)),
        B(kept_of(P, kept), features),
        C(features, kept_of(P, kept)),
        D(features),
        log_dt(steps == TimeSteps::per_mode ? kept_of(P, kept) : 1) {}
  /// Makes zeros of these sizes, D being a matrix.
  static S5Parameters rectangular(Index inputs, Index outputs, Index P, Spectrum kept = Spectrum::half,
                                  TimeSteps steps = TimeSteps::per_mode) {
    S5Parameters parameters(1, P, kept, steps);
    parameters.B = Array<Complex<T>>(parameters.modes(), inputs);
    parameters.C = Array<Complex<T>>(outputs, parameters.modes());
    parameters.D = Array<T>(outputs, inputs);
    return parameters;
  }

  /// Name of this kind of layer in files.
  static constexpr const char* kind = "S5";
  /// Visits the settings stored beside the arrays: f(name, number).
  template <class Self, class F>
  static void each_setting(Self& self, F&& f) {
    f("states", self.states);
    f("spectrum", self.spectrum);
    f("Lambda_re_max", self.Lambda_re_max);
    f("discretization", self.discretization);
  }
  /// Visits all arrays in order: f(name, array, role).
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    f("Lambda_re", self.Lambda_re, Role::dynamics);
    f("Lambda_im", self.Lambda_im, Role::dynamics);
    f("B", self.B, Role::dynamics);
    f("C", self.C, Role::ordinary);
    f("D", self.D, Role::ordinary);
    f("log_dt", self.log_dt, Role::dynamics);
  }

  /// H, of a square system: numbers of an output.
  Index features() const noexcept { return outputs(); }
  /// Numbers of an input.
  Index inputs() const noexcept { return B.columns(); }
  /// Numbers of an output.
  Index outputs() const noexcept { return C.rows(); }
  /// Returns whether D is a matrix, not a vector.
  bool has_direct_matrix() const noexcept { return inputs() != outputs() || D.columns() != 1; }
  /// S
  Index modes() const noexcept { return kept_of(states, spectrum); }
  /// Weight of mode s in an output: 1, or 2 where it stands for a conjugate pair.
  double count(Index s) const noexcept {
    return spectrum == Spectrum::full ? 1.0 : static_cast<double>(multiplicity(s, states));
  }
  /// Clipped.
  Complex<double> Lambda(Index s) const {
    return {std::min(static_cast<double>(Lambda_re(s)), static_cast<double>(Lambda_re_max)),
            static_cast<double>(Lambda_im(s))};
  }
  /// Time step of mode s, before the rate.     s
  double dt(Index s) const { return std::exp(static_cast<double>(log_dt(log_dt.rows() == 1 ? 0 : s))); }

  /// @throws ShapeError if sizes disagree; DomainError if there is no feature or state
  void check_sizes() const {
    const Index S = modes();
    detail::require_at_least("inputs", 1, inputs());
    detail::require_at_least("outputs", 1, outputs());
    detail::require_at_least("states", 1, states);
    detail::require_shape("Lambda_re", Lambda_re, S);
    detail::require_shape("Lambda_im", Lambda_im, S);
    detail::require_shape("B", B, S, inputs());
    detail::require_shape("C", C, outputs(), S);
    if (has_direct_matrix())
      detail::require_shape("D", D, outputs(), inputs());
    else
      detail::require_shape("D", D, outputs());
    if (log_dt.rows() != 1) detail::require_shape("log_dt", log_dt, S);
  }
  /// @throws ShapeError if sizes disagree; DomainError if a number is not finite, there is no feature or state, or mode
  ///         0 of half an odd spectrum is not real
  void check() const {
    check_sizes();
    detail::require_finite("Lambda_re", Lambda_re);
    detail::require_finite("Lambda_im", Lambda_im);
    detail::require_finite("B", B);
    detail::require_finite("C", C);
    detail::require_finite("D", D);
    detail::require_finite("log_dt", log_dt);
    if (std::isnan(Lambda_re_max)) throw DomainError("Lambda_re_max: expected a number, got nan");
    if (spectrum == Spectrum::full || states % 2 == 0) return;
    bool real = Lambda_im(0) == 0;
    for (Index i = 0; i < inputs(); ++i) real = real && B(0, i).imag() == 0;
    for (Index o = 0; o < outputs(); ++o) real = real && C(o, 0).imag() == 0;
    if (!real)
      throw DomainError(detail::message("an odd number of states, ", states,
                                        ": expected a real mode 0 in Lambda, B and C, got imaginary parts"));
  }

  /// Published initial values: HiPPO-N, the normal part of LegS, in blocks; B truncated normal of variance 1/P, rotated
  /// into the eigenbasis; C as told; D normal, dt log-uniform.
  /// @throws DomainError if a size or the range of dt is not positive, the blocks do not divide P, or several blocks of
  ///         an odd size would each need a real mode
  template <class Output = s5_output::TruncatedNormal>
  static S5Parameters initial(hippo::LegS, const S5Shape& shape, Random& random, Output = {}) {
    detail::require_at_least("features", 1, shape.features);
    detail::require_at_least("states", 1, shape.states);
    detail::require_at_least("blocks", 1, shape.blocks);
    detail::require_range("dt_min..dt_max", shape.dt_min, shape.dt_max);
    const Index P = shape.states, J = shape.blocks, H = shape.features, size = P / J;
    if (P % J != 0) throw DomainError(detail::message("blocks: expected a divisor of the ", P, " states, got ", J));
    if (shape.spectrum == Spectrum::half && J > 1 && size % 2 == 1)
      throw DomainError(detail::message("blocks: expected blocks of an even size for half a spectrum, got ", size));
    const hippo::Nplr whole = hippo::nplr(hippo::LegS{}, size);
    const hippo::Nplr block = shape.spectrum == Spectrum::half ? whole.half() : whole;
    const Index kept = block.Lambda.size();

    S5Parameters parameters(H, P, shape.spectrum, shape.steps);
    parameters.discretization = shape.discretization;
    for (Index j = 0; j < J; ++j)
      for (Index s = 0; s < kept; ++s) {
        parameters.Lambda_re(j * kept + s) = static_cast<T>(block.Lambda(s).real());
        parameters.Lambda_im(j * kept + s) = static_cast<T>(block.Lambda(s).imag());
      }
    std::vector<Complex<double>> drawn(static_cast<std::size_t>(size));
    const auto V = [&](Index n, Index s) { return block.V(n, s); };
    for (Index h = 0; h < H; ++h)
      for (Index j = 0; j < J; ++j) {
        for (auto& value : drawn) value = random.truncated_normal() / std::sqrt(static_cast<double>(P));
        for (Index s = 0; s < kept; ++s) {  // V* B
          Complex<double> sum = 0;
          for (Index n = 0; n < size; ++n) sum += std::conj(V(n, s)) * drawn[static_cast<std::size_t>(n)];
          parameters.B(j * kept + s, h) = Complex<T>(sum);
        }
      }
    for (Index h = 0; h < H; ++h)
      for (Index j = 0; j < J; ++j) {
        if constexpr (std::same_as<Output, s5_output::ComplexNormal>) {
          for (Index s = 0; s < kept; ++s) {
            const double re = random.normal(), im = random.normal();
            parameters.C(h, j * kept + s) = Complex<T>(Complex<double>(re, im) * (std::numbers::sqrt2 / 2));
          }
        } else {
          static_assert(std::same_as<Output, s5_output::TruncatedNormal> ||
                        std::same_as<Output, s5_output::LecunNormal>);
          const double variance = std::same_as<Output, s5_output::LecunNormal> ? 1 / static_cast<double>(P * H)
                                                                               : 1 / static_cast<double>(P);
          for (auto& value : drawn) {
            const double re = random.truncated_normal(), im = random.truncated_normal();
            value = Complex<double>(re, im) * std::sqrt(variance);
          }
          for (Index s = 0; s < kept; ++s) {  // C V
            Complex<double> sum = 0;
            for (Index n = 0; n < size; ++n) sum += drawn[static_cast<std::size_t>(n)] * V(n, s);
            parameters.C(h, j * kept + s) = Complex<T>(sum);
          }
        }
      }
    for (Index h = 0; h < H; ++h) parameters.D(h) = static_cast<T>(random.normal());
    for (auto& log_dt : parameters.log_dt)
      log_dt = static_cast<T>(std::log(random.log_uniform(shape.dt_min, shape.dt_max)));
    if (shape.spectrum == Spectrum::half && P % 2 == 1)
      for (Index h = 0; h < H; ++h) {
        parameters.B(0, h) = parameters.B(0, h).real();
        parameters.C(h, 0) = parameters.C(h, 0).real();
      }
    return parameters;
  }

 private:
  static Index kept_of(Index P, Spectrum kept) noexcept { return kept == Spectrum::full ? P : modes_of(P); }
};

}  // namespace ssm
