#pragma once

#include "ssm/core/executor.hpp"
#include "ssm/fft/eigen.hpp"

/// Ways to run a layer over a sequence. All give the same numbers; a layer takes those that it has.
namespace ssm::algorithm {

/// Step after step in O(N) memory: causal to the last bit, identical to `step`.
struct recurrence {};

/// Impulse response, then one Fourier convolution a feature; the free response of the state that comes in is added, and
/// the state that goes out is the recurrence's. `Backend` is the library of transforms.
template <class Backend = fft::EigenBackend>
struct convolution {
  /// The library of transforms.
  using backend = Backend;
};

/// Tiles of time: what goes in and out of the states by matrix products, the states by a scan. Over the caller's
/// threads, tile by tile with exact carries: the same bits for every number of them.
struct scan {
  /// The threads.
  Executor& executor = this_thread();
};

}  // namespace ssm::algorithm
