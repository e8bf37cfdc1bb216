#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/nn/activation.hpp"

namespace ssm::nn {

/// Gated linear unit: y = a sigmoid(b), a the first half of x's features, b the second.
///
/// Dauphin, Fan, Auli, Grangier 2017, arXiv:1612.08083.
///
/// @param x   input     (L, 2 H)
/// @param y   output    (L, H)
/// @throws    ShapeError if the sizes disagree
template <Real T, class Arch = simd::native>
void glu(ConstSequence<T> x, Sequence<T> y) {
  const Index H = y.features();
  ssm::detail::require_size("features of a gated linear unit's input", 2 * H, x.features());
  ssm::detail::require_size("length of y (that of x is expected)", x.length(), y.length());
  for (Index k = 0; k < x.length(); ++k) {
    const T* const a = x.row(k).data();
    T* const to = y.row(k).data();
    detail::for_each_pack<T, Arch>(
        H, [&]<class Pack>(Index i) { (Pack::load(a + i) * Sigmoid::value(Pack::load(a + H + i))).store(to + i); });
  }
}
/// dx += cotangent of x.
/// @param x    input                     (L, 2 H)
/// @param dy   cotangent of the output   (L, H)
/// @param dx   += cotangent of x         (L, 2 H)
/// @throws     ShapeError if the sizes disagree
template <Real T, class Arch = simd::native>
void glu_vjp(ConstSequence<T> x, ConstSequence<T> dy, Sequence<T> dx) {
  const Index H = dy.features();
  ssm::detail::require_same_shape<T>(x, dx, 2 * H);
  ssm::detail::require_size("length of dy (that of x is expected)", x.length(), dy.length());
  for (Index k = 0; k < x.length(); ++k) {
    const T *const a = x.row(k).data(), *const from = dy.row(k).data();
    T* const to = dx.row(k).data();
    detail::for_each_pack<T, Arch>(H, [&]<class Pack>(Index i) {
      const Pack s = Sigmoid::value(Pack::load(a + H + i)), d = Pack::load(from + i);
      fma(s, d, Pack::load(to + i)).store(to + i);
      fma(Pack::load(a + i) * s * (detail::constant<Pack>(1) - s), d, Pack::load(to + H + i)).store(to + H + i);
    });
  }
}

}  // namespace ssm::nn
