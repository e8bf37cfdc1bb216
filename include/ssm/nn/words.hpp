#pragma once

#include "ssm/nn/stack_shape.hpp"

#include <array>
#include <string_view>

/// Words for the values of enumerations, in their order, as files and programs have them.
namespace ssm::nn {

/// Returns the words for all values of the enumeration. @{
inline constexpr auto words_of(Pool) {
  return std::to_array<std::string_view>({"mean", "last", "none", "first", "sum"});
}
inline constexpr auto words_of(Encoder) {
  return std::to_array<std::string_view>({"linear", "none", "embedding", "one-hot"});
}
inline constexpr auto words_of(NormKind) {
  return std::to_array<std::string_view>({"none", "layer", "batch", "rms", "scalar"});
}
inline constexpr auto words_of(NormPlace) { return std::to_array<std::string_view>({"before", "after"}); }
inline constexpr auto words_of(Residual) { return std::to_array<std::string_view>({"input", "normed", "none"}); }
inline constexpr auto words_of(Mixing) {
  return std::to_array<std::string_view>({"none", "linear", "glu", "half glu 1", "half glu 2"});
}
inline constexpr auto words_of(Activation) {
  return std::to_array<std::string_view>(
      {"identity", "gelu", "tanh gelu", "relu", "silu", "tanh", "sigmoid", "softplus", "glu"});
}
/// @}

}  // namespace ssm::nn
