#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/core/settle.hpp"

#include <algorithm>
#include <array>

namespace ssm::scan {

/// Complex numbers over time as two real sequences, (length, channels) each.
template <class T>
struct SplitView {
  /// Real parts.
  SequenceView<T> re;
  /// Imaginary parts.
  SequenceView<T> im;

  /// @throws ShapeError unless both have one shape
  SplitView(SequenceView<T> real, SequenceView<T> imaginary) : re(real), im(imaginary) {
    ssm::detail::require_size("length of the imaginary parts", re.length(), im.length());
    ssm::detail::require_size("channels of the imaginary parts", re.features(), im.features());
  }
  /// @throws ShapeError unless both have one shape
  template <class U>
  requires std::same_as<const U, T> SplitView(const SplitView<U>& other) : re(other.re), im(other.im) {}

  /// Steps.
  Index length() const noexcept { return re.length(); }
  /// S
  Index channels() const noexcept { return re.features(); }
  /// Steps first .. first + count - 1.
  SplitView block(Index first, Index count) const { return {re.block(first, count), im.block(first, count)}; }
};
template <class T>
using Split = SplitView<T>;
template <class T>
using ConstSplit = SplitView<const T>;

namespace detail {

/// x = x + Delta x + v, v = x for some channels; `low` are the digits that did not fit into x.
template <class T, class X>
void advance(Index channels, const X* __restrict Delta_re, const X* __restrict Delta_im, T* __restrict v_re,
             T* __restrict v_im, X* __restrict x_re, X* __restrict x_im, X* __restrict low_re,
             X* __restrict low_im) noexcept {
  using ssm::detail::add_keeping_rest;
  for (Index s = 0; s < channels; ++s) {
    const X re = x_re[s], im = x_im[s];
    const X more_re = Delta_re[s] * re - Delta_im[s] * im + static_cast<X>(v_re[s]),
            more_im = Delta_re[s] * im + Delta_im[s] * re + static_cast<X>(v_im[s]);
    x_re[s] = add_keeping_rest(re, more_re + low_re[s], low_re[s]);
    x_im[s] = add_keeping_rest(im, more_im + low_im[s], low_im[s]);
    v_re[s] = static_cast<T>(x_re[s]);
    v_im[s] = static_cast<T>(x_im[s]);
  }
}

template <class T, class X>
void require_scan(ConstSplit<X> Delta, ConstSplit<T> v, ConstSplit<X> state) {
  ssm::detail::require_size("channels of Delta", v.channels(), Delta.channels());
  ssm::detail::require_size("channels of the state", v.channels(), state.channels());
  ssm::detail::require_size("length of the state", 1, state.length());
  if (Delta.length() != 1) ssm::detail::require_size("length of Delta (or 1)", v.length(), Delta.length());
}

}  // namespace detail

/// Diagonal recurrence over time, one step after the other, in place.
///
///     x_k = x_{k-1} + Delta_k x_{k-1} + v_k,          v becomes x,   a_k = 1 + Delta_k
///
/// @param Delta   a - 1             (L, S), or (1, S) where it does not vary
/// @param v       driven by         (L, S), becomes x
/// @param state   x_{-1}            (1, S), becomes x_{L-1}; its scalar may be wider than that of v
/// @throws        ShapeError if the sizes disagree
/// @note          O(L S), allocates nothing. Delta keeps digits that a = 1 - small would lose: see Affine. What does
///                not fit into x is kept beside it, so that a slow channel does not stall short of its limit.
template <class T, class X>
void sequential(ConstSplit<X> Delta, Split<T> v, Split<X> state) {
  detail::require_scan<T, X>(Delta, v, state);
  const bool varies = Delta.length() != 1;
  constexpr Index together = 256;  // channels whose lost digits are kept on the stack
  for (Index s = 0; s < v.channels(); s += together) {
    const Index count = std::min(together, v.channels() - s);
    std::array<X, std::size_t(together)> low_re{}, low_im{};
    for (Index k = 0; k < v.length(); ++k) {
      const Index d = varies ? k : 0;
      detail::advance(count, Delta.re.row(d).data() + s, Delta.im.row(d).data() + s, v.re.row(k).data() + s,
                      v.im.row(k).data() + s, state.re.data() + s, state.im.data() + s, low_re.data(), low_im.data());
    }
  }
}

/// The recurrence's vector-Jacobian product, from the last step to the first, in place.
///
///     lambda_k = dx_k + conj(a_{k+1}) lambda_{k+1},   dv_k = lambda_k,   dDelta_k = lambda_k conj(x_{k-1})
///
/// @param Delta    as `sequential` was given                         (L, S), or (1, S)
/// @param before   x_{-1}                                            (1, S)
/// @param x        what it made                                      (L, S)
/// @param dx       cotangent of x, becomes that of v                 (L, S)
/// @param dstate   cotangent of the state after the last step (besides x's own), becomes that of x_{-1}    (1, S)
/// @param dDelta   += cotangent of Delta                             (L, S), or (1, S)
/// @throws         ShapeError if the sizes disagree
/// @note           O(L S), allocates nothing
template <class T, class X>
void sequential_vjp(ConstSplit<X> Delta, ConstSplit<X> before, ConstSplit<T> x, Split<T> dx, Split<X> dstate,
                    Split<X> dDelta) {
  detail::require_scan<T, X>(Delta, x, before);
  detail::require_scan<T, X>(Delta, dx, dstate);
  ssm::detail::require_size("length of dx (that of x is expected)", x.length(), dx.length());
  ssm::detail::require_size("length of dDelta (that of Delta is expected)", Delta.length(), dDelta.length());
  ssm::detail::require_size("channels of dDelta", Delta.channels(), dDelta.channels());
  const bool varies = Delta.length() != 1;
  for (Index k = x.length() - 1; k >= 0; --k) {
    const Index d = varies ? k : 0;
    for (Index s = 0; s < x.channels(); ++s) {
      const X re = static_cast<X>(dx.re(k, s)) + dstate.re(0, s), im = static_cast<X>(dx.im(k, s)) + dstate.im(0, s);
      const X x_re = k > 0 ? static_cast<X>(x.re(k - 1, s)) : before.re(0, s),
              x_im = k > 0 ? static_cast<X>(x.im(k - 1, s)) : before.im(0, s);
      const X a = Delta.re(d, s), b = Delta.im(d, s);
      dDelta.re(d, s) += re * x_re + im * x_im;
      dDelta.im(d, s) += im * x_re - re * x_im;
      dstate.re(0, s) = ssm::detail::settle(re + (a * re + b * im));
      dstate.im(0, s) = ssm::detail::settle(im + (a * im - b * re));
      dx.re(k, s) = static_cast<T>(re);
      dx.im(k, s) = static_cast<T>(im);
    }
  }
}

}  // namespace ssm::scan
