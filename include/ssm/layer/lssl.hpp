#pragma once

#include "ssm/core/settle.hpp"
#include "ssm/discretize/dense.hpp"
#include "ssm/hippo/measure.hpp"
#include "ssm/kernel/krylov.hpp"
#include "ssm/layer/cost.hpp"
#include "ssm/layer/featurewise.hpp"
#include "ssm/layer/role.hpp"
#include "ssm/layer/state.hpp"
#include "ssm/simd/reduce.hpp"
#include "ssm/system/dplr.hpp"

#include <functional>

namespace ssm {

/// Sizes of an LSSL layer, and the range its time steps are drawn from.
struct LSSLShape {
  Index features;        ///< H                                  >= 1
  Index states = 64;     ///< N, of each feature's system        >= 1
  double dt_min = 1e-3;  ///< s
  double dt_max = 1e-1;  ///< s
};

/// The random initial value that LSSL's authors compare HiPPO's with: A = randn(N, N)/N, B = 1, the same A in every
/// feature. LSSL, arXiv:2110.13985, section 5.4, and its code.
struct RandomMatrix {};

/// What an LSSL layer stores and trains: H independent dense systems, one input and output each.
///
///     x' = A x + B u,   y = C x + D u,   dt = exp(log_dt)
///
/// Gu, Johnson, Goel, Saab, Dao, Rudra, Re 2021, arXiv:2110.13985.
template <Real T>
struct LSSLParameters {
  Array<T> A;       ///< transition            (H, N, N)     1/s
  Array<T> B;       ///< input                 (H, N)
  Array<T> C;       ///< output                (H, N)
  Array<T> D;       ///< direct term           (H)
  Array<T> log_dt;  ///< log of the time step  (H)           log s

  LSSLParameters() = default;
  /// Zeros of these sizes.
  LSSLParameters(Index features, Index states)
      : A(features, states, states), B(features, states), C(features, states), D(features), log_dt(features) {}

  /// What a file calls it.
  static constexpr const char* kind = "LSSL";
  /// What is stored beside the arrays: f(name, number).
  template <class Self, class F>
  static void each_setting(Self&, F&&) {}
  /// All arrays, in order: f(name, array, role).
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
  /// N (S5: P), as real numbers.
  Index states() const noexcept { return B.columns(); }

  /// The system of feature h, in fp64.
  DenseSystem<double> system(Index h) const {
    const Index N = states();
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
    detail::require_size("states of a system", states(), system.states());
    detail::require_size("inputs of a system", 1, system.B.cols());
    detail::require_size("outputs of a system", 1, system.C.rows());
    for (Index n = 0; n < states(); ++n) {
      for (Index m = 0; m < states(); ++m) A(h, n, m) = static_cast<T>(system.A(n, m));
      B(h, n) = static_cast<T>(system.B(n, 0));
      C(h, n) = static_cast<T>(system.C(0, n));
    }
  }

