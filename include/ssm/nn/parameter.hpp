#pragma once

#include "ssm/core/array.hpp"
#include "ssm/layer/role.hpp"

#include <string>
#include <vector>

namespace ssm {

/// One array of a model as an optimiser or a file sees it: a name, its sizes and its numbers, a complex one being two.
template <class T>
struct Parameter {
  std::string name;          ///< "block0/ssm/log_dt"
  std::vector<Index> shape;  ///< a complex array's last size is 2: (re, im)
  std::span<T> values;       ///< in order
  Role role;                 ///< how an optimiser treats it
};

/// Returns views of all arrays of something that has `each`, in its order.
/// @param model   a layer's Parameters, a block, a model's weights; const or not
template <class Model>
auto parameters_of(Model& model) {
  using Scalar = typename std::remove_const_t<Model>::Scalar;
  using T = std::conditional_t<std::is_const_v<Model>, const Scalar, Scalar>;
  std::vector<Parameter<T>> all;
  std::remove_const_t<Model>::each(model, [&](std::string name, auto& array, Role role) {
    using Number = std::remove_cvref_t<decltype(*array.begin())>;
    constexpr bool is_complex = !std::is_same_v<Number, Scalar>;
    std::vector<Index> shape(array.shape().begin(), array.shape().end());
    while (shape.size() > 1 && shape.back() == 1) shape.pop_back();
    if (is_complex) {
      shape.push_back(2);
      name += "_ri";
    }
    auto* const first = reinterpret_cast<T*>(array.data());  // complex numbers lie as (re, im): [complex.numbers]
    all.push_back({std::move(name),
                   std::move(shape),
                   {first, static_cast<std::size_t>(array.size()) * (is_complex ? 2 : 1)},
                   role});
  });
  return all;
}

}  // namespace ssm
