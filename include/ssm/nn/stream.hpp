#pragma once

#include "ssm/nn/network.hpp"

#include <cassert>
#include <memory>
#include <variant>

namespace ssm::nn {

namespace detail {

/// Memory that a layer's runs keep, or nothing where it needs none.
template <class Layer>
struct KeptBuffers {
  struct type {};
};
template <class Layer>
requires requires { typename Layer::Buffers; }
struct KeptBuffers<Layer> {
  using type = typename Layer::Buffers;
};

}  // namespace detail

/// The steps that a stream's answer is made from, where its model was trained on the mean over a sequence. @{

/// All steps since the beginning, as the model has it: after an hour a new sound hardly moves the mean.
struct SinceBeginning {};
/// A mean that forgets: of steps long ago e^(-age / steps) is left.
struct Leak {
  double steps;  ///< > 0
};
/// The mean over the last steps.
struct Window {
  Index steps;  ///< >= 1
};
/// One of these.
using StreamPool = std::variant<SinceBeginning, Leak, Window>;
/// @}

/// A deep model that runs from step to step, or from block to block, in constant memory.
///
///     nn::Stream<S4D<float>> stream = model.stream();   // or a member made by default, and assigned
///     stream.prepare(512);
///     stream.process(u, y);                             // blocks of up to 512 steps
///     stream.step(u_k);
///
/// It shares the model's weights: they live as long as a stream of theirs, whether the model moves or ends. Answers are
/// the model's for all that was heard so far. After `prepare` nothing allocates, locks or throws but what says so. One
/// thread at a time.
template <TrainableLayer Layer>
class Stream {
  using Network = detail::Network<Layer>;
  using T = typename Layer::Scalar;

 public:
  /// Scalar type of inputs and outputs.
  using Scalar = T;

  /// State of a stream, a value: copy it to branch, keep it to go back; `save` and `restore` make bytes of it.
  struct State {
    std::vector<typename Layer::State> layers;  ///< of each layer
    Array<double> pooled;                       ///< sum, or mean that forgets     (H)
    Array<T> recent;                            ///< features of a window           (steps, H)
    Array<Index> steps;                         ///< steps so far     (1)

    /// The memory that is the state's value.
    friend std::vector<std::span<std::byte>> parts(State& state) {
      std::vector<std::span<std::byte>> all;
      const auto add = [&](auto part) { all.push_back(std::as_writable_bytes(std::span(part))); };
      for (auto& layer : state.layers)
        for (const auto part : parts_of(layer)) add(part);
      add(state.pooled.values());
      add(state.recent.values());
      add(state.steps.values());
      return all;
    }
    /// Name of such a state, written before its bytes.
    friend constexpr std::string_view kind(const State&) { return sizeof(T) == 4 ? "stream, F32" : "stream, F64"; }

   private:
    static auto parts_of(typename Layer::State& layer) { return parts(layer); }
  };

  /// A stream of nothing: assign one before it is used.
  Stream() = default;
  /// Begins from rest. See Stack::stream.
  /// @throws DomainError if the model cannot run step by step: a layer of two directions, or an answer of two sequences
  explicit Stream(std::shared_ptr<const Network> network) : network_(std::move(network)) {
    for (const Layer& layer : network_->layers)
      if constexpr (requires { layer.steps(); })
        if (!layer.steps())
          throw DomainError("stream: expected a model whose layers step, got one with two directions");
    if (shape().compare)
      throw DomainError("stream: expected a model that answers one sequence, got one that compares two");
    prepare(1);
  }
  /// Makes the memory for blocks of up to so many steps, and begins from rest.
  /// @param most   steps of the largest block     >= 1
  /// @param pool   what an answer is made from, of a model whose pool is the mean
  /// @throws       DomainError if a size is not at least 1, or the pool is not the mean and another is asked for
  void prepare(Index most, StreamPool pool = SinceBeginning{}) {
    ssm::detail::require_at_least("steps of a block", 1, most);
    const Index H = shape().features;
    Index window = 0;
    if (!std::holds_alternative<SinceBeginning>(pool) && shape().pool != Pool::mean)
      throw DomainError("pool of a stream: expected that of the model, which is not the mean, got another");
    if (const auto* leak = std::get_if<Leak>(&pool)) ssm::detail::require_positive("steps of a leak", leak->steps);
    if (const auto* last = std::get_if<Window>(&pool)) {
      ssm::detail::require_at_least("steps of a window", 1, last->steps);
      window = last->steps;
    }
    most_ = most;
    pool_ = pool;
    rows_.emplace(*network_, most);
    x_ = std::vector<T>(static_cast<std::size_t>(most * H));
    answer_ = std::vector<T>(static_cast<std::size_t>(shape().outputs));
    kept_.clear();
    for (const Layer& layer : network_->layers)
      if constexpr (requires { layer.buffers(most); }) kept_.push_back(layer.buffers(most));
    Index inputs = std::max(shape().inputs, H), outputs = std::max(shape().outputs, H);
    for (const BlockSizes& each : network_->sizes) {
      inputs = std::max({inputs, each.active, each.mixed});
      outputs = std::max(outputs, each.wide);
    }
    if (most > 1) product_.emplace(outputs, most, inputs);
    rest_ = {};
    for (const Layer& layer : network_->layers) rest_.layers.push_back(layer.initial_state());
    rest_.pooled = Array<double>(H);
    rest_.recent = Array<T>(window, H);
    rest_.steps = Array<Index>(1);
    state_ = rest_;
  }

