#pragma once

#include "ssm/import/source_arrays.hpp"
#include "ssm/nn/linear.hpp"

/// Linear maps as PyTorch keeps them.
namespace ssm::io::detail {

/// PyTorch's Linear: weight (out, in), bias (out); a trailing size of 1, a convolution of one step, says nothing.
template <Real T>
nn::Linear<T> torch_linear(SourceArrays& arrays, const std::string& name, Index inputs, Index outputs,
                           bool bias = true) {
  nn::Linear<T> map(inputs, outputs, bias);
  std::vector<Index> shape{outputs, inputs};
  if (arrays.shape(name + ".weight").size() == 3) shape.push_back(1);
  fill_array(map.W, arrays.reals(name + ".weight", shape));
  if (bias) fill_array(map.b, arrays.reals(name + ".bias", {outputs}));
  return map;
}

}  // namespace ssm::io::detail