  /// @throws ShapeError if sizes disagree; DomainError if there is no feature or state
  void check_sizes() const {
    const Index H = features(), N = states();
    detail::require_at_least("features", 1, H);
    detail::require_at_least("states", 1, N);
    detail::require_shape("A", A, H, N, N);
    detail::require_shape("B", B, H, N);
    detail::require_shape("C", C, H, N);
    detail::require_shape("D", D, H);
    detail::require_shape("log_dt", log_dt, H);
  }
  /// @throws ShapeError if sizes disagree; DomainError if a number is not finite or there is no feature or state
  void check() const {
    check_sizes();
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

/// The same layer with dense real matrices, in fp64: of S4's or S4D's parameters.         O(H N^2)
template <class Parameters>
requires requires(const Parameters& parameters) { dense(parameters.system(0)); }
LSSLParameters<double> dense(const Parameters& parameters) {
  parameters.check();
  LSSLParameters<double> result(parameters.features(), parameters.states);
  for (Index h = 0; h < parameters.features(); ++h) {
    result.set(h, dense(parameters.system(h)));
    result.D(h) = static_cast<double>(parameters.D(h));
    result.log_dt(h) = static_cast<double>(parameters.log_dt(h));
  }
  return result;
}

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
/// Errors relative to the peak of the exact output as S4's, for HiPPO matrices of N <= 64.
///
/// @tparam T   scalar of the data
/// @tparam N   states, where they are known at compile time
/// @tparam X   scalar of the state, where it is to be wider than T
template <Real T, Index N = dynamic, Real X = T>
class LSSL : public detail::Featurewise<LSSL<T, N, X>, T, DenseState<X>> {
 public:
  /// What is initialised, trained and stored.
  using Parameters = LSSLParameters<T>;
  /// Sizes for `initial`.
  using Shape = LSSLShape;
  /// What the caller owns between calls.
  using State = DenseState<X>;

  /// Discretizes.
  /// @param parameters   stored form, checked
  /// @param method       Bilinear (the default), ZeroOrderHold, GeneralizedBilinear, ForwardEuler, BackwardEuler
  /// @param sampling     the rate multiplies every dt
  /// @throws             ShapeError, DomainError as Parameters::check; ShapeError if N is fixed and another;
  /// DomainError
  ///                     if a dt or the rate is not positive and finite
  /// @note               O(H N^3)
  template <DenseMethod Method>
  LSSL(const Parameters& parameters, Method method, Sampling sampling = {})
      : parameters_(parameters),
        rate_(sampling.rate),
        discretize_([method](const DenseSystem<double>& system, double dt) { return discretize(method, system, dt); }),
        discretize_vjp_([method](const DenseSystem<double>& system, double dt,
                                 const DiscreteDenseSystem<double>& discrete, DenseSystem<double>& dsystem,
                                 double& ddt) { discretize_vjp(method, system, dt, discrete, dsystem, ddt); }) {
    begin();
    detail::require_positive("rate", rate_);
    for (Index h = 0; h < features(); ++h) discretize_feature(h);
  }
  /// By the default method.
  explicit LSSL(const Parameters& parameters, Sampling sampling = {}) : LSSL(parameters, Bilinear{}, sampling) {}
  /// Other parameters by the method and at the rate of a layer before. Where A, B and dt of a feature are what they
  /// were, its discretization is kept.
  /// @throws   as above
  /// @note     O(H N^2) where all are kept
  LSSL(const Parameters& parameters, const LSSL& before)
      : parameters_(parameters),
        rate_(before.rate_),
        discretize_(before.discretize_),
        discretize_vjp_(before.discretize_vjp_) {
    begin();
    for (Index h = 0; h < features(); ++h)
      if (same_dynamics(h, before))
        keep_feature(h, before);
      else
        discretize_feature(h);
  }

  /// H
  Index features() const noexcept { return parameters_.features(); }
  /// N (S5: P), as real numbers.
  Index states() const noexcept { return N == dynamic ? parameters_.states() : N; }
  /// What multiplies every dt.
  double rate() const noexcept { return rate_; }
  /// As they were given.
  const Parameters& parameters() const noexcept { return parameters_; }

  /// The state before the first step: rest.
  State initial_state() const { return {features(), states()}; }

  /// Derivatives by the discrete numbers, in fp64: see TrainableSSMLayer.
  struct Cotangent {
    Array<double> A_bar;  ///< (H, N, N)
    Array<double> B_bar;  ///< (H, N)
    Array<double> C;      ///< (H, N)
    Array<double> D;      ///< (H)

    /// Of other sequences, added.
    Cotangent& operator+=(const Cotangent& other) {
      detail::add(A_bar, other.A_bar);
      detail::add(B_bar, other.B_bar);
      detail::add(C, other.C);
      detail::add(D, other.D);
      return *this;
    }
  };
  /// Of no sequence.
  Cotangent cotangent() const {
    return {Array<double>(features(), states(), states()), Array<double>(features(), states()),
            Array<double>(features(), states()), Array<double>(features())};
  }
  /// Adds to the gradient of every stored number what the cotangent of the discrete ones makes of it.
  /// @throws ShapeError if the gradient has other sizes
  /// @note   O(H N^3)
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
      discretize_vjp_(parameters_.system(h), dt, found, dsystem, ddt);
      for (Index n = 0; n < size; ++n) {
        for (Index m = 0; m < size; ++m) gradient.A(h, n, m) += static_cast<T>(dsystem.A(n, m));
        gradient.B(h, n) += static_cast<T>(dsystem.B(n, 0));
        gradient.C(h, n) += static_cast<T>(dsystem.C(0, n));
      }
      gradient.D(h) += static_cast<T>(cotangent.D(h));
      gradient.log_dt(h) += static_cast<T>(dt * ddt);
    }
  }

