#pragma once

#include "ssm/discretize/method.hpp"
#include "ssm/layer/trainable.hpp"
#include "ssm/nn/activation.hpp"
#include "ssm/nn/embedding.hpp"
#include "ssm/nn/glu.hpp"
#include "ssm/nn/norm.hpp"
#include "ssm/nn/parameter.hpp"
#include "ssm/nn/pooling.hpp"

#include <cassert>
#include <optional>
#include <string>

namespace ssm::nn {

/// Sizes of a deep stack.
struct StackShape {
  Index inputs = 1;         ///< numbers of a step; or, where there are symbols, 1: the symbol's
  Index symbols = 0;        ///< size of the alphabet of the input; 0: the input is numbers
  Index features = 64;      ///< H, of every layer
  Index states = 64;        ///< N, of every layer
  Index layers = 4;         ///< number of blocks
  Index outputs = 10;       ///< numbers of an answer: classes
  Pool pool = Pool::mean;   ///< how an answer is made from all steps
  bool pre_norm = true;     ///< norm before the layer, or after the sum
  bool batch_norm = false;  ///< else layer norm
  double dropout = 0;       ///< share of features dropped in training
  double dt_min = 1e-3;     ///< s
  double dt_max = 1e-1;     ///< s
  /// Discretization of every layer; where it is not set, the default of the kind of layer.
  std::optional<DenseDiscretization> discretization = {};

  /// @throws DomainError if a size is not at least 1, or the dropout outside 0 .. 1
  void check() const {
    ssm::detail::require_at_least("inputs", 1, inputs);
    ssm::detail::require_at_least("symbols", 0, symbols);
    ssm::detail::require_at_least("features", 1, features);
    ssm::detail::require_at_least("states", 1, states);
    ssm::detail::require_at_least("layers", 0, layers);
    ssm::detail::require_at_least("outputs", 1, outputs);
    if (!(dropout >= 0 && dropout < 1))
      throw DomainError(ssm::detail::message("dropout: expected within 0 .. 1, got ", dropout));
  }
};

/// One block: norm, layer, GELU, linear map to 2 H, gated linear unit, and the sum with what came in.
template <TrainableSSMLayer Layer>
struct BlockParameters {
  /// Scalar type of inputs and outputs.
  using T = typename Layer::Scalar;
  Norm<T> norm;                    ///< before the layer, or after the sum
  typename Layer::Parameters ssm;  ///< the layer's
  Linear<T> mix;                   ///< H to 2 H
};

/// Parameters of a deep stack, stored and trained.
template <TrainableSSMLayer Layer>
struct StackParameters {
  /// Scalar type of inputs and outputs.
  using Scalar = typename Layer::Scalar;

  StackShape shape;                            ///< sizes
  Linear<Scalar> encoder;                      ///< inputs to H; of symbols W alone: a row each
  std::vector<BlockParameters<Layer>> blocks;  ///< one after the other
  Linear<Scalar> decoder;                      ///< H to outputs

  /// Visits all arrays in order: f(name, array, role), as in "block0/ssm/log_dt".
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    const auto within = [&f](std::string folder) {
      return [&f, folder](const std::string& name, auto& array, Role role) { f(folder + name, array, role); };
    };
    if (self.shape.symbols > 0)
      f(std::string("encoder/W"), self.encoder.W, Role::ordinary);
    else
      Linear<Scalar>::each(self.encoder, within("encoder/"));
    for (std::size_t i = 0; i < self.blocks.size(); ++i) {
      const std::string folder = "block" + std::to_string(i) + "/";
      Norm<Scalar>::each(self.blocks[i].norm, within(folder + "norm/"));
      Layer::Parameters::each(self.blocks[i].ssm, within(folder + "ssm/"));
      Linear<Scalar>::each(self.blocks[i].mix, within(folder + "mix/"));
    }
    Linear<Scalar>::each(self.decoder, within("decoder/"));
  }
};

