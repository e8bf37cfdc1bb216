#pragma once

#include "ssm/conv/causal.hpp"
#include "ssm/kernel/generating_function.hpp"
#include "ssm/kernel/state_response.hpp"
#include "ssm/layer/concept.hpp"
#include "ssm/layer/mode.hpp"
#include "ssm/layer/s4_parameters.hpp"

#include <array>
#include <cassert>

namespace ssm {

/// S4: H independent systems of diagonal plus low rank form, one a feature, discretized by the bilinear rule.
///
///     x_k = A_bar x_{k-1} + B_bar u_k,   y_k = 2 Re(C x_k) + D u_k            A_bar = I + diag(Delta) - P_bar Q_bar^T
///
/// Gu, Goel, Re 2022, arXiv:2111.00396. The recurrence costs O(H N R) a step in the caller's scalar; what prepares it,
/// and the kernel of the convolution, is fp64.
///
/// | mode          | time                                   | memory beyond u, y, state |
/// | recurrence    | O(H N R L)                             | none                      |
/// | convolution   | O(H (N R^2 L + L log L + N^3 log L))   | O(N^2 + L)                |
///
/// Errors relative to the peak of the exact output, dt in [1e-3, 1e-1], N <= 64, L <= 16,384: recurrence 1e-12 (fp64),
/// 5e-6 (fp32); convolution 1e-12, 1e-5.
template <std::floating_point T>
class S4 {
 public:
  using Scalar = T;
  using Parameters = S4Parameters<T>;
  using Shape = S4Shape;

  /// The state of all features, split into real and imaginary parts.
  struct State {
    Array<T> re;  ///< (H, M)
    Array<T> im;  ///< (H, M)

    friend bool operator==(const State&, const State&) = default;
  };

  /// Discretizes.
  /// @param parameters   stored form, checked
  /// @param sampling     the rate multiplies every dt
  /// @throws             ShapeError, DomainError as Parameters::check; DomainError if a dt or the rate is not positive
  /// and
  ///                     finite, or the rank is above max_rank
  /// @note               O(H N R^2)
  explicit S4(const Parameters& parameters, Sampling sampling = {}) : parameters_(parameters), rate_(sampling.rate) {
    parameters_.check();
    detail::require_positive("rate", rate_);
    if (rank() > max_rank)
      throw DomainError(detail::message("rank of P: expected at most ", max_rank, ", got ", rank()));
    coefficients_ = Array<T>(features(), fixed_rows + 4 * rank(), modes());
    for (Index h = 0; h < features(); ++h) store(h, discrete(h));
  }
  explicit S4(const Parameters& parameters, Bilinear, Sampling sampling = {}) : S4(parameters, sampling) {}
  /// There is no structured zero-order hold (or other form) of a diagonal plus low rank system: only Bilinear.
  template <class Method>
  requires(!std::convertible_to<Method, Sampling>) S4(const Parameters&, Method, Sampling = {})
  = delete;

  Index features() const noexcept { return parameters_.features(); }
  Index states() const noexcept { return parameters_.states; }
  Index rank() const noexcept { return parameters_.rank(); }
  double rate() const noexcept { return rate_; }
  const Parameters& parameters() const noexcept { return parameters_; }

  State initial_state() const { return {Array<T>(features(), modes()), Array<T>(features(), modes())}; }

  /// One time step. Neither throws nor allocates; sizes are asserted.         O(H N R)
  void step(std::span<const T> u_k, std::span<T> y_k, State& state) const noexcept {
    assert(static_cast<Index>(u_k.size()) == features() && static_cast<Index>(y_k.size()) == features());
    assert(state.re.rows() == features() && state.re.columns() == modes());
    recur({u_k.data(), 1, features()}, {y_k.data(), 1, features()}, state);
  }

