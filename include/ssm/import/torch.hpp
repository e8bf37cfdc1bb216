#pragma once

#include "ssm/import/source_arrays.hpp"
#include "ssm/nn/linear.hpp"

/// Linear maps as PyTorch keeps them.
namespace ssm::io::detail {

/// PyTorch's Linear: weight (out, in), bias (out); a trailing size of 1, of a convolution of one step, says nothing. A
/// normed weight is g v / |v|, row by row.
template <Real T>
nn::Linear<T> torch_linear(SourceArrays& arrays, const std::string& name, Index inputs, Index outputs,
                           bool bias = true) {
  const bool normed = arrays.has(name + ".weight_v");
  const std::string weight = name + (normed ? ".weight_v" : ".weight");
  std::vector<Index> shape{outputs, inputs};
  if (arrays.shape(weight, {2, 3}).size() == 3) shape.push_back(1);
  const auto numbers = arrays.reals(weight, shape);
  nn::Linear<T> map(inputs, outputs, bias);
  fill_array(map.W, numbers);
  if (normed) {
    shape[1] = 1;
    const auto sizes = arrays.reals(name + ".weight_g", shape);
    for (Index o = 0; o < outputs; ++o) {
      double square = 0;
      for (const T v : map.W.row(o)) square += static_cast<double>(v) * static_cast<double>(v);
      for (T& v : map.W.row(o))
        v = static_cast<T>(sizes[static_cast<std::size_t>(o)] / std::sqrt(square) * static_cast<double>(v));
    }
  }
  if (!bias) return map;
  shape = {outputs};
  if (arrays.shape(name + ".bias", {1, 2}).size() == 2) shape.push_back(1);
  fill_array(map.b, arrays.reals(name + ".bias", shape));
  return map;
}

}  // namespace ssm::io::detail