/// A deep model over any layer: encoder, blocks, pooling, decoder.
///
///     x_0 = encoder(u),   x_{i+1} = x_i + GLU(mix(GELU(layer(norm(x_i))))),   answer = decoder(pool(x))
///
/// with norm after the sum instead where `pre_norm` is false. As S4, S4D and S5 train: arXiv:2111.00396, 2208.04933. In
/// evaluation it reads whole sequences (`forward`) or one step after another in constant memory (`stream`), with the
/// same answers up to rounding.
///
/// @tparam Layer   S4, S4D, S5, LSSL, or one of its user's
template <TrainableSSMLayer Layer>
class Stack {
 public:
  /// Scalar type of inputs and outputs.
  using Scalar = typename Layer::Scalar;
  /// Parameters that are initialised, trained and stored.
  using Parameters = StackParameters<Layer>;

  /// @param parameters   of sizes that agree
  /// @param sampling     the rate multiplies every layer's dt
  /// @throws             ShapeError if sizes disagree; DomainError as the layers
  explicit Stack(Parameters parameters, Sampling sampling = {}) : weights_(std::move(parameters)), sampling_(sampling) {
    check();
    refresh();
  }
  /// Initial values: the layers' published ones, PyTorch's for linear maps.
  /// @param measure   what the layers begin with: hippo::LegS, diagonal::Linear, ...
  /// @param shape     sizes
  /// @param random    the source of what is drawn
  template <class Measure>
  Stack(Measure measure, const StackShape& shape, Random& random) : Stack(drawn(measure, shape, random)) {}

  /// Sizes.
  const StackShape& shape() const noexcept { return weights_.shape; }
  /// Returns the stored weights.
  const Parameters& weights() const noexcept { return weights_; }
  /// Returns them to be changed; call `refresh` afterwards.
  Parameters& weights() noexcept { return weights_; }
  /// Returns all arrays, for an optimiser or a file. Call `refresh` after they have changed. They stay valid when the
  /// model moves.
  std::vector<Parameter<Scalar>> parameters() { return parameters_of(weights_); }
  /// The layers, discretized.
  const std::vector<Layer>& layers() const noexcept { return layers_; }
  /// Ratio of sampling intervals: every time step is multiplied by it.
  double rate() const noexcept { return sampling_.rate; }
  /// Rows of an answer to a sequence of so many steps: 1, or all of them.
  Index answers(Index length) const noexcept { return shape().pool == Pool::none ? length : 1; }

  /// Makes the layers from the weights as they are now.
  /// @throws DomainError that names the block, where its layer cannot be made: a number that is not finite. The layers
  ///         stay as they were then, and go on answering by the weights before.
  void refresh() {
    std::vector<Layer> fresh;
    fresh.reserve(weights_.blocks.size());
    for (std::size_t i = 0; i < weights_.blocks.size(); ++i) try {
        if constexpr (std::constructible_from<Layer, const typename Layer::Parameters&, const Layer&>) {
          if (i < layers_.size()) {
            fresh.emplace_back(weights_.blocks[i].ssm, layers_[i]);  // keeps what has not changed
            continue;
          }
        }
        fresh.emplace_back(weights_.blocks[i].ssm, sampling_);
      } catch (const DomainError& error) {
        throw DomainError(ssm::detail::message("block ", i, ": ", error.what()));
      }
    layers_ = std::move(fresh);
  }

  /// The answer to a whole sequence from rest.
  /// @param u           input                                              (L, inputs)
  /// @param answer      logits                                             (answers(L), outputs)
  /// @param intervals   a time step for each, for layers that take them    (L), or empty
  /// @throws            ShapeError if the sizes disagree; DomainError if there is nothing to pool
  /// @note              memory O(L H)
  void forward(ConstSequence<Scalar> u, Sequence<Scalar> answer, std::span<const Scalar> intervals = {}) const {
    const Index L = u.length(), H = shape().features;
    ssm::detail::require_size("rows of the answer", answers(L), answer.length());
    std::vector<Scalar> x(at(L * H)), y(at(L * H)), z(at(2 * L * H));
    const Sequence<Scalar> rows(x.data(), L, H), work(y.data(), L, H), wide(z.data(), L, 2 * H);
    encode(u, rows);
    for (std::size_t i = 0; i < layers_.size(); ++i)
      pass_block(
          i, rows, work, wide, [&] { run_layer(i, work, work, intervals); },
          [&](const Linear<Scalar>& mix) { linear<Scalar>(mix, work, wide); });
    decode(rows, answer);
  }

