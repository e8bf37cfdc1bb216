#pragma once

#include "ssm/core/array.hpp"
#include "ssm/core/random.hpp"
#include "ssm/core/sequence.hpp"
#include "ssm/layer/role.hpp"
#include "ssm/simd/product.hpp"
#include "ssm/simd/reduce.hpp"

namespace ssm::nn {

/// Parameters of a linear map.
template <Real T>
struct Linear {
  Array<T> W;  ///< (O, I)
  Array<T> b;  ///< (O), or (0): the map has no bias

  Linear() = default;
  /// Makes zeros of these sizes.
  Linear(Index inputs, Index outputs, bool bias = true) : W(outputs, inputs), b(bias ? outputs : 0) {}
  /// Uniform within +- 1/sqrt(inputs), as PyTorch draws them.
  Linear(Index inputs, Index outputs, Random& random, bool bias = true) : Linear(inputs, outputs, bias) {
    const double bound = 1 / std::sqrt(static_cast<double>(inputs));
    for (auto& value : W) value = static_cast<T>(random.uniform(-bound, bound));
    for (auto& value : b) value = static_cast<T>(random.uniform(-bound, bound));
  }

  /// I
  Index inputs() const noexcept { return W.columns(); }
  /// O
  Index outputs() const noexcept { return W.rows(); }
  /// Returns whether there is a bias.
  bool has_bias() const noexcept { return b.rows() > 0; }
  /// @param name      of the map, for the message
  /// @param inputs    I
  /// @param outputs   O
  /// @param bias      whether there is to be a bias
  /// @throws          ShapeError unless W and b have these sizes, b none without a bias
  void check(const std::string& name, Index inputs, Index outputs, bool bias = true) const {
    ssm::detail::require_shape(name + "/W", W, outputs, outputs > 0 ? inputs : 1);
    ssm::detail::require_shape(name + "/b", b, bias ? outputs : 0);
  }
  /// Visits all arrays in order: f(name, array, role). A map of no outputs has none.
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    if (self.W.size() > 0) f("W", self.W, Role::ordinary);
    if (self.has_bias()) f("b", self.b, Role::ordinary);
  }
};

/// y = x W^T + b, row by row.
/// @param map   W (O, I), b (O) or none
/// @param x     input     (L, I)
/// @param y     output    (L, O)
/// @throws      ShapeError if the sizes disagree
/// @note        O(L I O), allocates nothing
template <Real T>
void linear(const Linear<T>& map, ConstSequence<T> x, Sequence<T> y) {
  ssm::detail::require_size("features of a linear map's input", map.inputs(), x.features());
  ssm::detail::require_size("features of a linear map's output", map.outputs(), y.features());
  ssm::detail::require_size("length of y (that of x is expected)", x.length(), y.length());
  for (Index k = 0; k < y.length(); ++k)
    if (map.has_bias())
      std::copy(map.b.begin(), map.b.end(), y.row(k).begin());
    else
      std::fill_n(y.row(k).begin(), map.outputs(), T(0));
  simd::add_product(simd::matrix(y), simd::matrix(x), simd::matrix(map.W).transposed());
}
/// Maps one row. Neither throws nor allocates.
template <Real T>
void linear(const Linear<T>& map, std::span<const T> x, std::span<T> y) noexcept {
  for (Index o = 0; o < map.outputs(); ++o)
    y[static_cast<std::size_t>(o)] =
        (map.has_bias() ? map.b(o) : T(0)) + simd::dot(map.W.row(o).data(), x.data(), map.inputs());
}
/// dx += dy W,   dW += dy^T x,   db += sum of dy.
/// @param map        W (O, I), b (O) or none
/// @param x          input                     (L, I)
/// @param dy         cotangent of the output   (L, O)
/// @param dx         += cotangent of x         (L, I)
/// @param gradient   += cotangents of W and b
/// @throws           ShapeError if the sizes disagree
template <Real T>
void linear_vjp(const Linear<T>& map, ConstSequence<T> x, ConstSequence<T> dy, Sequence<T> dx, Linear<T>& gradient) {
  ssm::detail::require_size("features of dx", map.inputs(), dx.features());
  ssm::detail::require_size("length of dx (that of dy is expected)", dy.length(), dx.length());
  linear_vjp(map, x, dy, gradient);
  simd::add_product(simd::matrix(dx), simd::matrix(dy), simd::matrix(map.W));
}
/// Computes the same without dx.
template <Real T>
void linear_vjp(const Linear<T>& map, ConstSequence<T> x, ConstSequence<T> dy, Linear<T>& gradient) {
  ssm::detail::require_size("features of a linear map's input", map.inputs(), x.features());
  ssm::detail::require_size("features of dy", map.outputs(), dy.features());
  ssm::detail::require_size("length of dy (that of x is expected)", x.length(), dy.length());
  simd::add_product(simd::matrix(gradient.W), simd::matrix(dy).transposed(), simd::matrix(x));
  if (!map.has_bias()) return;
  for (Index k = 0; k < dy.length(); ++k)
    for (Index o = 0; o < map.outputs(); ++o) gradient.b(o) += dy(k, o);
}

}  // namespace ssm::nn