  /// A sequence from a state, leaving the state behind its last step. The recurrence: without a kernel that is kept
  /// from call to call it is the cheapest mode at every length, and the only one that is causal to the last bit.
  /// @param u       input            (L, H)
  /// @param y       output           (L, H)     may be u
  /// @param state   before step 0, becomes that after step L-1
  /// @throws        ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y, State& state) const { forward(u, y, state, mode::recurrence{}); }

  void forward(ConstSequence<T> u, Sequence<T> y, State& state, mode::recurrence) const {
    check(u, y, state);
    recur(u, y, state);
  }

  template <fft::Backend<T> Backend>
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, mode::convolution<Backend>) const {
    check(u, y, state);
    const Index L = u.length();
    if (L == 0) return;
    conv::Causal<T, Backend> convolution(L, L);
    std::vector<double> input(static_cast<std::size_t>(L));
    for (Index h = 0; h < features(); ++h) {
      for (Index k = 0; k < L; ++k) input[static_cast<std::size_t>(k)] = static_cast<double>(u(k, h));
      const DiscreteDenseSystem<double> dense_system = dense(discrete(h));
      const Vector<double> before = real_state(h, state);
      const Vector<T> K = kernel<Backend>(h, L);
      convolution.set_kernel(K);
      convolution(u.column(h), y.column(h));
      const Vector<double> free = kernel::free_response(dense_system, before, L);
      const double D = static_cast<double>(parameters_.D(h));
      for (Index k = 0; k < L; ++k) y(k, h) += static_cast<T>(free(k) + D * input[static_cast<std::size_t>(k)]);
      set_state(h, kernel::driven_state<double>(dense_system, {std::span<const double>(input), 1}, before), state);
    }
  }

  /// What a convolution would use: y for u = 1, 0, 0, .., the direct term D included.    (length, H)
  /// @throws DomainError if the length is negative
  Array<T> impulse_response(Index length) const {
    detail::require_at_least("length of the impulse response", 0, length);
    Array<T> response(length, features());
    for (Index h = 0; h < features() && length > 0; ++h) {
      const Vector<T> K = kernel<fft::EigenBackend>(h, length);
      for (Index k = 0; k < length; ++k) response(k, h) = K(k);
      response(0, h) += parameters_.D(h);
    }
    return response;
  }

 private:
  enum Coefficient : Index {
    delta_re,
    delta_im,
    b_re,
    b_im,
    c_re,
    c_im,
    fixed_rows
  };  // then R rows each of p_re p_im q_re q_im

  Index modes() const noexcept { return modes_of(states()); }
  double dt(Index h) const { return rate_ * std::exp(static_cast<double>(parameters_.log_dt(h))); }
  const T* row(Index h, Index which) const noexcept { return &coefficients_(h, which); }

  DiscreteDplrSystem<double> discrete(Index h) const { return discretize(Bilinear{}, parameters_.system(h), dt(h)); }

  template <class Backend>
  Vector<T> kernel(Index h, Index length) const {
    return kernel::generating_function<double, Backend>(parameters_.system(h), dt(h), length).template cast<T>();
  }

  /// How often a mode counts in a sum over all of them goes into C and Q_bar.
  void store(Index h, const DiscreteDplrSystem<double>& system) {
    const Index R = rank();
    for (Index n = 0; n < modes(); ++n) {
      const auto count = static_cast<double>(multiplicity(n, states()));
      const auto put = [&](Index which, Complex<double> value, Index im_offset) {
        coefficients_(h, which, n) = static_cast<T>(value.real());
        coefficients_(h, which + im_offset, n) = static_cast<T>(value.imag());
      };
      put(delta_re, system.Delta(n), 1);
      put(b_re, system.B_bar(n), 1);
      put(c_re, count * system.C(n), 1);
      for (Index r = 0; r < R; ++r) {
        put(fixed_rows + r, system.P_bar(n, r), R);
        put(fixed_rows + 2 * R + r, count * system.Q_bar(n, r), R);
      }
    }
  }

