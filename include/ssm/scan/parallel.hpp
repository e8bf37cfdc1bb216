#pragma once

#include "ssm/core/array.hpp"
#include "ssm/core/executor.hpp"
#include "ssm/scan/affine.hpp"
#include "ssm/scan/sequential.hpp"

namespace ssm::scan {

namespace detail {

/// b = b + Delta b + v for S channels; with v = Delta = a step's own, the composite's Delta.
template <class T, class X>
void compose(Index channels, const X* Delta_re, const X* Delta_im, const T* v_re, const T* v_im, X* b_re,
             X* b_im) noexcept {
  for (Index s = 0; s < channels; ++s) {
    const X re = b_re[s], im = b_im[s], p = Delta_re[s], q = Delta_im[s];
    b_re[s] = re + (p * re - q * im + static_cast<X>(v_re[s]));
    b_im[s] = im + (p * im + q * re + static_cast<X>(v_im[s]));
  }
}

}  // namespace detail

/// Steps that one task takes. It does not depend on the number of threads, so that the result does not either.
inline constexpr Index parallel_block = 256;

/// Computes the same as `sequential`, by blocks of time over the caller's threads.
///
///     1. each block but the last, from rest: its composite step (Delta, b)     in parallel
///     2. the state before each block, one block after the other
///     3. each block again, from its own state                                  in parallel
///
/// Blelloch 1990; the association of sums is that of the blocks, so results are the same bits for every number of
/// threads and differ from `sequential` by rounding.
///
/// @param Delta      a - 1             (L, S), or (1, S) where it does not vary
/// @param v          driven by         (L, S), becomes x
/// @param state      x_{-1}            (1, S), becomes x_{L-1}
/// @param executor   the caller's threads
/// @throws           ShapeError if the sizes disagree
/// @note             O(L S) twice over; L/256 S numbers of memory
template <class T, class X>
void parallel(ConstSplit<X> Delta, Split<T> v, Split<X> state, Executor& executor) {
  detail::require_scan<T, X>(Delta, v, state);
  const Index L = v.length(), S = v.channels(), blocks = (L + parallel_block - 1) / parallel_block;
  if (blocks <= 1) return sequential<T, X>(Delta, v, state);
  const bool varies = Delta.length() != 1;
  // rows Delta_re, Delta_im, b_re, b_im of each block's composite step; then b is the state before the block
  Array<X> composite(blocks, 4, S);
  const auto part = [&](Index block, Index which) { return &composite(block, which); };

  executor.run(blocks - 1, [&](Index j, Index) {
    for (Index k = j * parallel_block; k < (j + 1) * parallel_block; ++k) {
      const Index d = varies ? k : 0;
      if (varies)
        detail::compose(S, Delta.re.row(d).data(), Delta.im.row(d).data(), Delta.re.row(d).data(),
                        Delta.im.row(d).data(), part(j, 0), part(j, 1));
      detail::compose(S, Delta.re.row(d).data(), Delta.im.row(d).data(), v.re.row(k).data(), v.im.row(k).data(),
                      part(j, 2), part(j, 3));
    }
  });
  for (Index s = 0; s < S && !varies; ++s) {
    const auto block = power(Affine<Complex<X>>{{Delta.re(0, s), Delta.im(0, s)}, 0}, parallel_block).Delta;
    for (Index j = 0; j < blocks; ++j) {
      *(part(j, 0) + s) = block.real();
      *(part(j, 1) + s) = block.imag();
    }
  }

  for (Index s = 0; s < S; ++s) {
    Complex<X> x{state.re(0, s), state.im(0, s)};
    for (Index j = 0; j < blocks; ++j) {
      X& re = *(part(j, 2) + s);
      X& im = *(part(j, 3) + s);
      const Affine<Complex<X>> whole{{*(part(j, 0) + s), *(part(j, 1) + s)}, {re, im}};
      re = x.real();
      im = x.imag();
      x = whole(x);
    }
  }

  executor.run(blocks, [&](Index j, Index) {
    const Index first = j * parallel_block, count = std::min(parallel_block, L - first);
    const Split<X> own{{part(j, 2), 1, S}, {part(j, 3), 1, S}};
    sequential<T, X>(varies ? Delta.block(first, count) : Delta, v.block(first, count), own);
  });
  std::copy_n(part(blocks - 1, 2), S, state.re.data());
  std::copy_n(part(blocks - 1, 3), S, state.im.data());
}

}  // namespace ssm::scan
