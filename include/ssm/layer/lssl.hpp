#pragma once

#include "ssm/discretize/dense.hpp"
#include "ssm/hippo/measure.hpp"
#include "ssm/kernel/krylov.hpp"
#include "ssm/layer/featurewise.hpp"
#include "ssm/layer/role.hpp"
#include "ssm/recurrence/dense.hpp"
#include "ssm/recurrence/step_work.hpp"
#include "ssm/system/dplr.hpp"

namespace ssm {

/// Sizes of an LSSL layer, and the range its time steps are drawn from.
struct LSSLShape {
  Index features;                           ///< H                                  >= 1
  Index states = 64;                        ///< N, of each feature's system        >= 1
  double dt_min = 1e-3;                     ///< s
  double dt_max = 1e-1;                     ///< s
  DenseDiscretization discretization = {};  ///< bilinear, unless chosen
};

/// The random initial value that LSSL's authors compare HiPPO's with: A = randn(N, N)/N, B = 1, the same A in every
/// feature. LSSL, arXiv:2110.13985, section 5.4, and its code.
struct RandomMatrix {};

/// Parameters of an LSSL layer, stored and trained: H independent dense systems, one input and output each.
///
///     x' = A x + B u,   y = C x + D u,   dt = exp(log_dt)
///
/// Gu, Johnson, Goel, Saab, Dao, Rudra, Re 2021, arXiv:2110.13985.
template <Real T>
struct LSSLParameters {
  /// Scalar of the data.
  using Scalar = T;

  Index states = 0;                    ///< N
  DenseDiscretization discretization;  ///< bilinear, unless chosen
  Array<T> A;                          ///< transition            (H, N, N)     1/s
  Array<T> B;                          ///< input                 (H, N)
  Array<T> C;                          ///< output                (H, N)
  Array<T> D;                          ///< direct term           (H)
  Array<T> log_dt;                     ///< log of the time step  (H)           log s

  LSSLParameters() = default;
  /// Makes zeros of these sizes.
  LSSLParameters(Index features, Index N)
      : states(N), A(features, N, N), B(features, N), C(features, N), D(features), log_dt(features) {}

  /// Name of this kind of layer in files.
  static constexpr const char* kind = "LSSL";
  /// Visits the settings stored beside the arrays: f(name, number).
  template <class Self, class F>
  static void each_setting(Self& self, F&& f) {
    f("states", self.states);
    f("discretization", self.discretization);
  }
  /// Visits all arrays in order: f(name, array, role).
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    f("A", self.A, Role::dynamics);
    f("B", self.B, Role::dynamics);
    f("C", self.C, Role::ordinary);
    f("D", self.D, Role::ordinary);
    f("log_dt", self.log_dt, Role::dynamics);
  }

  /// H
  Index features() const noexcept { return log_dt.rows(); }

  /// The system of feature h, in fp64.
  DenseSystem<double> system(Index h) const {
    const Index N = states;
    DenseSystem<double> result{Matrix<double>(N, N), Matrix<double>(N, 1), Matrix<double>(1, N)};
    for (Index n = 0; n < N; ++n) {
      for (Index m = 0; m < N; ++m) result.A(n, m) = static_cast<double>(A(h, n, m));
      result.B(n, 0) = static_cast<double>(B(h, n));
      result.C(0, n) = static_cast<double>(C(h, n));
    }
    return result;
  }
  /// Stores a system of one input and one output as feature h.
  /// @throws ShapeError if it has another size
  void set(Index h, const DenseSystem<double>& system) {
    system.check();
    detail::require_size("states of a system", states, system.states());
    detail::require_size("inputs of a system", 1, system.B.cols());
    detail::require_size("outputs of a system", 1, system.C.rows());
    for (Index n = 0; n < states; ++n) {
      for (Index m = 0; m < states; ++m) A(h, n, m) = static_cast<T>(system.A(n, m));
      B(h, n) = static_cast<T>(system.B(n, 0));
      C(h, n) = static_cast<T>(system.C(0, n));
    }
  }