  /// Sizes and choices of the model.
  const StackShape& shape() const noexcept { return network_->weights.shape; }
  /// Steps so far.
  Index steps() const noexcept { return state_.steps(0); }
  /// The state: a copy is a branch.
  const State& state() const noexcept { return state_; }
  /// Goes on from a state of the same model and pool. Allocates nothing.
  /// @throws ShapeError if it is another model's
  void set_state(const State& state) {
    ssm::detail::require_size("layers of a stream's state", std::ssize(rest_.layers), std::ssize(state.layers));
    ssm::detail::require_shape("pooled features of a stream's state", state.pooled, shape().features);
    ssm::detail::require_shape("recent features of a stream's state", state.recent, rest_.recent.rows(),
                               rest_.recent.columns());
    state_ = state;
  }
  /// Begins again from rest. Allocates nothing.
  void reset() noexcept { state_ = rest_; }

  /// Computes one time step. Neither throws nor allocates; sizes, and that a symbol is one, are asserted.
  /// @param u_k   input             (inputs)
  /// @return      the answer to what was heard so far; valid until the next step      (outputs)
  std::span<const T> step(std::span<const T> u_k) noexcept {
    return one_step(u_k, [this](std::size_t i, ConstSequence<T> u, Sequence<T> y) {
      network_->layers[i].step(u.row(0), y.row(0), state_.layers[i]);
    });
  }
  /// Computes one time step that takes `interval` times the layers' own, of layers that take intervals.
  /// @param u_k        input            (inputs)
  /// @param interval   dimensionless, >= 0 and finite: asserted
  /// @return           the answer to what was heard so far; valid until the next step      (outputs)
  std::span<const T> step(std::span<const T> u_k, double interval) noexcept requires
      requires(const Layer& layer, typename Layer::State& state, std::span<T> y) {
    layer.step(u_k, interval, y, state);
  }
  {
    return one_step(u_k, [this, interval](std::size_t i, ConstSequence<T> u, Sequence<T> y) {
      network_->layers[i].step(u.row(0), interval, y.row(0), state_.layers[i]);
    });
  }
  /// Computes a block of steps at the speed of a whole sequence. Neither throws nor allocates; sizes, that the block is
  /// no longer than was prepared, and that symbols are symbols, are asserted.
  /// @param u   input                                                      (L, inputs)
  /// @param y   the answer after every step to what was heard until then   (L, outputs)
  void process(ConstSequence<T> u, Sequence<T> y) noexcept {
    assert(u.length() <= most_ && u.length() == y.length() && y.features() == shape().outputs);
    if (u.length() == 0) return;
    const auto map = [this](const Linear<T>& map_, ConstSequence<T> x, Sequence<T> to) {
      if (x.length() == 1) return linear<T>(map_, x.row(0), to.row(0));
      for (Index k = 0; k < to.length(); ++k)
        for (Index o = 0; o < to.features(); ++o) to(k, o) = map_.has_bias() ? map_.b(o) : T(0);
      product_->add_transposed_product(map_.outputs(), x.length(), map_.inputs(), {map_.W.data(), map_.inputs()},
                                       {x.data(), x.stride()}, {to.data(), to.stride()});
    };
    run(
        u, y,
        [this](std::size_t i, ConstSequence<T> from, Sequence<T> to) {
          const Layer& layer = network_->layers[i];
          if constexpr (requires { typename Layer::Buffers; })
            layer.process(from, to, state_.layers[i], kept_[i]);
          else
            layer.forward(from, to, state_.layers[i]);
        },
        map);
  }

