#pragma once

#include "ssm/discretize/bilinear.hpp"
#include "ssm/kernel/krylov.hpp"
#include "ssm/layer/featurewise.hpp"
#include "ssm/layer/modal_engine.hpp"
#include "ssm/layer/modal_parameters.hpp"

namespace ssm {

/// Sizes of an S4 layer, and the range its time steps are drawn from.
struct S4Shape {
  Index features;                    ///< H                                  >= 1
  Index states = 64;                 ///< N, of each feature's system        >= 1
  double dt_min = 1e-3;              ///< s; 1/dt_min should reach the length of the sequences
  double dt_max = 1e-1;              ///< s
  std::optional<Index> copies = {};  ///< n_ssm: sets of A and B that features share, a divisor of H; one each if unset

  /// n, sets of A and B.
  Index sets() const { return copies.value_or(features); }
};

/// Parameters of an S4 layer, stored and trained: H independent systems of diagonal plus low rank form, one input and
/// output each.
///
///     x' = (Lambda - P Q*) x + B u,   y = 2 Re(C x) + D u,   Lambda = A_re_max - exp(A_re_log) + i A_im
///
/// dt = exp(log_dt). Q is P, with which every system is stable, unless it has numbers of its own, with which nothing is
/// sure: see DplrSystem. Of each conjugate pair one mode is kept, M = (N+1)/2; for odd N mode 0 is real: its imaginary parts must
/// be 0. A, P, Q and B may be stored once for several features (n sets, feature h uses set h mod n). Gu, Goel, Re 2022,
/// arXiv:2111.00396.
template <Real T>
struct S4Parameters : detail::ModalParameters<T> {
  /// The only structured discretization there is.
  static constexpr Bilinear discretization{};
  T A_re_max = 0;       ///< bound that Re Lambda stays below       1/s
  Array<Complex<T>> P;  ///< low-rank factor       (n, M, R)
  Array<Complex<T>> Q;  ///< its right one, where it is not P: to free it, set Q = P   (n, M, R) or of no size

  S4Parameters() = default;
  /// Makes zeros of these sizes; a set of A, P and B for every feature unless `sets` says otherwise.
  S4Parameters(Index features, Index N, Index rank, std::optional<Index> sets = {})
      : detail::ModalParameters<T>(features, N, sets.value_or(features)),
        P(sets.value_or(features), modes_of(N), rank) {}

  /// Name of this kind of layer in files.
  static constexpr const char* kind = "S4";
  /// Visits the settings stored beside the arrays: f(name, number).
  template <class Self, class F>
  static void each_setting(Self& self, F&& f) {
    f("states", self.states);
    bool free = self.Q.size() > 0;
    f("free_Q", free);
    if constexpr (!std::is_const_v<Self>)
      if (free != (self.Q.size() > 0)) self.Q = free ? Array<Complex<T>>(1) : Array<Complex<T>>();
    f("A_re_max", self.A_re_max);
  }
  /// Visits all arrays in order: f(name, array, role).
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    detail::ModalParameters<T>::each(self, f);
    f("P", self.P, Role::dynamics);
    if (self.Q.size() > 0) f("Q", self.Q, Role::dynamics);
  }

  /// R
  Index rank() const noexcept { return P.depth(); }

  /// The system of feature h, in fp64.
  DplrSystem<double> system(Index h) const {
    const auto diagonal = this->diagonal_system(h);
    const Index M = diagonal.modes(), R = rank(), set = this->copy_of(h);
    DplrSystem<double> result{this->states, diagonal.Lambda, Matrix<Complex<double>>(M, R), diagonal.B.col(0),
                              diagonal.C.row(0)};
    if (Q.size() > 0) result.Q.resize(M, R);
    for (Index n = 0; n < M; ++n) {
      result.Lambda(n) += static_cast<double>(A_re_max);
      for (Index r = 0; r < R; ++r) {
        result.P(n, r) = Complex<double>(P(set, n, r));
        if (Q.size() > 0) result.Q(n, r) = Complex<double>(Q(set, n, r));
      }
    }
    return result;
  }