  /// A run from step to step. The model must outlive it.
  class Stream {
   public:
    /// Begins from rest.
    explicit Stream(const Stack& model)
        : model_(&model),
          x_(model.shape().features),
          y_(x_.rows()),
          z_(2 * x_.rows()),
          sum_(x_.rows()),
          answer_(model.shape().outputs) {
      for (const auto& layer : model.layers_) states_.push_back(layer.initial_state());
    }

    /// Computes one time step. Neither throws nor allocates; sizes are asserted.
    /// @param u_k   input             (inputs)
    /// @return      the logits for what was heard so far; valid until the next step      (outputs)
    std::span<const Scalar> step(std::span<const Scalar> u_k) noexcept {
      const Stack& model = *model_;
      assert(static_cast<Index>(u_k.size()) == model.shape().inputs);
      if (model.shape().symbols > 0) {
        const auto symbol = static_cast<Index>(u_k[0]);
        assert(symbol >= 0 && symbol < model.shape().symbols);
        std::copy_n(model.weights_.encoder.W.row(symbol).data(), x_.rows(), x_.data());
      } else {
        linear<Scalar>(model.weights_.encoder, u_k, x_.values());
      }
      const Sequence<Scalar> row(x_.data(), 1, x_.rows()), work(y_.data(), 1, y_.rows()), wide(z_.data(), 1, z_.rows());
      for (std::size_t i = 0; i < states_.size(); ++i)
        model.pass_block(
            i, row, work, wide, [&] { model.layers_[i].step(y_.values(), y_.values(), states_[i]); },
            [&](const Linear<Scalar>& mix) { linear<Scalar>(mix, y_.values(), z_.values()); });
      ++steps_;
      if (model.shape().pool == Pool::mean)
        for (Index h = 0; h < x_.rows(); ++h) {
          sum_(h) += static_cast<double>(x_(h));
          x_(h) = static_cast<Scalar>(sum_(h) / static_cast<double>(steps_));
        }
      linear<Scalar>(model.weights_.decoder, x_.values(), answer_.values());
      return answer_.values();
    }
    /// Steps so far.
    Index steps() const noexcept { return steps_; }

   private:
    const Stack* model_;
    std::vector<typename Layer::State> states_;
    Array<Scalar> x_, y_, z_;
    Array<double> sum_;
    Array<Scalar> answer_;
    Index steps_ = 0;
  };
  /// Begins from rest.
  Stream stream() const { return Stream(*this); }

  /// Pieces of the model that training runs one by one. @{
  void encode(ConstSequence<Scalar> u, Sequence<Scalar> x) const {
    ssm::detail::require_size("inputs of a step", shape().inputs, u.features());
    if (shape().symbols == 0) return linear<Scalar>(weights_.encoder, u, x);
    embedding<Scalar>(weights_.encoder.W, symbols(u), x);
  }
  std::vector<Index> symbols(ConstSequence<Scalar> u) const {
    std::vector<Index> ids;
    for (Index k = 0; k < u.length(); ++k) ids.push_back(static_cast<Index>(u(k, 0)));
    return ids;
  }
  void normalize(const Norm<Scalar>& norm, ConstSequence<Scalar> x, Sequence<Scalar> y) const {
    if (shape().batch_norm)
      batch_norm<Scalar>(norm, x, y);
    else
      layer_norm<Scalar>(norm, x, y);
  }
  void run_layer(std::size_t i, ConstSequence<Scalar> u, Sequence<Scalar> y, std::span<const Scalar> intervals) const {
    if constexpr (requires { layers_[i].forward(u, y); })
      if (intervals.empty()) return layers_[i].forward(u, y);
    auto state = layers_[i].initial_state();
    if (intervals.empty()) return layers_[i].forward(u, y, state);
    if constexpr (requires { layers_[i].forward(u, intervals, y, state); })
      layers_[i].forward(u, intervals, y, state);
    else
      throw DomainError("intervals: expected none, this layer has one time step for all");
  }
  void decode(ConstSequence<Scalar> x, Sequence<Scalar> answer) const {
    if (shape().pool == Pool::none) return linear<Scalar>(weights_.decoder, x, answer);
    std::vector<Scalar> pooled(at(shape().features));
    pool(x, pooled);
    linear<Scalar>(weights_.decoder, {pooled.data(), 1, shape().features}, answer);
  }
  void pool(ConstSequence<Scalar> x, std::span<Scalar> pooled) const {
    if (shape().pool == Pool::mean)
      mean_pool<Scalar>(x, pooled);
    else
      last_pool<Scalar>(x, pooled);
  }
  /// @}

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