  /// What runs the states; see detail::Featurewise. @{
  /// Whether feature h has A, B and dt of another layer's, to the bit.
  bool same_dynamics(Index h, const LSSL& other) const noexcept {
    const auto& a = parameters_;
    const auto& b = other.parameters_;
    const auto same = [](const T* left, const T* right, Index count) { return std::equal(left, left + count, right); };
    return a.features() == b.features() && a.states() == b.states() && rate_ == other.rate_ &&
           a.log_dt(h) == b.log_dt(h) && same(&a.B(h, 0), &b.B(h, 0), a.states()) &&
           same(&a.A(h, 0, 0), &b.A(h, 0, 0), a.states() * a.states());
  }
  /// Feature h, discrete.
  DiscreteDenseSystem<double> discrete(Index h) const {
    const Index size = states();
    DiscreteDenseSystem<double> system{Matrix<double>(size, size), Matrix<double>(size, 1), Matrix<double>(1, size)};
    for (Index n = 0; n < size; ++n) {
      for (Index m = 0; m < size; ++m) system.A_bar(n, m) = A_bar_(h, n, m);
      system.B_bar(n, 0) = B_bar_(h, n);
      system.C(0, n) = static_cast<double>(parameters_.C(h, n));
    }
    return system;
  }
  void check(const State& state) const {
    detail::require_shape("state", state.x, features(), states());
    detail::require_shape("state's low digits", state.low, features(), states());
    detail::require_shape("state's workspace", state.next, features(), states());
  }
  /// x of all features.
  Array<X> numbers(const State& state) const { return state.x; }
  /// Steps of a tile on the way back.
  Index tile(Index length) const noexcept { return std::clamp<Index>(length, 1, 1024); }
  /// In fp64: the states of one feature over a tile are kept.
  void backwards(ConstSequence<T> u, std::span<const Array<X>> starts, ConstSequence<T> dy, State* dstate,
                 Sequence<T> du, Cotangent& cotangent) const {
    const Index size = states(), L = u.length(), steps = tile(L), tiles = (L + steps - 1) / steps;
    Matrix<double> start(size, std::max<Index>(tiles, 1)), x(size, steps + 1), lambda(size, steps);
    Vector<double> carried(size), u_tile(steps), dy_tile(steps);
    for (Index h = 0; h < features(); ++h) {
      const DiscreteDenseSystem<double> system = discrete(h);
      const auto B = system.B_bar.col(0);
      const auto run = [&](Index from, Index count, const auto& first) {
        x.col(0) = first;
        for (Index k = 0; k < count; ++k) {
          u_tile(k) = static_cast<double>(u(from + k, h));
          x.col(k + 1).noalias() = system.A_bar * x.col(k);
          x.col(k + 1) += B * u_tile(k);
        }
      };
      for (Index n = 0; n < size; ++n) {
        start(n, 0) = 0;
        for (Index i = 0; i < std::ssize(starts); ++i)
          start(n, i) = static_cast<double>(starts[static_cast<std::size_t>(i)](h, n));
        carried(n) = dstate == nullptr ? 0.0 : static_cast<double>(dstate->x(h, n));
      }
      for (Index i = 0; i + 1 < tiles && std::ssize(starts) < tiles; ++i) {
        run(i * steps, steps, start.col(i));
        start.col(i + 1) = x.col(steps);
      }
      Matrix<double> dA_bar = Matrix<double>::Zero(size, size);
      Vector<double> dB = Vector<double>::Zero(size), dC = dB;
      for (Index i = tiles - 1; i >= 0; --i) {
        const Index from = i * steps, count = std::min(steps, L - from);
        run(from, count, start.col(i));
        for (Index k = count - 1; k >= 0; --k) {
          dy_tile(k) = static_cast<double>(dy(from + k, h));
          lambda.col(k) = carried + dy_tile(k) * system.C.row(0).transpose();
          carried.noalias() = system.A_bar.transpose() * lambda.col(k);
          const double direct = static_cast<double>(parameters_.D(h)) * dy_tile(k);
          du(from + k, h) += static_cast<T>(direct + simd::dot(B.data(), &lambda(0, k), size));
        }
        dA_bar.noalias() += lambda.leftCols(count) * x.leftCols(count).transpose();
        dB.noalias() += lambda.leftCols(count) * u_tile.head(count);
        dC.noalias() += x.middleCols(1, count) * dy_tile.head(count);
        cotangent.D(h) += simd::dot(dy_tile.data(), u_tile.data(), count);
      }
      for (Index n = 0; n < size; ++n) {
        for (Index m = 0; m < size; ++m) cotangent.A_bar(h, n, m) += dA_bar(n, m);
        cotangent.B_bar(h, n) += dB(n);
        cotangent.C(h, n) += dC(n);
        if (dstate != nullptr) {
          dstate->x(h, n) = static_cast<X>(carried(n));
          dstate->low(h, n) = 0;
        }
      }
    }
  }
  /// Feature h, step after step.
  void recur(Index first, ConstSequence<T> u, Sequence<T> y, State& state) const noexcept {
    for (Index h = 0; h < u.features(); ++h) recur_reference(first + h, u.column(h), y.column(h), state);
  }
  void recur_reference(Index h, ConstSequence<T> u, Sequence<T> y, State& state) const noexcept {
    const Index size = states();
    X* const x = state.x.row(h).data();
    X *const low = state.low.row(h).data(), *const next = state.next.row(h).data();
    const X D = static_cast<X>(parameters_.D(h));
    for (Index k = 0; k < u.length(); ++k) {
      const X input = static_cast<X>(u(k, 0));
      for (Index n = 0; n < size; ++n) {
        const X* const row = &step_(h, n);
        next[n] = detail::add_keeping_rest(x[n], simd::dot(row, x, size) + row[size] * input + low[n], low[n]);
      }
      X output = D * input;
      for (Index n = 0; n < size; ++n) {
        x[n] = next[n];
        output += step_(h, n, size + 1) * next[n];
      }
      y(k, 0) = static_cast<T>(output);
    }
  }
  /// Impulse response of feature h, without D.
  Vector<double> kernel(Index h, Index length) const { return kernel::krylov_by_squaring(discrete(h), length); }
  /// What joins a convolution to the states at its ends.
  template <Real U>
  kernel::StateResponse<U> state_response(Index h, Index block) const {
    return {discrete(h), block};
  }
  /// Entries of what moves the state over a block of time.
  Index jump_entries() const noexcept { return states() * states(); }
  /// The state of feature h as N real numbers.
  void real_state(Index h, const State& state, std::span<double> x) const {
    for (Index n = 0; n < states(); ++n)
      x[static_cast<std::size_t>(n)] = static_cast<double>(state.x(h, n)) + static_cast<double>(state.low(h, n));
  }
  /// And back.
  void set_real_state(Index h, std::span<const double> x, State& state) const {
    for (Index n = 0; n < states(); ++n) {
      const double value = x[static_cast<std::size_t>(n)];
      state.x(h, n) = static_cast<X>(value);
      state.low(h, n) = static_cast<X>(value - static_cast<double>(state.x(h, n)));
    }
  }
  /// What the planner takes a step of all features to cost.
  double ns_per_step(const cost::Table& table) const noexcept {
    const auto size = static_cast<double>(states());
    return static_cast<double>(features()) * (table.feature_step + size * (table.row_step + table.dense_step * size));
  }
  /// @}

