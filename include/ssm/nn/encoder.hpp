#pragma once

#include "ssm/nn/linear.hpp"
#include "ssm/nn/stack_shape.hpp"

namespace ssm::nn {

namespace detail {

/// Returns the symbol that a number of the input stands for.
/// @throws DomainError if it is none of them
template <Real T>
Index symbol_of(const StackShape& shape, T number) {
  if (!(number >= T(0) && number < static_cast<T>(shape.symbols)))
    throw DomainError(ssm::detail::message("symbol: expected within 0..", shape.symbols - 1, ", got ", number));
  return static_cast<Index>(number);
}
/// Features of one symbol.
template <Real T>
void encode_symbol(const StackShape& shape, const Linear<T>& encoder, Index symbol, std::span<T> x) noexcept {
  if (shape.zero_symbol == symbol) return void(std::fill(x.begin(), x.end(), T(0)));
  const auto row = encoder.W.row(symbol);
  for (std::size_t h = 0; h < x.size(); ++h)
    x[h] = row[h] + (encoder.has_bias() ? encoder.b(static_cast<Index>(h)) : T(0));
}

}  // namespace detail

/// Makes features of the input, as the shape says; see Encoder.
/// @param shape     of the stack
/// @param encoder   W, b; of symbols W (symbols, H)
/// @param u         input                           (L, inputs)
/// @param x         features                        (L, H)
/// @throws          ShapeError if the sizes disagree; DomainError if a symbol is not there
template <Real T>
void encode(const StackShape& shape, const Linear<T>& encoder, ConstSequence<T> u, Sequence<T> x) {
  ssm::detail::require_size("inputs of a step", shape.inputs, u.features());
  ssm::detail::require_size("features of x", shape.features, x.features());
  ssm::detail::require_size("length of x (that of u is expected)", u.length(), x.length());
  if (shape.encoder == Encoder::linear) return linear<T>(encoder, u, x);
  for (Index k = 0; k < u.length(); ++k)
    if (shape.encoder == Encoder::none)
      std::copy_n(u.row(k).data(), u.features(), x.row(k).data());
    else
      detail::encode_symbol<T>(shape, encoder, detail::symbol_of(shape, u(k, 0)), x.row(k));
}
/// Adds to the gradient of the encoder.
/// @param shape      of the stack
/// @param encoder    W, b
/// @param u          input                       (L, inputs)
/// @param dx         cotangent of the features   (L, H)
/// @param gradient   += cotangents of W and b
/// @throws           ShapeError if the sizes disagree; DomainError if a symbol is not there
template <Real T>
void encode_vjp(const StackShape& shape, const Linear<T>& encoder, ConstSequence<T> u, ConstSequence<T> dx,
                Linear<T>& gradient) {
  if (shape.encoder == Encoder::linear) return linear_vjp<T>(encoder, u, dx, gradient);
  if (shape.encoder == Encoder::none) return;
  for (Index k = 0; k < u.length(); ++k) {
    const Index symbol = detail::symbol_of(shape, u(k, 0));
    if (shape.zero_symbol == symbol) continue;
    for (Index h = 0; h < dx.features(); ++h) {
      gradient.W(symbol, h) += dx(k, h);
      if (encoder.has_bias()) gradient.b(h) += dx(k, h);
    }
  }
}

}  // namespace ssm::nn
