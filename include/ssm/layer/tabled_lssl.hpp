#pragma once

#include "ssm/layer/lssl.hpp"

#include <memory>

namespace ssm {

/// Parameters of a TabledLSSL, stored and trained: the arrays of an LSSL, and two settings.
template <Real T>
struct TabledLSSLParameters : LSSLParameters<T> {
  Index length = 1024;  ///< longest sequence that is convolved     steps, >= 1
  bool frozen = false;  ///< A, B and dt stay as they are: they get no gradient

  TabledLSSLParameters() = default;
  /// Takes the parameters of an LSSL.
  explicit TabledLSSLParameters(LSSLParameters<T> parameters) : LSSLParameters<T>(std::move(parameters)) {}

  /// Name of this kind of layer in files.
  static constexpr const char* kind = "TabledLSSL";
  /// Visits the settings stored beside the arrays: f(name, number).
  template <class Self, class F>
  static void each_setting(Self& self, F&& f) {
    f("length", self.length);
    f("frozen", self.frozen);
  }
  /// Visits all arrays in order: f(name, array, role). What is frozen is a statistic to an optimiser.
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    LSSLParameters<T>::each(self, [&](const char* name, auto& array, Role role) {
      f(name, array, self.frozen && role == Role::dynamics ? Role::statistic : role);
    });
  }

  /// @throws ShapeError, DomainError as an LSSL's; DomainError if the length is not at least 1
  void check() const {
    LSSLParameters<T>::check();
    detail::require_at_least("length", 1, length);
  }

  /// Initial values of an LSSL: of a measure, or RandomMatrix.
  /// @throws DomainError if a size or the range of dt is not positive
  template <class Initial>
  static TabledLSSLParameters initial(Initial initial, const LSSLShape& shape, Random& random) {
    return TabledLSSLParameters(LSSLParameters<T>::initial(initial, shape, random));
  }
};

/// An LSSL that is trained by convolution on short sequences, as its authors train it. The table of its kernels,
///
///     X_h = [B_bar, A_bar B_bar, .., A_bar^(L-1) B_bar],     K_h = C_h X_h,     y = K_h * u + D_h u
///
/// is made once and kept from layer to layer while A, B and dt stay as they are (`frozen`, or by an optimiser that
/// leaves them alone): a step of the optimiser then costs N L multiplications a feature instead of N^2 L. Gu et al.
/// 2021, arXiv:2110.13985, section 4.
///
/// Sequences from rest of at most `length` steps are convolved term by term in T: their error is that of a sum of L
/// terms, at most L times T's rounding of the sum of their sizes. Longer ones, those from another state, and `step` are
/// LSSL's.
///
/// | from rest      | time          | memory                       |
/// | forward        | O(H L^2)      | O(H N L), the layer's table  |
/// | forward_vjp    | O(H L^2)      |                              |
/// | parameters_vjp | O(H N L), and O(H (N^2 L + N^3)) unless frozen |
template <Real T>
class TabledLSSL {
  using Dense = LSSL<T>;

 public:
  /// Scalar type of inputs and outputs.
  using Scalar = T;
  /// Parameters that are initialised, trained and stored.
  using Parameters = TabledLSSLParameters<T>;
  /// Sizes for `initial`.
  using Shape = LSSLShape;
  /// State that the caller owns between calls.
  using State = typename Dense::State;

  /// Discretizes as the parameters say, and makes the table.
  /// @throws ShapeError, DomainError as LSSL
  explicit TabledLSSL(const Parameters& parameters, Sampling sampling = {})
      : parameters_((parameters.check(), parameters)), dense_(parameters_, sampling) {
    make_response();
  }
  /// Other parameters at the rate of a layer before, whose table is kept where A, B, dt, the discretization and the
  /// length are what they were.
  /// @throws ShapeError, DomainError as LSSL
  TabledLSSL(const Parameters& parameters, const TabledLSSL& before)
      : parameters_((parameters.check(), parameters)), dense_(parameters_, before.dense_) {
    bool same = parameters_.length == before.parameters_.length && features() == before.features();
    for (Index h = 0; h < features() && same; ++h) same = dense_.engine().same_dynamics(h, before.dense_.engine());
    if (same) table_ = before.table_;
    make_response();
  }