 private:
  template <class RunLayer>
  std::span<const T> one_step(std::span<const T> u_k, RunLayer run_layer) noexcept {
    assert(static_cast<Index>(u_k.size()) == shape().inputs);
    run(ConstSequence<T>(u_k.data(), 1, shape().inputs), {answer_.data(), 1, shape().outputs}, run_layer,
        [](const Linear<T>& map, ConstSequence<T> x, Sequence<T> y) { linear<T>(map, x.row(0), y.row(0)); });
    return answer_;
  }
  template <class RunLayer, class Map>
  void run(ConstSequence<T> u, Sequence<T> y, RunLayer run_layer, Map map) noexcept {
    const auto& weights = network_->weights;
    const Index L = u.length(), H = shape().features;
    const Sequence<T> x(x_.data(), L, H);
    if (shape().encoder == Encoder::linear) {
      map(weights.encoder, u, x);
    } else {
      for (Index k = 0; k < L; ++k)
        if (shape().encoder == Encoder::none) {
          std::copy_n(u.row(k).data(), H, x.row(k).data());
        } else {
          const auto symbol = static_cast<Index>(u(k, 0));
          assert(symbol >= 0 && symbol < shape().symbols);
          detail::encode_symbol<T>(shape(), weights.encoder, symbol, x.row(k));
        }
    }
    network_->pass(x, *rows_, run_layer, map);
    for (Index k = 0; k < L; ++k) pool(x.row(k));
    network_->answer(x, y, map);
  }
  /// Takes the features of a step and puts those that an answer is made from in their place.
  void pool(std::span<T> x) noexcept {
    const Index step = state_.steps(0)++;
    double* const sum = state_.pooled.data();
    switch (shape().pool) {
      case Pool::last:
      case Pool::none:
        return;
      case Pool::first:
        for (std::size_t h = 0; h < x.size(); ++h) {
          if (step == 0) sum[h] = static_cast<double>(x[h]);
          x[h] = static_cast<T>(sum[h]);
        }
        return;
      case Pool::sum:
        for (std::size_t h = 0; h < x.size(); ++h) x[h] = static_cast<T>(sum[h] += static_cast<double>(x[h]));
        return;
      case Pool::mean:
        break;
    }
    if (const auto* leak = std::get_if<Leak>(&pool_)) {
      // The weights of all steps so far are e^(-age / steps): their sum is that of a geometric series.
      const double kept = std::exp(-1 / leak->steps), total = (1 - std::pow(kept, double(step + 1))) / (1 - kept);
      for (std::size_t h = 0; h < x.size(); ++h) {
        sum[h] = kept * sum[h] + static_cast<double>(x[h]);
        x[h] = static_cast<T>(sum[h] / total);
      }
    } else if (const auto* window = std::get_if<Window>(&pool_)) {
      const auto row = state_.recent.row(step % window->steps);
      const bool full = step >= window->steps;
      const auto count = static_cast<double>(std::min(step + 1, window->steps));
      for (std::size_t h = 0; h < x.size(); ++h) {
        const T old = std::exchange(row[h], x[h]);
        // Summed anew where the window begins again, so that what is added and taken away leaves no rest.
        if (step % window->steps == window->steps - 1) {
          sum[h] = 0;
          for (Index k = 0; k < window->steps; ++k) sum[h] += static_cast<double>(state_.recent(k, Index(h)));
        } else {
          sum[h] += static_cast<double>(x[h]) - (full ? static_cast<double>(old) : 0);
        }
        x[h] = static_cast<T>(sum[h] / count);
      }
    } else {
      for (std::size_t h = 0; h < x.size(); ++h) {
        sum[h] += static_cast<double>(x[h]);
        x[h] = static_cast<T>(sum[h] / static_cast<double>(step + 1));
      }
    }
  }

  std::shared_ptr<const Network> network_;
  Index most_ = 0;
  StreamPool pool_;
  std::optional<typename Network::Rows> rows_;
  std::optional<Gemm<T>> product_;
  std::vector<T> x_, answer_;
  std::vector<typename detail::KeptBuffers<Layer>::type> kept_;
  State rest_, state_;
};

}  // namespace ssm::nn