  /// @throws ShapeError if sizes disagree; DomainError if there is no feature or state
  void check_sizes() const {
    const Index H = features(), N = states;
    detail::require_at_least("features", 1, H);
    detail::require_at_least("states", 1, N);
    detail::require_shape("A", A, H, N, N);
    detail::require_shape("B", B, H, N);
    detail::require_shape("C", C, H, N);
    detail::require_shape("D", D, H);
    detail::require_shape("log_dt", log_dt, H);
  }
  /// @throws ShapeError if sizes disagree; DomainError if a number is not finite, there is no feature or state, or
  ///         alpha of a generalized bilinear rule is outside 0..1
  void check() const {
    check_sizes();
    if (const auto* rule = std::get_if<GeneralizedBilinear>(&discretization)) detail::require_alpha(*rule);
    detail::require_finite("A", A);
    detail::require_finite("B", B);
    detail::require_finite("C", C);
    detail::require_finite("D", D);
    detail::require_finite("log_dt", log_dt);
  }

  /// Published initial values: a measure's matrix and input in every feature, C and D normal, dt log-uniform.
  /// @throws DomainError if a size or the range of dt is not positive
  template <hippo::Measure Measure>
  static LSSLParameters initial(Measure measure, const LSSLShape& shape, Random& random) {
    check(shape);
    return drawn(hippo::transition(measure, shape.states), hippo::input(measure, shape.states), shape, random);
  }
  /// Initial values with a random matrix, the same in every feature.
  static LSSLParameters initial(RandomMatrix, const LSSLShape& shape, Random& random) {
    check(shape);
    const Index N = shape.states;
    Matrix<double> A(N, N);
    for (Index n = 0; n < N; ++n)
      for (Index m = 0; m < N; ++m) A(n, m) = random.normal() / static_cast<double>(N);
    return drawn(A, Vector<double>::Ones(N), shape, random);
  }

 private:
  static void check(const LSSLShape& shape) {
    detail::require_at_least("features", 1, shape.features);
    detail::require_at_least("states", 1, shape.states);
    detail::require_range("dt_min..dt_max", shape.dt_min, shape.dt_max);
  }
  /// A and B in every feature, the rest drawn.
  static LSSLParameters drawn(const Matrix<double>& A, const Vector<double>& B, const LSSLShape& shape,
                              Random& random) {
    LSSLParameters parameters(shape.features, shape.states);
    parameters.discretization = shape.discretization;
    DenseSystem<double> system{A, B, Matrix<double>(1, shape.states)};
    for (Index h = 0; h < shape.features; ++h) {
      for (Index n = 0; n < shape.states; ++n) system.C(0, n) = random.normal();
      parameters.set(h, system);
      parameters.D(h) = static_cast<T>(random.normal());
      parameters.log_dt(h) = static_cast<T>(std::log(random.log_uniform(shape.dt_min, shape.dt_max)));
    }
    return parameters;
  }
};

/// Returns the same layer with dense real matrices, in fp64, of S4's or S4D's parameters.         O(H N^2)
template <class Parameters>
requires requires(const Parameters& parameters) { dense(parameters.system(0)); }
LSSLParameters<double> dense(const Parameters& parameters) {
  parameters.check();
  LSSLParameters<double> result(parameters.features(), parameters.states);
  result.discretization = convert<DenseDiscretization>(parameters.discretization);
  for (Index h = 0; h < parameters.features(); ++h) {
    result.set(h, dense(parameters.system(h)));
    result.D(h) = static_cast<double>(parameters.D(h));
    result.log_dt(h) = static_cast<double>(parameters.log_dt(h));
  }
  return result;
}

namespace detail {

/// Engine of an LSSL; see Featurewise.
template <Real T, Index N, Real X>
class LSSLEngine {
 public:
  using Scalar = T;
  using Parameters = LSSLParameters<T>;
  using State = DenseState<X>;
  using Cotangent = DenseCotangent;
  using Workspace = typename DenseRecurrence<T, N, X>::Workspace;

