#pragma once

#include "ssm/nn/linear.hpp"

namespace ssm::nn {

/// y_k = W[id_k]: a row for each symbol.
/// @param W     (symbols, H)
/// @param ids   symbols     (L)     0 .. symbols - 1
/// @param y     output      (L, H)
/// @throws      ShapeError if the sizes disagree; DomainError if a symbol is not there
template <Real T>
void embedding(const Array<T>& W, std::span<const Index> ids, Sequence<T> y) {
  ssm::detail::require_size("features of an embedding", W.columns(), y.features());
  ssm::detail::require_size("length of y (that of the symbols is expected)", static_cast<Index>(ids.size()),
                            y.length());
  for (const Index id : ids)
    if (id < 0 || id >= W.rows())
      throw DomainError(ssm::detail::message("symbol: expected within 0..", W.rows() - 1, ", got ", id));
  for (Index k = 0; k < y.length(); ++k)
    std::copy_n(W.row(ids[static_cast<std::size_t>(k)]).data(), W.columns(), y.row(k).data());
}
/// dW[id_k] += dy_k.
/// @param ids   symbols                   (L)
/// @param dy    cotangent of the output   (L, H)
/// @param dW    += cotangent of W         (symbols, H)
/// @throws      ShapeError if the sizes disagree; DomainError if a symbol is not there
template <Real T>
void embedding_vjp(std::span<const Index> ids, ConstSequence<T> dy, Array<T>& dW) {
  ssm::detail::require_size("features of an embedding", dW.columns(), dy.features());
  ssm::detail::require_size("length of dy (that of the symbols is expected)", static_cast<Index>(ids.size()),
                            dy.length());
  for (Index k = 0; k < dy.length(); ++k) {
    const Index id = ids[static_cast<std::size_t>(k)];
    if (id < 0 || id >= dW.rows())
      throw DomainError(ssm::detail::message("symbol: expected within 0..", dW.rows() - 1, ", got ", id));
    for (Index h = 0; h < dy.features(); ++h) dW(id, h) += dy(k, h);
  }
}

}  // namespace ssm::nn
