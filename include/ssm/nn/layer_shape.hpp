#pragma once

#include "ssm/layer/trainable.hpp"
#include "ssm/nn/stack_shape.hpp"

namespace ssm::nn {

namespace detail {

template <class Parameters>
void set_method(auto& sizes, const DenseDiscretization& method) {
  if constexpr (requires { Parameters::forward; }) {  // two directions: the shape is that of each
    set_method<decltype(Parameters::forward)>(sizes, method);
  } else {
    using Has = std::remove_cvref_t<decltype(Parameters::discretization)>;
    [[maybe_unused]] const auto own = convert<Has>(method);
    if constexpr (requires { sizes.discretization = own; }) sizes.discretization = own;
  }
}

}  // namespace detail

/// Returns the sizes of a stack's layers, for `initial`.
///
///     const auto parameters = initial<S5<float>>(hippo::LegS{}, nn::layer_shape<S5<float>>(shape), random);
///
/// @param shape   of the stack
/// @throws        DomainError if the layer has no such discretization
template <TrainableLayer Layer>
typename Layer::Shape layer_shape(const StackShape& shape) {
  typename Layer::Shape sizes{};
  sizes.features = shape.features * shape.block.channels;
  sizes.states = shape.states;
  sizes.dt_min = shape.dt_min;
  sizes.dt_max = shape.dt_max;
  if (shape.discretization) detail::set_method<typename Layer::Parameters>(sizes, *shape.discretization);
  return sizes;
}

}  // namespace ssm::nn