  LSSLEngine(const Parameters& parameters, Sampling sampling)
      : parameters_(checked(parameters)), rate_(sampling.rate), recurrence_(parameters.features(), parameters.states) {
    require_positive("rate", rate_);
    for (Index h = 0; h < features(); ++h) discretize_feature(h);
  }
  LSSLEngine(const Parameters& parameters, const LSSLEngine& before)
      : parameters_(checked(parameters)), rate_(before.rate_), recurrence_(parameters.features(), parameters.states) {
    for (Index h = 0; h < features(); ++h)
      if (same_dynamics(h, before))
        recurrence_.set(h, before.recurrence_, parameters_.C.row(h), static_cast<double>(parameters_.D(h)));
      else
        discretize_feature(h);
  }

  Index features() const noexcept { return parameters_.features(); }
  Index states() const noexcept { return recurrence_.states(); }
  double rate() const noexcept { return rate_; }
  const Parameters& parameters() const noexcept { return parameters_; }

  /// Returns whether feature h has the A, B, dt and discretization of another layer's, to the bit.
  bool same_dynamics(Index h, const LSSLEngine& other) const noexcept {
    const auto& a = parameters_;
    const auto& b = other.parameters_;
    const auto same = [](const T* left, const T* right, Index count) { return std::equal(left, left + count, right); };
    return a.features() == b.features() && a.states == b.states && a.discretization == b.discretization &&
           rate_ == other.rate_ && a.log_dt(h) == b.log_dt(h) && same(&a.B(h, 0), &b.B(h, 0), a.states) &&
           same(&a.A(h, 0, 0), &b.A(h, 0, 0), a.states * a.states);
  }
  /// Feature h, discrete.
  DiscreteDenseSystem<double> discrete(Index h) const { return recurrence_.system(h); }

  State rest() const { return {features(), states()}; }
  void check(const State& state) const { state.check(features(), states()); }
  Array<X> numbers(const State& state) const { return state.x; }
  void recur(Index first, ConstSequence<T> u, Sequence<T> y, State& state) const noexcept {
    for (Index h = 0; h < u.features(); ++h) recur_reference(first + h, u.column(h), y.column(h), state);
  }
  void recur_reference(Index h, ConstSequence<T> u, Sequence<T> y, State& state) const noexcept {
    recurrence_(h, u, y, state);
  }
  Vector<double> kernel(Index h, Index length) const { return kernel::krylov_by_squaring(discrete(h), length); }
  template <Real U>
  kernel::StateResponse<U> state_response(Index h, Index block) const {
    return {discrete(h), block};
  }
  Index jump_entries() const noexcept { return states() * states(); }
  void real_state(Index h, const State& state, std::span<double> x) const {
    for (Index n = 0; n < states(); ++n)
      x[static_cast<std::size_t>(n)] = static_cast<double>(state.x(h, n)) + static_cast<double>(state.low(h, n));
  }
  void set_real_state(Index h, std::span<const double> x, State& state) const {
    for (Index n = 0; n < states(); ++n) {
      const double value = x[static_cast<std::size_t>(n)];
      state.x(h, n) = static_cast<X>(value);
      state.low(h, n) = static_cast<X>(value - static_cast<double>(state.x(h, n)));
    }
  }
  StepWork work_per_step() const noexcept {
    const auto H = static_cast<double>(features()), size = static_cast<double>(states());
    return {.features = H, .rows = H * size, .entries = H * size * size};
  }