 private:
  void begin() {
    parameters_.check();
    if constexpr (N != dynamic) detail::require_size("states of the parameters", N, parameters_.states());
    A_bar_ = Array<double>(features(), states(), states());
    B_bar_ = Array<double>(features(), states());
    step_ = Array<X>(features(), states(), states() + 2);
  }
  void discretize_feature(Index h) {
    const Index size = states();
    const double dt = rate_ * std::exp(static_cast<double>(parameters_.log_dt(h)));
    const auto system = discretize_(parameters_.system(h), dt);
    for (Index n = 0; n < size; ++n) {
      for (Index m = 0; m < size; ++m) {
        A_bar_(h, n, m) = system.A_bar(n, m);
        step_(h, n, m) = static_cast<X>(system.A_bar(n, m) - (n == m ? 1 : 0));
      }
      B_bar_(h, n) = system.B_bar(n, 0);
      step_(h, n, size) = static_cast<X>(system.B_bar(n, 0));
      step_(h, n, size + 1) = static_cast<X>(parameters_.C(h, n));
      for (Index m = 0; m < size + 2; ++m)
        if (!std::isfinite(step_(h, n, m)))
          throw DomainError(detail::message("feature ", h, ": expected a step of finite numbers, got ", step_(h, n, m),
                                            " in row ", n, ", dt being ", dt));
    }
  }
  void keep_feature(Index h, const LSSL& before) {
    const Index size = states();
    std::copy_n(&before.A_bar_(h, 0, 0), size * size, &A_bar_(h, 0, 0));
    std::copy_n(&before.B_bar_(h, 0), size, &B_bar_(h, 0));
    std::copy_n(&before.step_(h, 0, 0), size * (size + 2), &step_(h, 0, 0));
    for (Index n = 0; n < size; ++n) step_(h, n, size + 1) = static_cast<X>(parameters_.C(h, n));
  }

  Parameters parameters_;
  double rate_;
  std::function<DiscreteDenseSystem<double>(const DenseSystem<double>&, double)> discretize_;  // the method's
  std::function<void(const DenseSystem<double>&, double, const DiscreteDenseSystem<double>&, DenseSystem<double>&,
                     double&)>
      discretize_vjp_;   // the method's
  Array<double> A_bar_;  // (H, N, N)
  Array<double> B_bar_;  // (H, N)
  Array<X> step_;        // (H, N, N + 2): row n of A_bar - I, then B_bar_n and C_n
};

}  // namespace ssm