  /// H
  Index features() const noexcept { return dense_.features(); }
  /// N
  Index states() const noexcept { return dense_.states(); }
  /// Ratio of sampling intervals: every time step is multiplied by it.
  double rate() const noexcept { return dense_.rate(); }
  /// Parameters as they were given.
  const Parameters& parameters() const noexcept { return parameters_; }
  /// Returns whether both layers share one table.
  bool shares_table(const TabledLSSL& other) const noexcept { return table_ == other.table_; }

  /// The state before the first step: rest.
  State initial_state() const { return dense_.initial_state(); }
  /// Computes one time step. Neither throws nor allocates; sizes are asserted.
  void step(std::span<const T> u_k, std::span<T> y_k, State& state) const noexcept { dense_.step(u_k, y_k, state); }
  /// y for u = 1, 0, 0, .. from rest, the direct term included.     (length, H)
  /// @throws DomainError if the length is negative
  Array<T> impulse_response(Index length) const { return dense_.impulse_response(length); }

  /// A sequence from a state, leaving the state behind its last step.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)     may be u
  /// @param state   before step 0, becomes that after step L-1
  /// @throws        ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y, State& state) const {
    dense_.engine().check(state);
    if (!is_convolved(u) || !(state == initial_state())) return dense_.forward(u, y, state);
    detail::require_same_shape<T>(u, y, features());
    const Index L = u.length();
    Vector<double> x(states());
    for (Index h = 0; h < features() && L > 0; ++h) {
      x.setZero();
      for (Index k = 0; k < L; ++k) x += static_cast<double>(u(k, h)) * (*table_)[at(h)].col(L - 1 - k);
      dense_.engine().set_real_state(h, {x.data(), at(states())}, state);
    }
    convolve(u, y);
  }
  /// A sequence from rest whose final state is not used, which saves reading the table.
  /// @param u   input            (L, H)
  /// @param y   output           (L, H)     may be u
  /// @throws    ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y) const {
    detail::require_same_shape<T>(u, y, features());
    if (is_convolved(u)) return convolve(u, y);
    auto state = initial_state();
    dense_.forward(u, y, state);
  }

  /// Derivatives by the impulse response, and by an LSSL's discrete numbers where a sequence was not convolved.
  struct Cotangent {
    Array<double> response;                          ///< (length, H), the direct term included
    std::optional<typename Dense::Cotangent> dense;  ///< of sequences that were not convolved

    /// Adds the cotangent of other sequences.
    Cotangent& operator+=(const Cotangent& other) {
      detail::add(response, other.response);
      if (other.dense && dense)
        *dense += *other.dense;
      else if (other.dense)
        dense = other.dense;
      return *this;
    }
  };
  /// Returns a zero cotangent, ready to accumulate sequences.
  Cotangent cotangent() const { return {Array<double>(parameters_.length, features()), {}}; }

  /// Computes the derivatives of a sequence from rest whose final state is not used; see TrainableSSMLayer.
  /// @throws ShapeError if the sizes disagree
  void forward_vjp(ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du, Cotangent& cotangent) const {
    if (!is_convolved(u)) return dense_.forward_vjp(u, dy, du, of_dense(cotangent));
    detail::require_same_shape<T>(u, dy, features());
    detail::require_same_shape<T>(u, du, features());
    const Index L = u.length(), H = features();
    std::vector<T> sum(at(H));
    for (Index l = 0; l < L; ++l) {
      sum_of_products(&dy(l, 0), dy.stride(), &u(0, 0), u.stride(), L - l, sum.data());
      for (Index h = 0; h < H; ++h) cotangent.response(l, h) += static_cast<double>(sum[at(h)]);
    }
    for (Index j = 0; j < L; ++j) {
      sum_of_products(&response_(0, 0), H, &dy(j, 0), dy.stride(), L - j, sum.data());
      for (Index h = 0; h < H; ++h) du(j, h) += sum[at(h)];
    }
  }
  /// Computes the derivatives of a sequence from a state, as LSSL does.
  /// @throws ShapeError if the sizes disagree
  void forward_vjp(ConstSequence<T> u, const State& before, ConstSequence<T> dy, State& dstate, Sequence<T> du,
                   Cotangent& cotangent) const {
    dense_.forward_vjp(u, before, dy, dstate, du, of_dense(cotangent));
  }
  /// Adds to the gradient of every stored number what the cotangent makes of it; to none of A, B and log_dt where they
  /// are frozen.
  /// @throws ShapeError if the gradient has other sizes
  void parameters_vjp(const Cotangent& cotangent, Parameters& gradient) const {
    gradient.check_sizes();
    if (parameters_.frozen) {
      for (Index h = 0; h < features(); ++h) {
        for (Index n = 0; n < states(); ++n) {
          double sum = cotangent.dense ? cotangent.dense->C(h, n) : 0;
          for (Index k = 0; k < parameters_.length; ++k) sum += (*table_)[at(h)](n, k) * cotangent.response(k, h);
          gradient.C(h, n) += static_cast<T>(sum);
        }
        gradient.D(h) += static_cast<T>(cotangent.response(0, h) + (cotangent.dense ? cotangent.dense->D(h) : 0.0));
      }
      return;
    }
    // The response is what the dense layer answers to an impulse.
    Array<T> u(parameters_.length, features()), dy(parameters_.length, features()), du = u;
    std::fill_n(&u(0, 0), features(), T(1));
    std::transform(cotangent.response.begin(), cotangent.response.end(), dy.begin(),
                   [](double each) { return static_cast<T>(each); });
    auto all = cotangent.dense ? *cotangent.dense : dense_.cotangent();
    const Index L = parameters_.length, H = features();
    dense_.forward_vjp(ConstSequence<T>(u.data(), L, H), ConstSequence<T>(dy.data(), L, H),
                       Sequence<T>(du.data(), L, H), all);
    dense_.parameters_vjp(all, gradient);
  }

 private:
  using Table = std::vector<Matrix<double>>;  // X of every feature: (H) of (N, length)
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  bool is_convolved(ConstSequence<T> u) const noexcept { return u.length() <= parameters_.length; }
  typename Dense::Cotangent& of_dense(Cotangent& cotangent) const {
    if (!cotangent.dense) cotangent.dense = dense_.cotangent();
    return *cotangent.dense;
  }
  /// Backwards in time, as y may be u.
  void convolve(ConstSequence<T> u, Sequence<T> y) const {
    for (Index k = u.length() - 1; k >= 0; --k)
      sum_of_products(&response_(0, 0), features(), &u(k, 0), -u.stride(), k + 1, &y(k, 0));
  }
  /// sum_h = a(0, h) b(0, h) + .. + a(count - 1, h) b(count - 1, h), rows being so far apart.
  /// @param sum   may be where b begins
  void sum_of_products(const T* a, Index a_row, const T* b, Index b_row, Index count, T* sum) const noexcept {
    constexpr Index together = 16;
    const Index H = features();
    for (Index first = 0; first < H; first += together) {
      std::array<T, together> part{};
      if (H - first >= together)
        for (Index i = 0; i < count; ++i)
          for (Index h = 0; h < together; ++h) part[at(h)] += a[i * a_row + first + h] * b[i * b_row + first + h];
      else
        for (Index i = 0; i < count; ++i)
          for (Index h = 0; h < H - first; ++h) part[at(h)] += a[i * a_row + first + h] * b[i * b_row + first + h];
      std::copy_n(part.begin(), std::min(together, H - first), sum + first);
    }
  }
  void make_table() {
    auto table = std::make_shared<Table>();
    for (Index h = 0; h < features(); ++h)
      table->push_back(kernel::krylov_table(dense_.engine().discrete(h), parameters_.length));
    table_ = std::move(table);
  }
  void make_response() {
    if (!table_) make_table();
    response_ = Array<T>(parameters_.length, features());
    Vector<double> C(states()), K(parameters_.length);
    for (Index h = 0; h < features(); ++h) {
      for (Index n = 0; n < states(); ++n) C(n) = static_cast<double>(parameters_.C(h, n));
      for (Index k = 0; k < parameters_.length; ++k)
        K(k) = simd::dot(C.data(), (*table_)[at(h)].col(k).data(), states());
      K(0) += static_cast<double>(parameters_.D(h));
      for (Index k = 0; k < parameters_.length; ++k) response_(k, h) = static_cast<T>(K(k));
    }
  }

  Parameters parameters_;
  Dense dense_;
  std::shared_ptr<const Table> table_;
  Array<T> response_;  // (length, H), the direct term included
};

}  // namespace ssm
