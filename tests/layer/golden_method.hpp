#pragma once

#include "ssm/discretize/method.hpp"
#include "support/golden.hpp"

namespace support {

/// f(method) with the discretization that the file names.
template <class F>
void with_method(const Safetensors& file, F f) {
  const auto& name = file.metadata("discretization");
  REQUIRE((name == "zoh" || name == "bilinear"));
  if (name == "zoh") {
    f(ssm::ZeroOrderHold{});
  } else {
    f(ssm::Bilinear{});
  }
}

}  // namespace support