  void recur(ConstSequence<T> u, Sequence<T> y, State& state) const noexcept {
    switch (rank()) {
      case 0:
        return recur<0>(u, y, state);
      case 1:
        return recur<1>(u, y, state);
      case 2:
        return recur<2>(u, y, state);
      default:
        return recur<-1>(u, y, state);
    }
  }

  template <int FixedRank>
  void recur(ConstSequence<T> u, Sequence<T> y, State& state) const noexcept {
    for (Index h = 0; h < features(); ++h) {
      T* const x_re = state.re.row(h).data();
      T* const x_im = state.im.row(h).data();
      const T D = parameters_.D(h);
      for (Index k = 0; k < u.length(); ++k) {
        const T input = u(k, h);
        y(k, h) = advance<FixedRank>(h, input, x_re, x_im) + D * input;
      }
    }
  }

  /// One step of one feature. What has decayed far below `floor` is rounded to a coarse grid by adding and taking away
  /// `floor`, so that silence does not end in subnormal numbers, which are slow.
  template <int FixedRank>
  T advance(Index h, T u, T* __restrict x_re, T* __restrict x_im) const noexcept {
    using Row = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;
    const Index M = modes(), R = FixedRank >= 0 ? FixedRank : rank();
    const auto sum = [&](const T* re, const T* im) {  // Re of a row times the state
      return (Row(re, M) * Row(x_re, M) - Row(im, M) * Row(x_im, M)).sum();
    };
    std::array<T, FixedRank >= 0 ? std::size_t(FixedRank) + 1 : std::size_t(max_rank)> s{};
    for (Index r = 0; r < R; ++r)
      s[static_cast<std::size_t>(r)] = sum(row(h, fixed_rows + 2 * R + r), row(h, fixed_rows + 3 * R + r));
    const T* const d_re = row(h, delta_re);
    const T* const d_im = row(h, delta_im);
    const T* const input_re = row(h, b_re);
    const T* const input_im = row(h, b_im);
    const T* const p_re = row(h, fixed_rows);
    const T* const p_im = p_re + R * M;
    for (Index n = 0; n < M; ++n) {
      const T re = x_re[n], im = x_im[n];
      T change_re = d_re[n] * re - d_im[n] * im + input_re[n] * u;
      T change_im = d_re[n] * im + d_im[n] * re + input_im[n] * u;
      for (Index r = 0; r < R; ++r) {
        change_re -= p_re[r * M + n] * s[static_cast<std::size_t>(r)];
        change_im -= p_im[r * M + n] * s[static_cast<std::size_t>(r)];
      }
      x_re[n] = (re + change_re + floor) - floor;
      x_im[n] = (im + change_im + floor) - floor;
    }
    return sum(row(h, c_re), row(h, c_im));
  }
  static constexpr T floor = sizeof(T) == 4 ? T(1e-27) : T(1e-280);

  void check(ConstSequence<T> u, ConstSequence<T> y, const State& state) const {
    detail::require_same_shape<T>(u, y, features());
    detail::require_shape("state", state.re, features(), modes());
    detail::require_shape("state", state.im, features(), modes());
  }

  /// State of feature h as (Re x, Im x), and back; see dense().
  Vector<double> real_state(Index h, const State& state) const {
    Vector<double> x(states());
    const Index odd = states() % 2;
    for (Index n = 0; n < modes(); ++n) {
      x(n) = static_cast<double>(state.re(h, n));
      if (n >= odd) x(modes() - odd + n) = static_cast<double>(state.im(h, n));
    }
    return x;
  }
  void set_state(Index h, const Vector<double>& x, State& state) const {
    const Index odd = states() % 2;
    for (Index n = 0; n < modes(); ++n) {
      state.re(h, n) = static_cast<T>(x(n));
      state.im(h, n) = n >= odd ? static_cast<T>(x(modes() - odd + n)) : T(0);
    }
  }

  Parameters parameters_;
  double rate_;
  Array<T> coefficients_;  // (H, 6 + 4R, M)
};

}  // namespace ssm
