#pragma once

#include "ssm/core/array.hpp"
#include "ssm/core/executor.hpp"
#include "ssm/scan/affine.hpp"
#include "ssm/scan/sequential.hpp"

namespace ssm::scan {

/// Steps that one task takes. It does not depend on the number of threads, so that the result does not either.
inline constexpr Index parallel_block = 256;

/// The same as `sequential`, by blocks of time over the caller's threads.
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
  Array<Affine<Complex<X>>> composite(blocks, S);

  executor.run(blocks - 1, [&](Index j, Index) {
    for (Index k = j * parallel_block; k < (j + 1) * parallel_block; ++k)
      for (Index s = 0; s < S; ++s) {
        auto& whole = composite(j, s);
        const Index d = varies ? k : 0;
        const X a = Delta.re(d, s), b = Delta.im(d, s), re = whole.b.real(), im = whole.b.imag();
        whole.b = {re + (a * re - b * im + static_cast<X>(v.re(k, s))),
                   im + (a * im + b * re + static_cast<X>(v.im(k, s)))};
        if (varies) {
          const X p = whole.Delta.real(), q = whole.Delta.imag();
          whole.Delta = {p + (a + (a * p - b * q)), q + (b + (a * q + b * p))};
        }
      }
    if (!varies)
      for (Index s = 0; s < S; ++s)
        composite(j, s).Delta = power(Affine<Complex<X>>{{Delta.re(0, s), Delta.im(0, s)}, 0}, parallel_block).Delta;
  });

  for (Index s = 0; s < S; ++s) {  // composite(j) becomes the state before block j
    Complex<X> x{state.re(0, s), state.im(0, s)};
    for (Index j = 0; j < blocks; ++j) {
      const Complex<X> next = composite(j, s)(x);
      composite(j, s).b = x;
      x = next;
    }
  }

  executor.run(blocks, [&](Index j, Index) {
    const Index first = j * parallel_block, count = std::min(parallel_block, L - first);
    Array<X> x(2, S);
    for (Index s = 0; s < S; ++s) {
      x(0, s) = composite(j, s).b.real();
      x(1, s) = composite(j, s).b.imag();
    }
    const Split<X> own{{x.row(0).data(), 1, S}, {x.row(1).data(), 1, S}};
    sequential<T, X>(varies ? Delta.block(first, count) : Delta, v.block(first, count), own);
    if (j == blocks - 1)
      for (Index s = 0; s < S; ++s) {
        state.re(0, s) = x(0, s);
        state.im(0, s) = x(1, s);
      }
  });
}

}  // namespace ssm::scan
