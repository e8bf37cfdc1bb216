#pragma once

#include "ssm/nn/comparison.hpp"
#include "ssm/nn/layer_shape.hpp"
#include "ssm/nn/stream.hpp"

namespace ssm::nn {

/// A deep model over any layers: encoder, blocks, pooling, decoder.
///
///     x_0 = encoder(u),   x_{i+1} = block_i(x_i),   answer = decoder(pool(norm(x)))
///
/// Each block is what its BlockShape says; by default x_{i+1} = x_i + GLU(mix(GELU(layer(norm(x_i))))), as S4 and S4D
/// train: arXiv:2111.00396, 2206.11893. A model that compares answers two sequences a and b by
///
///     decoder(activation(compare([a, b, a - b, a b])))       of their pooled features
///
/// In evaluation it reads whole sequences (`forward`) or one step after another in constant memory (`stream`), with the
/// same answers up to rounding.
///
/// @tparam Layer   S4, S4D, S5, LSSL, two directions of one, one of its user's; AnyLayer, where blocks have layers of
///                 several kinds
template <TrainableLayer Layer>
class Stack {
  using Network = detail::Network<Layer>;

 public:
  /// Scalar type of inputs and outputs.
  using Scalar = typename Layer::Scalar;
  /// Parameters that are initialised, trained and stored.
  using Parameters = StackParameters<Layer>;
  /// A run from step to step.
  using Stream = nn::Stream<Layer>;

  /// @param parameters   of sizes that agree
  /// @param sampling     the rate multiplies every layer's dt
  /// @throws             ShapeError if sizes disagree; DomainError as the blocks and the layers
  explicit Stack(Parameters parameters, Sampling sampling = {})
      : network_(std::make_shared<Network>(std::move(parameters), sampling)) {}
  /// Initial values: the layers' published ones, PyTorch's for linear maps.
  /// @param measure   what the layers begin with: hippo::LegS, diagonal::Linear, ...
  /// @param shape     sizes and choices
  /// @param random    the source of what is drawn
  template <class Measure>
  Stack(Measure measure, const StackShape& shape, Random& random)
      : Stack(Parameters(shape, random,
                         [&](Index) { return initial<Layer>(measure, layer_shape<Layer>(shape), random); })) {}

  /// Copies the weights.
  Stack(const Stack& other) : network_(std::make_shared<Network>(*other.network_)) {}
  /// Takes the weights; what is left can be assigned to, and nothing else.
  Stack(Stack&&) noexcept = default;
  /// Copies the weights. Streams of the ones before go on with those.
  Stack& operator=(const Stack& other) { return *this = Stack(other); }
  /// Takes the weights. Streams of the ones before go on with those.
  Stack& operator=(Stack&&) noexcept = default;
  ~Stack() = default;

  /// Sizes and choices.
  const StackShape& shape() const noexcept { return network_->weights.shape; }
  /// Returns the stored weights.
  const Parameters& weights() const noexcept { return network_->weights; }
  /// Returns them to be changed; call `refresh` afterwards.
  Parameters& weights() noexcept { return network_->weights; }
  /// Returns all arrays, for an optimiser or a file. Call `refresh` after they have changed. They stay valid when the
  /// model moves.
  std::vector<Parameter<Scalar>> parameters() { return parameters_of(network_->weights); }
  /// The layers, discretized: of the blocks that have one, in order.
  const std::vector<Layer>& layers() const noexcept { return network_->layers; }
  /// Ratio of sampling intervals: every time step is multiplied by it.
  double rate() const noexcept { return network_->sampling.rate; }
  /// Returns the seconds that a step of the layers stands for, at this rate: for intervals in seconds.
  /// @throws DomainError if the model does not say it
  Seconds layer_step() const {
    if (!shape().step_seconds) throw DomainError("step_seconds: expected in the model's shape, is not there");
    return {*shape().step_seconds * rate()};
  }
  /// Rows of an answer to a sequence of so many steps: 1, or all of them.
  Index answers(Index length) const noexcept { return shape().pool == Pool::none ? length : 1; }
  /// Returns what training and streams run on, unchecked.
  const Network& network() const noexcept { return *network_; }

