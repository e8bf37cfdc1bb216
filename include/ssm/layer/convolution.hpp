#pragma once

#include "ssm/conv/causal.hpp"
#include "ssm/kernel/state_response.hpp"

#include <optional>

namespace ssm::detail {

/// Buffers of one thread for convolutions of up to `length` steps with systems of N real states.
template <std::floating_point T, class Backend>
struct ConvolutionWorkspace {
  ConvolutionWorkspace(Index length, Index states)
      : causal(length, length),
        block(std::clamp<Index>(std::max(kernel::block_of(length), states), 1, std::max<Index>(length, 1))),
        ends(states, block, length),
        input(static_cast<std::size_t>(length)),
        x(static_cast<std::size_t>(states)) {}

  Index length() const noexcept { return static_cast<Index>(input.size()); }
  Index bytes() const noexcept {
    return causal.bytes() + ends.bytes() + static_cast<Index>(input.size() * sizeof(T) + x.size() * sizeof(double));
  }

  conv::Causal<T, Backend> causal;
  Index block;
  typename kernel::StateResponse<T>::Workspace ends;
  std::vector<T> input;   // a copy of u: y may be the same memory
  std::vector<double> x;  // the state of one feature
};

/// Impulse response of one feature, the direct term included.
template <class Layer>
Vector<double> impulse_response(const Layer& layer, Index h, Index length) {
  Vector<double> K = layer.kernel(h, length);
  if (length > 0) K(0) += static_cast<double>(layer.parameters().D(h));
  return K;
}

/// One feature's convolution, prepared: the spectrum of its kernel, D included, and its responses to and from a state.
///
///     y = K * u + free response of x_{-1},     x_{L-1} by whole blocks, the last steps by the recurrence
template <std::floating_point T>
class FeatureConvolution {
 public:
  /// @param layer   see Featurewise
  template <class Layer, class Backend>
  FeatureConvolution(const Layer& layer, Index h, ConvolutionWorkspace<T, Backend>& work)
      : spectrum_(static_cast<std::size_t>(work.causal.bins())),
        ends_(layer.template state_response<T>(h, work.block)) {
    const Vector<T> rounded = impulse_response(layer, h, work.length()).template cast<T>();
    work.causal.transform({rounded.data(), rounded.size(), 1}, spectrum_);
  }

  /// u and y have one column each, of at most the planned length, and may be the same. Without a state, from rest.
  template <class Layer, class Backend>
  void operator()(const Layer& layer, Index h, ConstSequence<T> u, Sequence<T> y, typename Layer::State* state,
                  ConvolutionWorkspace<T, Backend>& work) const {
    const Index L = u.length();
    const auto input = std::span<T>(work.input).first(static_cast<std::size_t>(L));
    if (state != nullptr)
      for (Index k = 0; k < L; ++k) input[static_cast<std::size_t>(k)] = u(k, 0);
    work.causal(spectrum_, u, y);
    if (state == nullptr) return;
    layer.real_state(h, *state, work.x);
    ends_.add_free_response(work.x, y, work.ends);
    const Index taken = ends_.drive(input, work.x, work.ends);
    if (taken > 0) layer.set_real_state(h, work.x, *state);
    layer.recur_reference(h, {input.data() + taken, L - taken, 1}, y.block(taken, L - taken), *state);
  }

  Index bytes() const noexcept { return static_cast<Index>(spectrum_.size() * sizeof(Complex<T>)) + ends_.bytes(); }

 private:
  std::vector<Complex<T>> spectrum_;
  kernel::StateResponse<T> ends_;
};

}  // namespace ssm::detail
