#pragma once

#include "ssm/import/source_arrays.hpp"
#include "ssm/nn/linear.hpp"

/// Linear maps as flax keeps them.
namespace ssm::io::detail {

/// flax's Dense: kernel (in, out), bias (out).
template <Real T>
nn::Linear<T> flax_dense(SourceArrays& arrays, const std::string& name, Index inputs, Index outputs) {
  const auto kernel = arrays.reals(name + "/kernel", {inputs, outputs});
  nn::Linear<T> map(inputs, outputs, true);
  for (Index i = 0; i < inputs; ++i)
    for (Index o = 0; o < outputs; ++o) map.W(o, i) = static_cast<T>(kernel[static_cast<std::size_t>(i * outputs + o)]);
  fill_array(map.b, arrays.reals(name + "/bias", {outputs}));
  return map;
}
/// Two maps as one, whose rows stand above each other.
template <Real T>
nn::Linear<T> above(const nn::Linear<T>& first, const nn::Linear<T>& second) {
  nn::Linear<T> both(first.inputs(), first.outputs() + second.outputs(), true);
  std::copy(second.W.begin(), second.W.end(), std::copy(first.W.begin(), first.W.end(), both.W.begin()));
  std::copy(second.b.begin(), second.b.end(), std::copy(first.b.begin(), first.b.end(), both.b.begin()));
  return both;
}

}  // namespace ssm::io::detail