  /// Makes the layers from the weights as they are now.
  /// @throws ShapeError if sizes disagree; DomainError that names the block, where its layer cannot be made: a number
  ///         that is not finite. The layers stay as they were then, and go on answering by the weights before.
  void refresh() { network_->refresh(); }

  /// The answer to a whole sequence from rest.
  /// @param u         input                          (L, inputs)
  /// @param answer    logits                         (answers(L), outputs)
  /// @param reading   times, steps without an input, padding
  /// @throws          ShapeError if the sizes disagree; DomainError if there is nothing to pool, the model compares two
  ///                  sequences, a layer takes no intervals, or one is negative or not finite
  /// @note            memory O(L H)
  void forward(ConstSequence<Scalar> u, Sequence<Scalar> answer, const Reading<Scalar>& reading = {}) const {
    if (shape().compare) throw DomainError("forward: expected two sequences, which this model compares, got one");
    if (shape().pool == Pool::none && reading.counted)
      throw DomainError("counted steps: expected none where every step has an answer, got some");
    check(answers(u.length()), answer);
    std::vector<Scalar> x = features(u, reading);
    const Sequence<Scalar> rows(x.data(), u.length(), shape().features);
    if (shape().pool == Pool::none) return network_->answer(rows, answer, LinearMap{});
    std::vector<Scalar> pooled(at(shape().features));
    pool<Scalar>(shape().pool, rows.block(0, reading.counted.value_or(u.length())), pooled);
    network_->answer({pooled.data(), 1, shape().features}, answer, LinearMap{});
  }
  /// The answer to two sequences, of a model that compares.
  /// @param a        the first     (L, inputs)
  /// @param b        the second    (M, inputs)
  /// @param answer   logits        (1, outputs)
  /// @param of_a     how the first is read
  /// @param of_b     how the second is read
  /// @throws         as above; DomainError if the model answers one sequence
  void forward(ConstSequence<Scalar> a, ConstSequence<Scalar> b, Sequence<Scalar> answer,
               const Reading<Scalar>& of_a = {}, const Reading<Scalar>& of_b = {}) const {
    if (!shape().compare) throw DomainError("forward: expected one sequence, which this model answers, got two");
    check(1, answer);
    const Index H = shape().features;
    std::vector<Scalar> pooled(at(2 * H)), both(at(4 * H)), mixed(at(H));
    const std::span<Scalar> first(pooled.data(), at(H)), second(pooled.data() + H, at(H));
    std::vector<Scalar> x = features(a, of_a);
    pool<Scalar>(shape().pool, {x.data(), of_a.counted.value_or(a.length()), H}, first);
    x = features(b, of_b);
    pool<Scalar>(shape().pool, {x.data(), of_b.counted.value_or(b.length()), H}, second);
    compare<Scalar>(first, second, both);
    const Sequence<Scalar> row(mixed.data(), 1, H);
    linear<Scalar>(network_->weights.compare, {both.data(), 1, 4 * H}, row);
    detail::apply<Scalar>(shape().compare_activation, row, row);
    network_->answer(row, answer, LinearMap{});
  }

  /// Begins a run from step to step, from rest. It shares the weights: the model may move or end before it.
  /// @throws DomainError if the model cannot run step by step: a layer of two directions, or an answer of two sequences
  Stream stream() const requires requires(const Layer& layer) { layer.initial_state(); }
  { return Stream(network_); }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  using LinearMap = typename Network::LinearMap;
  void check(Index rows, ConstSequence<Scalar> answer) const {
    ssm::detail::require_size("rows of the answer", rows, answer.length());
    ssm::detail::require_size("numbers of an answer", shape().outputs, answer.features());
  }
  /// Returns the output of the last block and of the norm after it.
  std::vector<Scalar> features(ConstSequence<Scalar> u, const Reading<Scalar>& reading) const {
    reading.check(u.length());
    return network_->features(u, reading, [&](std::size_t layer, ConstSequence<Scalar> in, Sequence<Scalar> out) {
      network_->run_layer(layer, in, out, reading.intervals);
    });
  }

  std::shared_ptr<Network> network_;
};

}  // namespace ssm::nn