  /// Block i in evaluation: x becomes what comes out of it.
  /// @param x      rows that lie together   (L, H)
  /// @param work   buffer                   (L, H)
  /// @param wide   buffer                   (L, 2 H)
  /// @param run    run(): the layer, from work to work
  /// @param mix    mix(map): the linear map, from work to wide
  template <class Run, class Mix>
  void pass_block(std::size_t i, Sequence<Scalar> x, Sequence<Scalar> work, Sequence<Scalar> wide, Run run,
                  Mix mix) const {
    const auto& block = weights_.blocks[i];
    const std::span<Scalar> sum(x.data(), at(x.length() * x.features())), part(work.data(), sum.size());
    if (shape().pre_norm)
      normalize(block.norm, x, work);
    else
      std::copy(sum.begin(), sum.end(), part.begin());
    run();
    activate<Gelu, Scalar>({}, part, part);
    mix(block.mix);
    glu<Scalar>(wide, work);
    for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += part[j];
    if (!shape().pre_norm) normalize(block.norm, x, x);
  }

  static void set_discretization(typename Layer::Shape& sizes, const DenseDiscretization& method) {
    using Has = std::remove_cvref_t<decltype(Layer::Parameters::discretization)>;
    [[maybe_unused]] const auto own = convert<Has>(method);
    if constexpr (requires { sizes.discretization = own; }) sizes.discretization = own;
  }
  template <class Measure>
  static Parameters drawn(Measure measure, const StackShape& shape, Random& random) {
    shape.check();
    Parameters all;
    all.shape = shape;
    if (shape.symbols > 0) {
      all.encoder.W = Array<Scalar>(shape.symbols, shape.features);
      for (auto& value : all.encoder.W) value = static_cast<Scalar>(random.normal());
    } else {
      all.encoder = Linear<Scalar>(shape.inputs, shape.features, random);
    }
    typename Layer::Shape sizes{};
    sizes.features = shape.features;
    sizes.states = shape.states;
    sizes.dt_min = shape.dt_min;
    sizes.dt_max = shape.dt_max;
    if (shape.discretization) set_discretization(sizes, *shape.discretization);
    for (Index i = 0; i < shape.layers; ++i)
      all.blocks.push_back({Norm<Scalar>(shape.features, shape.batch_norm), initial<Layer>(measure, sizes, random),
                            Linear<Scalar>(shape.features, 2 * shape.features, random)});
    all.decoder = Linear<Scalar>(shape.features, shape.outputs, random);
    return all;
  }
  void check() const {
    const auto& [shape, encoder, blocks, decoder] = weights_;
    shape.check();
    const Index H = shape.features;
    if (shape.symbols > 0)
      ssm::detail::require_shape("encoder/W", encoder.W, shape.symbols, H);
    else
      require_linear("encoder", encoder, shape.inputs, H);
    ssm::detail::require_size("blocks", shape.layers, static_cast<Index>(blocks.size()));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const std::string name = "block" + std::to_string(i);
      ssm::detail::require_shape(name + "/norm/weight", blocks[i].norm.weight, H);
      ssm::detail::require_shape(name + "/norm/bias", blocks[i].norm.bias, H);
      ssm::detail::require_shape(name + "/norm/running_mean", blocks[i].norm.running_mean, shape.batch_norm ? H : 0);
      ssm::detail::require_shape(name + "/norm/running_var", blocks[i].norm.running_var, shape.batch_norm ? H : 0);
      ssm::detail::require_size(name + "/ssm: features", H, blocks[i].ssm.features());
      require_linear(name + "/mix", blocks[i].mix, H, 2 * H);
    }
    require_linear("decoder", decoder, H, shape.outputs);
  }
  static void require_linear(const std::string& name, const Linear<Scalar>& map, Index inputs, Index outputs) {
    ssm::detail::require_shape(name + "/W", map.W, outputs, inputs);
    ssm::detail::require_shape(name + "/b", map.b, outputs);
  }

  Parameters weights_;
  Sampling sampling_;
  std::vector<Layer> layers_;
};

}  // namespace ssm::nn
