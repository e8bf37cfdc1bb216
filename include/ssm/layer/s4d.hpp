#pragma once

#include "ssm/discretize/modal.hpp"
#include "ssm/kernel/vandermonde.hpp"
#include "ssm/layer/featurewise.hpp"
#include "ssm/layer/modal_engine.hpp"
#include "ssm/layer/modal_parameters.hpp"

namespace ssm {

/// Sizes of an S4D layer, and the range its time steps are drawn from.
struct S4DShape {
  Index features;                    ///< H                                  >= 1
  Index states = 64;                 ///< N, of each feature's system        >= 1
  double dt_min = 1e-3;              ///< s; 1/dt_min should reach the length of the sequences
  double dt_max = 1e-1;              ///< s
  std::optional<Index> copies = {};  ///< n_ssm: sets of A and B that features share, a divisor of H; one each if unset
  ModalDiscretization discretization = {};  ///< zero-order hold, unless chosen

  /// n, sets of A and B.
  Index sets() const { return copies.value_or(features); }
};

/// Parameters of an S4D layer, stored and trained: H independent diagonal systems, one input and output each.
///
///     x' = Lambda x + B u,   y = 2 Re(C x) + D u,   Lambda = -exp(A_re_log) + i A_im,   dt = exp(log_dt)
///
/// Of each conjugate pair one mode is kept, M = (N+1)/2; for odd N mode 0 is real: its imaginary parts must be 0. A and
/// B may be stored once for several features (n sets, feature h uses set h mod n). Gu, Gupta, Goel, Re 2022,
/// arXiv:2206.11893.
template <Real T>
struct S4DParameters : detail::ModalParameters<T> {
  ModalDiscretization discretization;  ///< zero-order hold, unless chosen

  S4DParameters() = default;
  /// Makes zeros of these sizes; a set of A and B for every feature unless `sets` says otherwise.
  S4DParameters(Index features, Index N, std::optional<Index> sets = {})
      : detail::ModalParameters<T>(features, N, sets.value_or(features)) {}

  /// Name of this kind of layer in files.
  static constexpr const char* kind = "S4D";
  /// Visits the settings stored beside the arrays: f(name, number).
  template <class Self, class F>
  static void each_setting(Self& self, F&& f) {
    f("states", self.states);
    f("discretization", self.discretization);
  }

  /// The system of feature h, in fp64.
  DiagonalSystem<double> system(Index h) const { return this->diagonal_system(h); }

  /// @throws ShapeError if sizes disagree; DomainError if a number is not finite, there is no feature or state, or for
  ///         an odd N mode 0 is not real
  void check() const { detail::ModalParameters<T>::check(); }

  /// Published initial values: diagonal::Linear, Inverse, Unstructured, or the
  /// diagonal of a measure, hippo::LegS, Fourier; C and D normal, dt log-uniform.
  /// @throws DomainError if a size or the range of dt is not positive
  template <diagonal::Initializer Diagonal>
  static S4DParameters initial(Diagonal initializer, const S4DShape& shape, Random& random) {
    detail::ModalParameters<T>::check(shape);
    S4DParameters parameters(shape.features, shape.states, shape.sets());
    parameters.discretization = shape.discretization;
    for (Index n = 0; n < shape.sets(); ++n) {
      const diagonal::Modes drawn = diagonal::modes(initializer, shape.states, random);
      parameters.set(n, drawn.Lambda, drawn.B);
    }
    parameters.draw_rest(shape, random);
    return parameters;
  }
};

namespace detail {

/// Engine of an S4D; see Featurewise.
template <Real T, Index N, Real X, class Arch>
class S4DEngine : public ModalEngine<S4DParameters<T>, T, N, X, Arch, 0> {
  using Base = ModalEngine<S4DParameters<T>, T, N, X, Arch, 0>;

 public:
  using Parameters = S4DParameters<T>;

  S4DEngine(const Parameters& parameters, Sampling sampling) : Base(parameters, 0, sampling) {
    this->set_steps([&](Index h) { return dplr(discrete(h)); });
  }

  void parameters_vjp(const typename Base::Cotangent& cotangent, Parameters& gradient) const {
    gradient.check_sizes();
    for (Index h = 0; h < this->features(); ++h) {
      const DiscreteDplrSystem<double> found = this->discrete_cotangent(h, cotangent, gradient);
      const DiagonalSystem<double> system = this->parameters().system(h);
      auto dsystem = system.zeros();
      Vector<double> ddt = Vector<double>::Zero(system.modes());
      discretize_vjp(this->parameters().discretization, system,
                     Vector<double>(Vector<double>::Constant(system.modes(), this->dt(h))),
                     DiscreteDiagonalSystem<double>{system.states, found.Delta, found.B_bar, found.C}, dsystem, ddt);
      this->add_gradient(h, dsystem.Lambda, dsystem.B.col(0), dsystem.C.row(0), ddt.sum(), gradient);
    }
  }

