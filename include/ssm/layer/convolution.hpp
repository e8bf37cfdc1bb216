#pragma once

#include "ssm/conv/causal.hpp"
#include "ssm/core/array.hpp"
#include "ssm/kernel/state_response.hpp"
#include "ssm/simd/pack.hpp"

namespace ssm::detail {

/// Features that are convolved together: those of a group of lanes in float, and of a cache line. Their columns are
/// turned into rows first, so that a transform reads what lies together.
inline constexpr Index convolved_together = simd::group<float>;

/// Samples of a layer's kernels, at most `length`, that can be heard: up to where all of them have decayed, if it says.
template <class Layer>
Index audible_length(const Layer& layer, Index length) {
  if constexpr (requires { layer.audible_length(length); })
    return layer.audible_length(length);
  else
    return length;
}

/// Buffers of one thread for convolutions of up to `length` steps with systems of N real states, whose kernels have
/// decayed after `audible` samples.
template <Real T, class Backend>
struct ConvolutionWorkspace {
  ConvolutionWorkspace(Index length, Index audible, Index states)
      : causal(length, audible, length),
        block(std::clamp<Index>(std::max(kernel::block_of(length), states), 1, std::max<Index>(length, 1))),
        ends(states, block, length),
        input(convolved_together, length),
        output(convolved_together, length),
        x(static_cast<std::size_t>(states)) {}

  Index length() const noexcept { return input.columns(); }
  Index bytes() const noexcept {
    return causal.bytes() + ends.bytes() + 2 * input.size() * static_cast<Index>(sizeof(T)) +
           static_cast<Index>(x.size() * sizeof(double));
  }

  conv::Causal<T, Backend> causal;
  Index block;
  typename kernel::StateResponse<T>::Workspace ends;
  Array<T> input, output;  // a feature in each row
  std::vector<double> x;   // the state of one feature
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
template <Real T>
class FeatureConvolution {
 public:
  /// @param layer   see Featurewise
  template <class Layer, class Backend>
  FeatureConvolution(const Layer& layer, Index h, ConvolutionWorkspace<T, Backend>& work)
      : spectrum_(static_cast<std::size_t>(work.causal.bins())),
        ends_(layer.template state_response<T>(h, work.block)) {
    const Vector<T> rounded = impulse_response(layer, h, work.causal.kernel_length()).template cast<T>();
    work.causal.transform({rounded.data(), rounded.size(), 1}, spectrum_);
  }

  /// u and y are contiguous, of at most the planned length, and not the same. Without a state, from rest.
  template <class Layer, class Backend>
  void operator()(const Layer& layer, Index h, std::span<const T> u, std::span<T> y, typename Layer::State* state,
                  ConvolutionWorkspace<T, Backend>& work) const {
    const ConstSequence<T> in(u, 1);
    const Sequence<T> out(y, 1);
    work.causal(spectrum_, in, out);
    if (state == nullptr) return;
    layer.real_state(h, *state, work.x);
    ends_.add_free_response(work.x, out, work.ends);
    const Index taken = ends_.drive(u, work.x, work.ends), left = in.length() - taken;
    if (taken > 0) layer.set_real_state(h, work.x, *state);
    layer.recur_reference(h, in.block(taken, left), out.block(taken, left), *state);
  }

  Index bytes() const noexcept { return static_cast<Index>(spectrum_.size() * sizeof(Complex<T>)) + ends_.bytes(); }

 private:
  std::vector<Complex<T>> spectrum_;
  kernel::StateResponse<T> ends_;
};

/// Features first .. first + count - 1, at most convolved_together, of u and y, which may be the same memory.
/// @param convolution   h -> the FeatureConvolution of feature h, prepared or made there and then
template <class Layer, Real T, class Backend, class Convolution>
void convolve(const Layer& layer, Index first, Index count, ConstSequence<T> u, Sequence<T> y,
              typename Layer::State* state, ConvolutionWorkspace<T, Backend>& work, Convolution convolution) {
  const Index L = u.length();
  for (Index k = 0; k < L; ++k)
    for (Index i = 0; i < count; ++i) work.input(i, k) = u(k, first + i);
  for (Index i = 0; i < count; ++i) {
    const auto row = [L](Array<T>& rows, Index which) { return rows.row(which).first(static_cast<std::size_t>(L)); };
    convolution(first + i)(layer, first + i, row(work.input, i), row(work.output, i), state, work);
  }
  for (Index k = 0; k < L; ++k)
    for (Index i = 0; i < count; ++i) y(k, first + i) = work.output(i, k);
}

}  // namespace ssm::detail