  /// @throws ShapeError if sizes disagree; DomainError if there is no feature or state, or the rank is above max_rank
  void check_sizes() const {
    detail::ModalParameters<T>::check_sizes();
    if (rank() > max_rank)
      throw DomainError(detail::message("rank of P: expected at most ", max_rank, ", got ", rank()));
    detail::require_shape("P", P, this->copies(), modes_of(this->states), rank());
    if (Q.size() > 0) detail::require_shape("Q", Q, this->copies(), modes_of(this->states), rank());
  }

  /// @throws ShapeError if sizes disagree; DomainError if a number is not finite, there is no feature or state, the
  ///         rank is above max_rank, or for an odd N mode 0 is not real
  void check() const {
    detail::ModalParameters<T>::check();
    check_sizes();
    if (!std::isfinite(A_re_max))
      throw DomainError(detail::message("A_re_max: expected a finite number, got ", A_re_max));
    detail::require_finite("P", P);
    detail::require_finite("Q", Q);
    if (this->states % 2 == 1)
      for (Index n = 0; n < this->copies(); ++n)
        for (Index r = 0; r < rank(); ++r)
          this->require_real(n, P(n, 0, r).imag() == 0 && (Q.size() == 0 || Q(n, 0, r).imag() == 0));
  }

  /// Published initial values, exact: a measure's NPLR form in every set, C and D normal, dt log-uniform.
  /// @throws DomainError if a size or the range of dt is not positive
  template <hippo::Measure Measure>
  static S4Parameters initial(Measure measure, const S4Shape& shape, Random& random) {
    detail::ModalParameters<T>::check(shape);
    const hippo::Nplr nplr = hippo::nplr(measure, shape.states).half();
    S4Parameters parameters(shape.features, shape.states, nplr.P.cols(), shape.sets());
    for (Index set = 0; set < shape.sets(); ++set) {
      parameters.set(set, nplr.Lambda, nplr.B);
      for (Index n = 0; n < nplr.P.rows(); ++n)
        for (Index r = 0; r < nplr.P.cols(); ++r) parameters.P(set, n, r) = Complex<T>(nplr.P(n, r));
    }
    parameters.draw_rest(shape, random);
    return parameters;
  }

  /// Published initial values, of random phase: a diagonal initializer's eigenvalues, P complex normal.
  /// @throws DomainError if a size or the range of dt is not positive, or the rank is outside 0 .. max_rank
  template <diagonal::Initializer Diagonal>
  static S4Parameters initial(diagonal::RandomLowRank<Diagonal> low_rank, const S4Shape& shape, Random& random) {
    detail::ModalParameters<T>::check(shape);
    if (low_rank.rank < 0 || low_rank.rank > max_rank)
      throw DomainError(detail::message("rank of P: expected within 0..", max_rank, ", got ", low_rank.rank));
    S4Parameters parameters(shape.features, shape.states, low_rank.rank, shape.sets());
    for (Index set = 0; set < shape.sets(); ++set) {
      const diagonal::Modes drawn = diagonal::modes(Diagonal{}, shape.states, random);
      parameters.set(set, drawn.Lambda, drawn.B);
      for (auto& value : parameters.P.row(set)) {
        const double re = random.normal(), im = random.normal();
        value = Complex<T>(Complex<double>(re, im) * (std::numbers::sqrt2 / 2));
      }
      if (shape.states % 2 == 1)
        for (Index r = 0; r < low_rank.rank; ++r) parameters.P(set, 0, r) = parameters.P(set, 0, r).real();
    }
    parameters.draw_rest(shape, random);
    return parameters;
  }
};

namespace detail {

/// Engine of an S4; see Featurewise.
template <Real T, Index N, Real X, class Arch>
class S4Engine : public ModalEngine<S4Parameters<T>, T, N, X, Arch> {
  using Base = ModalEngine<S4Parameters<T>, T, N, X, Arch>;

 public:
  using Parameters = S4Parameters<T>;

  S4Engine(const Parameters& parameters, Sampling sampling) : Base(parameters, parameters.rank(), sampling) {
    this->set_steps([&](Index h) { return discrete(h); });
  }

