#pragma once

#include "ssm/layer/steady_state.hpp"
#include "ssm/nn/network.hpp"
#include "ssm/nn/running_pool.hpp"

#include <cassert>
#include <memory>

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

/// What a stream does with an input that is not finite.
enum class OnBadSample {
  pass,  ///< reads it: answers are NaN from there on, until `reset`
  hold   ///< reads the last finite number of that input instead, 0 before there is one, and counts it: `bad_samples`
};

/// What a stream is prepared for besides the size of its blocks.
struct StreamOptions {
  StreamPool pool = SinceBeginning{};             ///< what an answer is made from, of a model whose pool is the mean
  OnBadSample on_bad_sample = OnBadSample::pass;  ///< what an input that is not finite does
  std::vector<double> rates = {};                 ///< sampling rates besides the model's own, for `set_rate`
};

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
  static constexpr bool uneven = requires(const Layer& layer, std::span<const T> u_k, LayerSteps interval,
                                          std::span<T> y_k, typename Layer::State& state) {
    layer.step(u_k, interval, y_k, state);
  };

 public:
  /// Scalar type of inputs and outputs.
  using Scalar = T;

  /// State of a stream, a value: copy it to branch, keep it to go back; `save` and `restore` make bytes of it.
  struct State {
    std::vector<typename Layer::State> layers;  ///< of each layer
    detail::PooledState<T> pool;                ///< of the features so far
    Array<T> held;                              ///< the last finite input           (inputs)
    Array<Index> bad;                           ///< numbers that were not finite    (1)

    /// The memory that is the state's value.
    friend std::vector<std::span<std::byte>> parts(State& state) {
      std::vector<std::span<std::byte>> all;
      const auto add = [&](auto part) { all.push_back(std::as_writable_bytes(std::span(part))); };
      for (auto& layer : state.layers)
        for (const auto part : parts_of(layer)) add(part);
      add(state.pool.pooled.values());
      add(state.pool.weight.values());
      add(state.pool.recent.values());
      add(state.pool.steps.values());
      add(state.held.values());
      add(state.bad.values());
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
  explicit Stream(std::shared_ptr<const Network> network) : networks_{std::move(network)} {
    network_ = networks_.front().get();
    for (const Layer& layer : network_->layers)
      if constexpr (requires { layer.steps(); })
        if (!layer.steps())
          throw DomainError("stream: expected a model whose layers step, got one with two directions");
    if (shape().compare)
      throw DomainError("stream: expected a model that answers one sequence, got one that compares two");
    prepare(1);
  }
  /// Makes the memory for blocks of up to so many steps, and begins from rest.
  /// @param most      steps of the largest block     >= 1
  /// @param options   the pool, other rates, what bad input does
  /// @throws          DomainError if a size is not at least 1, a rate is not positive and finite, or the model's pool is
  ///                  not the mean and another is asked for; all is as before then
  /// @note            for every rate a model of its own is made
  void prepare(Index most, StreamOptions options = {}) {
    ssm::detail::require_at_least("steps of a block", 1, most);
    detail::check_pool(shape().pool, options.pool);
    const double leak = detail::leak_steps(options.pool, shape().step_seconds);
    std::vector<std::shared_ptr<const Network>> networks{networks_.front()};
    for (const double rate : options.rates)
      if (rate != networks.front()->sampling.rate)
        networks.push_back(std::make_shared<Network>(networks.front()->weights, Sampling{rate}));
    const Index H = shape().features;
    typename Network::Rows rows(*networks.front(), most);
    std::vector<typename detail::KeptBuffers<Layer>::type> kept;
    State rest;
    for (const Layer& layer : networks.front()->layers) {
      if constexpr (requires { layer.buffers(most); }) kept.push_back(layer.buffers(most));
      rest.layers.push_back(layer.initial_state());
    }
    rest.pool = detail::PooledState<T>(H, options.pool);
    rest.held = Array<T>(shape().inputs);
    rest.bad = Array<Index>(1);
    const auto room = [](Index steps, Index numbers) {
      return std::vector<T>(static_cast<std::size_t>(steps * numbers));
    };
    auto u = room(most, shape().inputs), y = room(most, shape().outputs), x = room(most, H);
    rows_.emplace(std::move(rows));
    u_ = std::move(u);
    y_ = std::move(y);
    x_ = std::move(x);
    kept_ = std::move(kept);
    networks_ = std::move(networks);
    network_ = networks_.front().get();
    most_ = most;
    leak_ = leak;
    options_ = std::move(options);
    state_ = rest;
    rest_ = std::move(rest);
  }

  /// Sizes and choices of the model.
  const StackShape& shape() const noexcept { return network_->weights.shape; }
  /// Steps so far.
  Index steps() const noexcept { return state_.pool.steps(0); }
  /// Numbers of the input so far that were not finite, and were held: see OnBadSample.
  Index bad_samples() const noexcept { return state_.bad(0); }
  /// Ratio of sampling intervals: every time step is multiplied by it.
  double rate() const noexcept { return network_->sampling.rate; }
  /// Goes on at another sampling rate, with the states as they are. Allocates nothing.
  /// @param rate   the model's own, or one that was prepared for
  /// @throws       DomainError if it was not
  void set_rate(double rate) {
    for (const auto& each : networks_)
      if (each->sampling.rate == rate) return void(network_ = each.get());
    throw DomainError(ssm::detail::message("rate: expected the model's, ", networks_.front()->sampling.rate,
                                           ", or one that the stream was prepared for, got ", rate));
  }
  /// The state: a copy is a branch.
  const State& state() const noexcept { return state_; }
  /// Goes on from a state of the same model and pool. Allocates nothing.
  /// @throws ShapeError if it is another model's
  void set_state(const State& state) {
    ssm::detail::require_size("layers of a stream's state", std::ssize(rest_.layers), std::ssize(state.layers));
    ssm::detail::require_shape("pooled features of a stream's state", state.pool.pooled, shape().features);
    ssm::detail::require_shape("weights of a stream's state", state.pool.weight, 1);
    ssm::detail::require_shape("recent features of a stream's state", state.pool.recent, rest_.pool.recent.rows(),
                               rest_.pool.recent.columns());
    ssm::detail::require_shape("held inputs of a stream's state", state.held, shape().inputs);
    state_ = state;
  }
  /// Begins again from rest. Allocates nothing.
  void reset() noexcept { state_ = rest_; }
  /// Begins again as though this input had been there for ever: a signal that rests at it makes no click. What an
  /// answer is pooled from begins anew.
  /// @param u   the constant input     (inputs)
  /// @throws    ShapeError if it has another size; DomainError if a mode keeps its state for ever, or a layer does not
  ///            say its steady state; the stream is as before then
  /// @note      allocates: not for the thread that plays
  void reset(std::span<const T> u) {
    ssm::detail::require_size("inputs of a step", shape().inputs, std::ssize(u));
    State settled = rest_;
    std::swap(state_, settled);
    try {
      answer(
          {u.data(), 1, shape().inputs}, {y_.data(), 1, shape().outputs}, {},
          [this](std::size_t i, ConstSequence<T> from, Sequence<T> to) {
            const Layer& layer = network_->layers[i];
            if constexpr (requires { steady_state(layer, from.row(0)); })
              state_.layers[i] = steady_state(layer, std::span<const T>(from.row(0)));
            else
              throw DomainError("steady state: expected layers that have one, got one that does not say it");
            layer.step(from.row(0), to.row(0), state_.layers[i]);
          },
          each_one_step);
    } catch (...) {
      std::swap(state_, settled);
      throw;
    }
    state_.pool = rest_.pool;
  }

  /// Computes one time step. Neither throws nor allocates; sizes, and that a symbol is one, are asserted.
  /// @param u_k   input             (inputs)
  /// @return      the answer to what was heard so far; valid until the next step      (outputs)
  std::span<const T> step(std::span<const T> u_k) noexcept {
    assert(static_cast<Index>(u_k.size()) == shape().inputs);
    return one_step(u_k.data(), {}, Even{this}, 1);
  }
  /// Computes one time step that comes `interval` after the one before, of layers that take intervals.
  /// @param u_k        input            (inputs)
  /// @param interval   >= 0 and finite: asserted
  /// @return           the answer to what was heard so far; valid until the next step      (outputs)
  /// @{
  std::span<const T> step(std::span<const T> u_k, LayerSteps interval) noexcept requires uneven {
    assert(static_cast<Index>(u_k.size()) == shape().inputs);
    return one_step(u_k.data(), {}, Uneven{this, interval}, interval.count);
  }
  /// In seconds, of a model that says what a step stands for (asserted): StackShape::step_seconds.
  std::span<const T> step(std::span<const T> u_k, Seconds interval) noexcept requires uneven {
    return step(u_k, in_layer_steps(interval));
  }
  /// @}
  /// Computes one time step without an input: the states move on.
  /// @return   the answer to what was heard so far; valid until the next step      (outputs)
  /// @{
  std::span<const T> skip() noexcept { return one_step(nullptr, no_input, Even{this}, 1); }
  /// @param interval   >= 0 and finite: asserted
  std::span<const T> skip(LayerSteps interval) noexcept requires uneven {
    return one_step(nullptr, no_input, Uneven{this, interval}, interval.count);
  }
  /// In seconds, of a model that says what a step stands for (asserted).
  std::span<const T> skip(Seconds interval) noexcept requires uneven { return skip(in_layer_steps(interval)); }
  /// @}

  /// Computes a block of steps at the speed of a whole sequence. Neither throws nor allocates; sizes, that the block is
  /// no longer than was prepared, and that symbols are symbols, are asserted. Interleaved audio is such a block, a
  /// channel an input.
  /// @param u   input                                                      (L, inputs)
  /// @param y   the answer after every step to what was heard until then   (L, outputs)
  void process(ConstSequence<T> u, Sequence<T> y) noexcept {
    assert(u.length() <= most_ && u.length() == y.length());
    answer(u, y, {}, EvenBlock{this}, each_one_step);
  }
  /// The same where steps have times of their own or no input. Steps with times of their own are computed one by one.
  /// @param u        input                                                      (L, inputs)
  /// @param y        the answer after every step to what was heard until then   (L, outputs)
  /// @param timing   of the steps; its sizes, and that the layers take intervals, are asserted
  void process(ConstSequence<T> u, Sequence<T> y, const Timing<T>& timing) noexcept {
    assert(u.length() <= most_ && u.length() == y.length());
    assert(timing.intervals.empty() || timing.intervals.size() == u.length());
    assert(timing.observed.empty() || std::ssize(timing.observed) == u.length());
    if constexpr (uneven)
      if (!timing.intervals.empty())
        return answer(u, y, timing.observed, UnevenBlock{this, timing.intervals},
                      [&](Index k) { return timing.intervals[k]; });
    assert(timing.intervals.empty());
    answer(u, y, timing.observed, EvenBlock{this}, each_one_step);
  }
  /// The same of planar audio, as plug-ins have it: each channel lies together.
  /// @param u       a channel for each input      (inputs) of (steps)
  /// @param y       a channel for each output     (outputs) of (steps)     may be u's
  /// @param steps   no more than was prepared: asserted
  void process(const T* const* u, T* const* y, Index steps) noexcept {
    assert(steps <= most_);
    const Sequence<T> in(u_.data(), steps, shape().inputs), out(y_.data(), steps, shape().outputs);
    for (Index c = 0; c < in.features(); ++c)
      for (Index k = 0; k < steps; ++k) in(k, c) = u[c][k];
    process(in, out);
    for (Index c = 0; c < out.features(); ++c)
      for (Index k = 0; k < steps; ++k) y[c][k] = out(k, c);
  }

 private:
  static constexpr std::array<std::uint8_t, 1> no_input{0};
  static double each_one_step(Index) noexcept { return 1; }

  /// Layers of one step, or of a block. @{
  struct Even {
    void operator()(std::size_t i, ConstSequence<T> u, Sequence<T> y) const noexcept {
      stream->network_->layers[i].step(u.row(0), y.row(0), stream->state_.layers[i]);
    }
    Stream* stream;
  };
  struct Uneven {
    void operator()(std::size_t i, ConstSequence<T> u, Sequence<T> y) const noexcept {
      stream->network_->layers[i].step(u.row(0), interval, y.row(0), stream->state_.layers[i]);
    }
    Stream* stream;
    LayerSteps interval;
  };
  struct EvenBlock {
    void operator()(std::size_t i, ConstSequence<T> u, Sequence<T> y) const noexcept {
      const Layer& layer = stream->network_->layers[i];
      if constexpr (requires { typename Layer::Buffers; })
        layer.process(u, y, stream->state_.layers[i], stream->kept_[i]);
      else
        layer.forward(u, y, stream->state_.layers[i]);
    }
    Stream* stream;
  };
  struct UnevenBlock {
    void operator()(std::size_t i, ConstSequence<T> u, Sequence<T> y) const noexcept {
      for (Index k = 0; k < u.length(); ++k)
        stream->network_->layers[i].step(u.row(k), LayerSteps{intervals[k]}, y.row(k), stream->state_.layers[i]);
    }
    Stream* stream;
    Intervals<T> intervals;
  };
  /// @}
  /// Linear map of one step, or of a block.
  struct LinearMap {
    void operator()(const Linear<T>& map, ConstSequence<T> x, Sequence<T> y) const noexcept {
      if (x.length() == 1)
        linear<T>(map, x.row(0), y.row(0));
      else
        linear<T>(map, x, y);
    }
  };

  LayerSteps in_layer_steps(Seconds interval) const noexcept {
    assert(shape().step_seconds.has_value());
    const double step = shape().step_seconds.value_or(0) * rate();
    return {interval.count / step};
  }
  /// @param u_k      input, or nullptr where nothing is observed
  /// @param elapsed  since the step before     steps of the layers
  template <class RunLayer>
  std::span<const T> one_step(const T* u_k, Observed observed, RunLayer run_layer, double elapsed) noexcept {
    const Sequence<T> y(y_.data(), 1, shape().outputs);
    answer({u_k == nullptr ? u_.data() : u_k, 1, shape().inputs}, y, observed, run_layer,
           [=](Index) { return elapsed; });
    return y.row(0);
  }
  /// @param elapsed  steps of the layers before step k of the block, by k
  template <class RunLayer, class Elapsed>
  void answer(ConstSequence<T> u, Sequence<T> y, Observed observed, RunLayer run_layer, Elapsed elapsed) {
    assert(u.features() == shape().inputs && y.features() == shape().outputs);
    const Index L = u.length(), H = shape().features;
    if (L == 0) return;
    const Sequence<T> x(x_.data(), L, H);
    encode_rows(options_.on_bad_sample == OnBadSample::hold ? held(u, observed) : u, observed, x);
    ssm::detail::clear_unobserved<T>(observed, x);
    network_->pass(x, *rows_, run_layer, LinearMap{});
    for (Index k = 0; k < L; ++k)
      detail::pool_step<T>(shape().pool, options_.pool, state_.pool, std::exp(-rate() * elapsed(k) / leak_), x.row(k));
    network_->answer(x, y, LinearMap{});
  }
  void encode_rows(ConstSequence<T> u, Observed observed, Sequence<T> x) noexcept {
    const Linear<T>& encoder = network_->weights.encoder;
    if (shape().encoder == Encoder::linear) return LinearMap{}(encoder, u, x);
    for (Index k = 0; k < u.length(); ++k) {
      if (!observed.empty() && observed[static_cast<std::size_t>(k)] == 0) continue;
      if (shape().encoder == Encoder::none) {
        std::copy_n(u.row(k).data(), u.features(), x.row(k).data());
      } else {
        const auto symbol = static_cast<Index>(u(k, 0));
        assert(symbol >= 0 && symbol < shape().symbols);
        detail::encode_symbol<T>(shape(), encoder, symbol, x.row(k));
      }
    }
  }
  /// The input with the last finite numbers in place of those that are not finite.
  ConstSequence<T> held(ConstSequence<T> u, Observed observed) noexcept {
    const Sequence<T> good(u_.data(), u.length(), u.features());
    for (Index k = 0; k < u.length(); ++k)
      for (Index i = 0; i < u.features(); ++i) {
        if (!observed.empty() && observed[static_cast<std::size_t>(k)] == 0) {
          good(k, i) = T(0);
        } else if (std::isfinite(u(k, i))) {
          good(k, i) = state_.held(i) = u(k, i);
        } else {
          good(k, i) = state_.held(i);
          ++state_.bad(0);
        }
      }
    return good;
  }

  std::vector<std::shared_ptr<const Network>> networks_;  // the model's, then those of other rates
  const Network* network_ = nullptr;                      // the one that runs
  Index most_ = 0;
  double leak_ = 0;  // time of a leak     steps of the layers
  StreamOptions options_;
  std::optional<typename Network::Rows> rows_;
  std::vector<T> u_, x_, y_;
  std::vector<typename detail::KeptBuffers<Layer>::type> kept_;
  State rest_, state_;
};

}  // namespace ssm::nn
