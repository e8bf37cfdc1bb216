#pragma once

#include "ssm/discretize/method.hpp"

#include <ostream>

namespace ssm {

/// A layer whose kind has a name and a discretization: S4, S4D, S5, LSSL, TabledLSSL.
template <class Layer>
concept PrintableLayer = requires(const Layer layer) {
  Layer::Parameters::kind;
  layer.parameters().discretization;
  layer.features();
  layer.states();
  layer.rate();
};

/// Prints what a layer is, in a line: "S4D: 64 features, 64 states, zero-order hold, rate 1".
template <PrintableLayer Layer>
std::ostream& operator<<(std::ostream& out, const Layer& layer) {
  using Parameters = typename Layer::Parameters;
  return out << Parameters::kind << ": " << layer.features() << " features, " << layer.states() << " states, "
             << name_of(convert<DenseDiscretization>(layer.parameters().discretization)) << ", rate " << layer.rate();
}

}  // namespace ssm