  Vector<double> kernel(Index h, Index length) const { return kernel::vandermonde(discrete(h), length); }
  template <Real U>
  kernel::StateResponse<U> state_response(Index h, Index block) const {
    return {discrete(h), block};
  }
  /// Samples of the kernels, at most `length`, before all of them have decayed below rounding: what comes after adds
  /// less than eps/16 of a kernel's peak to any output of a bounded input.
  Index audible_length(Index length) const {
    constexpr double inaudible = std::numeric_limits<T>::epsilon() / 16;
    Index audible = std::min<Index>(length, 1);
    for (Index h = 0; h < this->features() && audible < length; ++h) {
      const auto system = discrete(h);
      double peak = std::abs(static_cast<double>(this->parameters().D(h)));
      const Vector<double> onset = kernel::vandermonde(system, std::min<Index>(length, 16));
      for (const double value : onset) peak = std::max(peak, std::abs(value));
      const auto rest = [&](Index from) {  // sum over k >= from of |K_k| is at most this
        double sum = 0;
        for (Index n = 0; n < system.Lambda_bar.size(); ++n) {
          const double size = std::abs(system.Lambda_bar(n));
          const double weight = 2 * std::abs(system.C(0, n) * system.B_bar(n, 0));
          if (weight > 0) sum += weight * std::pow(size, static_cast<double>(from)) / (1 - size);
        }
        return sum;
      };
      while (audible < length && !(rest(audible) <= inaudible * peak)) audible = std::min(2 * audible, length);
    }
    return audible;
  }
  Index jump_entries() const noexcept { return this->states(); }

  /// Made again where it is asked for: kept, it would be as much memory as the parameters twice.
  DiscreteDiagonalSystem<double> discrete(Index h) const {
    return discretize(this->parameters().discretization, this->parameters().system(h), this->dt(h));
  }
};

}  // namespace detail

/// S4D: H independent diagonal systems, one a feature.
///
///     x_k = Lambda_bar x_{k-1} + B_bar u_k,   y_k = 2 Re(C x_k) + D u_k
///
/// Gu, Gupta, Goel, Re 2022, arXiv:2206.11893. Zero-order hold or bilinear. What prepares the recurrence, and the
/// kernel of the convolution, is fp64.
///
/// | mode          | time                        | memory beyond u, y, state   |
/// | recurrence    | O(H N L)                    | none                        |
/// | convolution   | O(H (N L + L log L + N^2 sqrt(L))) | O(N sqrt(L) + N^2 + L) |
///
/// Errors relative to the peak of the exact output, dt in [1e-3, 1e-1], N <= 64, L <= 16,384: recurrence 1e-12 (fp64),
/// 5e-6 (fp32); convolution 1e-12, 1e-5.
///
/// @tparam T   scalar of the data
/// @tparam N   states, where they are known at compile time
/// @tparam X      scalar of the state, where it is to be wider than T
/// @tparam Arch   instruction set of the recurrence: what the translation unit is compiled for
template <Real T, Index N = dynamic, Real X = T, class Arch = simd::native>
class S4D : public detail::Featurewise<detail::S4DEngine<T, N, X, Arch>> {
  using Engine = detail::S4DEngine<T, N, X, Arch>;
  using Base = detail::Featurewise<Engine>;

 public:
  /// Parameters that are initialised, trained and stored.
  using Parameters = S4DParameters<T>;
  /// Sizes for `initial`.
  using Shape = S4DShape;

  /// Discretizes.
  /// @param parameters   stored form, checked; they say how
  /// @param sampling     the rate multiplies every dt
  /// @throws             ShapeError, DomainError as Parameters::check; ShapeError if N is fixed and another;
  ///                     DomainError if a dt or the rate is not positive and finite
  /// @note               O(H N)
  explicit S4D(const Parameters& parameters, Sampling sampling = {}) : Base(Engine(parameters, sampling)) {}
  /// Discretizes by another method, which is recorded in the layer's parameters.
  S4D(Parameters parameters, ModalDiscretization method, Sampling sampling = {})
      : S4D((parameters.discretization = method, parameters), sampling) {}
};

}  // namespace ssm
