#pragma once

#include "ssm/nn/reading.hpp"

#include <string>

namespace ssm::nn {

/// A sequence to learn from; two, where the model compares.
template <Real T>
struct Example {
  ConstSequence<T> u;                        ///< (L, inputs)
  Reading<T> reading = {};                   ///< how u is read
  ConstSequence<T> other = {nullptr, 0, 0};  ///< what u is compared with    (M, inputs)
  Reading<T> other_reading = {};             ///< how that is read
};

/// An error in one sequence of a batch. The message is that of what was thrown.
struct ExampleError : Error {
  /// @param which     number of the example in its batch, from 0
  /// @param message   what is wrong with it
  ExampleError(Index which, const std::string& message) : Error(message), example(which) {}
  Index example;  ///< number of the example in its batch, from 0
};

}  // namespace ssm::nn