  void parameters_vjp(const typename Base::Cotangent& cotangent, Parameters& gradient) const {
    gradient.check_sizes();
    for (Index h = 0; h < this->features(); ++h) {
      const DplrSystem<double> system = this->parameters().system(h);
      const Index M = system.modes(), R = system.rank(), set = this->parameters().copy_of(h);
      auto dsystem = system.zeros();
      double ddt = 0;
      discretize_vjp(Bilinear{}, system, this->dt(h), this->discrete_cotangent(h, cotangent, gradient), dsystem, ddt);
      this->add_gradient(h, dsystem.Lambda, dsystem.B, dsystem.C, ddt, gradient);
      const auto add = [&](const Matrix<Complex<double>>& found, Array<Complex<T>>& to) {
        for (Index n = 0; n < M; ++n)
          for (Index r = 0; r < R; ++r) {
            auto& sum = to(set, n, r);
            sum += Complex<T>(found(n, r));
            if (multiplicity(n, system.states) == 1) sum = sum.real();
          }
      };
      add(dsystem.P, gradient.P);
      if (system.Q.size() > 0) add(dsystem.Q, gradient.Q);
    }
  }

  Vector<double> kernel(Index h, Index length) const { return kernel::krylov_by_blocks(dense(discrete(h)), length); }
  template <Real U>
  kernel::StateResponse<U> state_response(Index h, Index block) const {
    return {dense(discrete(h)), block};
  }
  Index jump_entries() const noexcept { return this->states() * this->states(); }

  /// Feature h, discrete.
  DiscreteDplrSystem<double> discrete(Index h) const {
    return discretize(Bilinear{}, this->parameters().system(h), this->dt(h));
  }
};

}  // namespace detail

/// S4: H independent systems of diagonal plus low rank form, one a feature, discretized by the bilinear rule.
///
///     x_k = A_bar x_{k-1} + B_bar u_k,   y_k = 2 Re(C x_k) + D u_k            A_bar = I + diag(Delta) - P_bar Q_bar^T
///
/// Gu, Goel, Re 2022, arXiv:2111.00396. The recurrence costs O(H N R) a step in the caller's scalar; what prepares it,
/// and the kernel of the convolution, is fp64. The kernel is made of two thin factors (kernel/krylov.hpp), which was
/// faster at every N and L measured than the paper's generating function (kernel/generating_function.hpp), and equal to
/// it.
///
/// | mode          | time                                   | memory beyond u, y, state |
/// | recurrence    | O(H N R L)                             | none                      |
/// | convolution   | O(H (N L + L log L + N^3 log L))       | O(N^2 + N sqrt(L) + L)    |
///
/// Errors relative to the peak of the exact output, dt in [1e-3, 1e-1], N <= 64, L <= 16,384: recurrence 1e-12 (fp64),
/// 5e-6 (fp32); convolution 1e-12, 1e-5.
///
/// @tparam T   scalar of the data
/// @tparam N   states, where they are known at compile time
/// @tparam X      scalar of the state, where it is to be wider than T
/// @tparam Arch   instruction set of the recurrence: what the translation unit is compiled for
template <Real T, Index N = dynamic, Real X = T, class Arch = simd::native>
class S4 : public detail::Featurewise<detail::S4Engine<T, N, X, Arch>> {
  using Engine = detail::S4Engine<T, N, X, Arch>;
  using Base = detail::Featurewise<Engine>;

 public:
  /// Parameters that are initialised, trained and stored.
  using Parameters = S4Parameters<T>;
  /// Sizes for `initial`.
  using Shape = S4Shape;

  /// Discretizes.
  /// @param parameters   stored form, checked
  /// @param sampling     the rate multiplies every dt
  /// @throws             ShapeError, DomainError as Parameters::check; ShapeError if N is fixed and another;
  ///                     DomainError if a dt or the rate is not positive and finite
  /// @note               O(H N R^2)
  explicit S4(const Parameters& parameters, Sampling sampling = {}) : Base(Engine(parameters, sampling)) {}
  /// Discretizes by the bilinear rule, named.
  explicit S4(const Parameters& parameters, Bilinear, Sampling sampling = {}) : S4(parameters, sampling) {}
  /// There is no structured zero-order hold (or other form) of a diagonal plus low rank system: only Bilinear.
  template <class Method>
  requires(!std::convertible_to<Method, Sampling>) S4(const Parameters&, Method, Sampling = {})
  = delete;

  /// R
  Index rank() const noexcept { return this->parameters().rank(); }
};

}  // namespace ssm