  Index tile(Index length) const noexcept { return recurrence_.tile(length); }
  Cotangent cotangent() const { return {features(), states()}; }
  void backwards(ConstSequence<T> u, std::span<const Array<X>> starts, ConstSequence<T> dy, State* dstate,
                 Sequence<T> du, Cotangent& cotangent, Workspace& work) const {
    recurrence_.backwards(u, starts, dy, dstate, du, cotangent, work);
  }
  void parameters_vjp(const Cotangent& cotangent, Parameters& gradient) const {
    gradient.check_sizes();
    const Index size = states();
    for (Index h = 0; h < features(); ++h) {
      DiscreteDenseSystem<double> found{Matrix<double>(size, size), Matrix<double>(size, 1), Matrix<double>(1, size)};
      for (Index n = 0; n < size; ++n) {
        for (Index m = 0; m < size; ++m) found.A_bar(n, m) = cotangent.A_bar(h, n, m);
        found.B_bar(n, 0) = cotangent.B_bar(h, n);
        found.C(0, n) = cotangent.C(h, n);
      }
      DenseSystem<double> dsystem{Matrix<double>::Zero(size, size), Matrix<double>::Zero(size, 1),
                                  Matrix<double>::Zero(1, size)};
      const double dt = rate_ * std::exp(static_cast<double>(parameters_.log_dt(h)));
      double ddt = 0;
      discretize_vjp(parameters_.discretization, parameters_.system(h), dt, found, dsystem, ddt);
      for (Index n = 0; n < size; ++n) {
        for (Index m = 0; m < size; ++m) gradient.A(h, n, m) += static_cast<T>(dsystem.A(n, m));
        gradient.B(h, n) += static_cast<T>(dsystem.B(n, 0));
        gradient.C(h, n) += static_cast<T>(dsystem.C(0, n));
      }
      gradient.D(h) += static_cast<T>(cotangent.D(h));
      gradient.log_dt(h) += static_cast<T>(dt * ddt);
    }
  }

 private:
  static const Parameters& checked(const Parameters& parameters) {
    parameters.check();
    if constexpr (N != dynamic) require_size("states of the parameters", N, parameters.states);
    return parameters;
  }
  void discretize_feature(Index h) {
    const double dt = rate_ * std::exp(static_cast<double>(parameters_.log_dt(h)));
    recurrence_.set(h, discretize(parameters_.discretization, parameters_.system(h), dt),
                    static_cast<double>(parameters_.D(h)), dt);
  }

  Parameters parameters_;
  double rate_;
  DenseRecurrence<T, N, X> recurrence_;
};

}  // namespace detail

/// LSSL: H independent dense systems, one a feature: any A, any discretization. What the structured layers are measured
/// against.
///
///     x_k = A_bar x_{k-1} + B_bar u_k,   y_k = C x_k + D u_k
///
/// Gu et al. 2021, arXiv:2110.13985.
///
/// | mode          | time                                 | memory beyond u, y, state |
/// | recurrence    | O(H N^2 L)                           | none                      |
/// | convolution   | O(H (N^2 L + L log L + N^3 log L))   | O(N L + N^2)              |
///
/// Errors as S4's, for HiPPO matrices of N <= 64; where the terms C_n x_n cancel far below their sum of sizes, as in
/// HiPPO's own basis they may, relative to a third of that sum.
///
/// @tparam T   scalar of the data
/// @tparam N   states, where they are known at compile time
/// @tparam X   scalar of the state, where it is to be wider than T
template <Real T, Index N = dynamic, Real X = T>
class LSSL : public detail::Featurewise<detail::LSSLEngine<T, N, X>> {
  using Engine = detail::LSSLEngine<T, N, X>;
  using Base = detail::Featurewise<Engine>;

 public:
  /// Parameters that are initialised, trained and stored.
  using Parameters = LSSLParameters<T>;
  /// Sizes for `initial`.
  using Shape = LSSLShape;

  /// Discretizes.
  /// @param parameters   stored form, checked; they say how
  /// @param sampling     the rate multiplies every dt
  /// @throws             ShapeError, DomainError as Parameters::check; ShapeError if N is fixed and another;
  ///                     DomainError if a dt or the rate is not positive and finite
  /// @note               O(H N^3)
  explicit LSSL(const Parameters& parameters, Sampling sampling = {}) : Base(Engine(parameters, sampling)) {}
  /// Discretizes by another method, which is recorded in the layer's parameters.
  LSSL(Parameters parameters, DenseDiscretization method, Sampling sampling = {})
      : LSSL((parameters.discretization = method, parameters), sampling) {}
  /// Takes other parameters at the rate of a layer before. What was discretized for it is kept for every feature whose
  /// A, B, dt and discretization are the same.
  /// @throws   as above
  /// @note     O(H N^2) where all are kept
  LSSL(const Parameters& parameters, const LSSL& before) : Base(Engine(parameters, before.engine())) {}
};

}  // namespace ssm
