#pragma once

#include "ssm/discretize/method.hpp"
#include "ssm/layer/erased.hpp"
#include "ssm/layer/spectrum.hpp"
#include "ssm/layer/steady_state.hpp"
#include "ssm/layer/trainable.hpp"

#include <functional>
#include <string>
#include <variant>

namespace ssm {

namespace detail {

template <class T>
class AnyModel;

}  // namespace detail

/// Parameters of a layer of any kind: what AnyLayer is initialised from, trained and stored by.
///
///     weights.blocks[0].ssm = AnyParameters<float>::of<S5<float>>(initial<S5<float>>(hippo::LegS{}, shape, random));
///
/// @tparam T   scalar of the data
template <Real T>
class AnyParameters {
 public:
  /// Scalar type of inputs and outputs.
  using Scalar = T;
  /// An array of a layer, to be visited.
  using ArrayPointer = std::variant<Array<T>*, Array<Complex<T>>*>;
  /// A setting of a layer, to be visited.
  using SettingPointer = std::variant<Index*, bool*, T*, Spectrum*, ModalDiscretization*, DenseDiscretization*>;

  /// No layer's: of a feed-forward block.
  AnyParameters() = default;
  /// Takes the parameters of a layer.
  /// @tparam Layer   any TrainableLayer of this scalar: its type cannot be told from its parameters' alone
  template <TrainableLayer Layer>
  static AnyParameters of(typename Layer::Parameters parameters);

  /// Returns whether they are of a layer.
  explicit operator bool() const noexcept { return held_ != nullptr; }
  /// Returns the parameters of such a layer, or nullptr where they are another's.
  template <class Layer>
  const typename Layer::Parameters* get() const noexcept;
  /// Name of the kind of layer in files: "S4D".
  std::string kind() const { return held_ ? held_->kind() : "none"; }
  /// Numbers of an input.
  Index inputs() const { return held_ ? held_->inputs() : 0; }
  /// Numbers of an output.
  Index outputs() const { return held_ ? held_->outputs() : 0; }
  /// H, where outputs are as many as inputs.
  Index features() const { return outputs(); }

  /// Visits the settings stored beside the arrays: f(name, number).
  template <class Self, class F>
  static void each_setting(Self& self, F&& f) {
    if (self.held_)
      self.held_->each_setting([&f](const std::string& name, SettingPointer setting) {
        std::visit(
            [&]<class S>(S* value) {
              if constexpr (std::is_const_v<Self>)
                f(name, std::as_const(*value));
              else
                f(name, *value);
            },
            setting);
      });
  }
  /// Visits all arrays in order: f(name, array, role).
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    if (self.held_)
      self.held_->each([&f](const std::string& name, ArrayPointer array, Role role) {
        std::visit(
            [&]<class A>(A* values) {
              if constexpr (std::is_const_v<Self>)
                f(name, std::as_const(*values), role);
              else
                f(name, *values, role);
            },
            array);
      });
  }

  /// Copies the parameters.
  AnyParameters(const AnyParameters& other) : held_(other.held_ ? other.held_->copy() : nullptr) {}
  /// Takes them.
  AnyParameters(AnyParameters&&) noexcept = default;
  /// Copies or takes them.
  AnyParameters& operator=(AnyParameters other) noexcept {
    held_ = std::move(other.held_);
    return *this;
  }
  ~AnyParameters() = default;

 private:
  template <Real>
  friend class AnyLayer;
  using Model = detail::AnyModel<T>;
  struct Held {
    virtual ~Held() = default;
    virtual std::unique_ptr<Held> copy() const = 0;
    virtual std::string kind() const = 0;
    virtual Index inputs() const = 0;
    virtual Index outputs() const = 0;
    virtual void each(const std::function<void(const std::string&, ArrayPointer, Role)>& f) = 0;
    virtual void each_setting(const std::function<void(const std::string&, SettingPointer)>& f) = 0;
    virtual std::shared_ptr<const Model> make(Sampling sampling, const Model* before) const = 0;
  };
  template <class Layer>
  struct Of;
  std::unique_ptr<Held> held_;
};

namespace detail {

/// A layer of a kind that is not known, with what a block of a deep model asks of it.
template <class T>
class AnyModel {
 public:
  virtual ~AnyModel() = default;
  virtual Index inputs() const noexcept = 0;
  virtual Index outputs() const noexcept = 0;
  virtual double rate() const = 0;
  virtual bool steps() const noexcept = 0;
  virtual bool takes_intervals() const noexcept = 0;
  virtual bool in_place() const noexcept = 0;
  virtual Erased initial_state() const = 0;
  virtual void step(std::span<const T> u_k, std::span<T> y_k, Erased& state) const noexcept = 0;
  virtual void step(std::span<const T> u_k, LayerSteps interval, std::span<T> y_k, Erased& state) const noexcept = 0;
  virtual void forward(ConstSequence<T> u, Sequence<T> y, Erased& state, Erased* checkpoints) const = 0;
  virtual void forward(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, Erased& state) const = 0;
  virtual Erased buffers(Index length) const = 0;
  virtual void process(ConstSequence<T> u, Sequence<T> y, Erased& state, Erased& kept) const = 0;
  virtual Erased settled(std::span<const T> u) const = 0;
  virtual AnyParameters<T> parameters() const = 0;
  virtual Erased cotangent() const = 0;
  virtual void forward_vjp(ConstSequence<T> u, const Erased* from, ConstSequence<T> dy, Erased* dstate, Sequence<T> du,
                           Erased& cotangent, ErasedByType& work) const = 0;
  virtual void forward_vjp(ConstSequence<T> u, Intervals<T> intervals, const Erased& before, ConstSequence<T> dy,
                           Erased& dstate, Sequence<T> du, std::span<T> dintervals, Erased& cotangent,
                           ErasedByType& work) const = 0;
  virtual void parameters_vjp(const Erased& cotangent, AnyParameters<T>& gradient) const = 0;
};

/// The state of a layer that keeps none, two directions: a sequence is from rest.
struct NoState {
  friend bool operator==(NoState, NoState) = default;
};

/// A layer as such a model.
template <class Layer>
class AnyModelOf final : public AnyModel<typename Layer::Scalar> {
  using T = typename Layer::Scalar;
  static constexpr bool stateful = requires { typename Layer::State; };
  static constexpr auto state_type() {
    if constexpr (stateful)
      return std::type_identity<typename Layer::State>();
    else
      return std::type_identity<NoState>();
  }
  using State = typename decltype(state_type())::type;
  using Cotangent = typename Layer::Cotangent;
  using Work = ssm::WorkspaceOf<Layer>;

 public:
  explicit AnyModelOf(Layer given) : layer(std::move(given)) {}
  const Layer layer;

  Index inputs() const noexcept override { return inputs_of(layer); }
  Index outputs() const noexcept override { return outputs_of(layer); }
  double rate() const override {
    if constexpr (requires { layer.rate(); })
      return layer.rate();
    else
      return 1;
  }
  bool steps() const noexcept override { return stateful; }
  bool takes_intervals() const noexcept override { return UnevenTrainable<Layer> || UnevenWhole<Layer>; }
  bool in_place() const noexcept override { return runs_in_place(layer); }
  Erased initial_state() const override {
    if constexpr (stateful)
      return Erased::of(layer.initial_state());
    else
      return Erased::of(NoState());
  }
  void step([[maybe_unused]] std::span<const T> u_k, [[maybe_unused]] std::span<T> y_k,
            [[maybe_unused]] Erased& state) const noexcept override {
    if constexpr (stateful)
      layer.step(u_k, y_k, state.as<State>());
    else
      assert(steps());
  }
  void step([[maybe_unused]] std::span<const T> u_k, [[maybe_unused]] LayerSteps interval,
            [[maybe_unused]] std::span<T> y_k, [[maybe_unused]] Erased& state) const noexcept override {
    if constexpr (requires { layer.step(u_k, interval, y_k, state.as<State>()); })
      layer.step(u_k, interval, y_k, state.as<State>());
    else
      assert(takes_intervals());
  }
  void forward(ConstSequence<T> u, Sequence<T> y, Erased& state, Erased* checkpoints) const override {
    if constexpr (!stateful) {
      layer.forward(u, y);
    } else if constexpr (LeavesCheckpoints<Layer>) {
      if (checkpoints != nullptr)
        layer.forward(u, y, state.as<State>(), checkpoints->as_or_made<typename Layer::Checkpoints>());
      else
        layer.forward(u, y, state.as<State>());
    } else {
      if (checkpoints != nullptr) *checkpoints = state;  // whence the backward run begins
      layer.forward(u, y, state.as<State>());
    }
  }
  void forward(ConstSequence<T> u, [[maybe_unused]] Intervals<T> intervals, Sequence<T> y,
               [[maybe_unused]] Erased& state) const override {
    if constexpr (UnevenWhole<Layer>)
      layer.forward(u, intervals, y);
    else if constexpr (UnevenTrainable<Layer>)
      layer.forward(u, intervals, y, state.as<State>());
    else
      refuse_intervals();
  }
  Erased buffers([[maybe_unused]] Index length) const override {
    if constexpr (requires { layer.buffers(length); })
      return Erased::of(layer.buffers(length));
    else
      return {};
  }
  void process(ConstSequence<T> u, Sequence<T> y, Erased& state, [[maybe_unused]] Erased& kept) const override {
    if constexpr (requires { typename Layer::Buffers; })
      layer.process(u, y, state.as<State>(), kept.as<typename Layer::Buffers>());
    else
      forward(u, y, state, nullptr);
  }
  Erased settled([[maybe_unused]] std::span<const T> u) const override {
    if constexpr (requires { steady_state(layer, u); })
      return Erased::of(steady_state(layer, u));
    else
      throw DomainError("steady state: expected a layer that has one, got one that does not say it");
  }
  AnyParameters<T> parameters() const override { return AnyParameters<T>::template of<Layer>(layer.parameters()); }
  Erased cotangent() const override { return Erased::of(layer.cotangent()); }
  void forward_vjp(ConstSequence<T> u, [[maybe_unused]] const Erased* from, ConstSequence<T> dy,
                   [[maybe_unused]] Erased* dstate, Sequence<T> du, Erased& cotangent,
                   [[maybe_unused]] ErasedByType& work) const override {
    Cotangent& sum = cotangent.as<Cotangent>();
    const auto run = [&](auto&&... given) {
      if constexpr (requires { typename Layer::Workspace; })
        layer.forward_vjp(u, given..., du, sum, &work.get<Work>());
      else
        layer.forward_vjp(u, given..., du, sum);
    };
    if constexpr (stateful) {
      if (from != nullptr) {
        State& d = dstate->as<State>();
        if constexpr (LeavesCheckpoints<Layer>)
          if (from->is<typename Layer::Checkpoints>()) return run(from->as<typename Layer::Checkpoints>(), dy, d);
        return run(from->as<State>(), dy, d);
      }
    }
    run(dy);
  }
  void forward_vjp(ConstSequence<T> u, [[maybe_unused]] Intervals<T> intervals, [[maybe_unused]] const Erased& before,
                   ConstSequence<T> dy, [[maybe_unused]] Erased& dstate, Sequence<T> du,
                   [[maybe_unused]] std::span<T> dintervals, [[maybe_unused]] Erased& cotangent,
                   [[maybe_unused]] ErasedByType& work) const override {
    Cotangent& sum = cotangent.as<Cotangent>();
    const auto run = [&](auto... kept) {
      if constexpr (UnevenWhole<Layer>)
        layer.forward_vjp(u, intervals, dy, du, sum, kept...);
      else if constexpr (UnevenTrainable<Layer>)
        layer.forward_vjp(u, intervals, before.as<State>(), dy, dstate.as<State>(), du, dintervals, sum, kept...);
    };
    if constexpr (UnevenWhole<Layer> || UnevenTrainable<Layer>) {
      if constexpr (requires { typename Layer::Workspace; })
        run(&work.get<Work>());
      else
        run();
    } else {
      refuse_intervals();
    }
  }
  void parameters_vjp(const Erased& cotangent, AnyParameters<T>& gradient) const override {
    auto* const own = gradient.template get<Layer>();
    if (own == nullptr)
      throw ShapeError(
          ssm::detail::message("gradient: expected that of ", parameters().kind(), ", got ", gradient.kind()));
    layer.parameters_vjp(cotangent.as<Cotangent>(), const_cast<typename Layer::Parameters&>(*own));
  }
};

}  // namespace detail

/// Holds the parameters of one kind.
template <Real T>
template <class Layer>
struct AnyParameters<T>::Of final : AnyParameters<T>::Held {
  using Own = typename Layer::Parameters;
  explicit Of(Own given) : value(std::move(given)) {}
  std::unique_ptr<Held> copy() const override { return std::make_unique<Of>(value); }
  std::string kind() const override { return detail::kind_of<Layer>(value); }
  Index inputs() const override { return inputs_of(value); }
  Index outputs() const override { return outputs_of(value); }
  void each(const std::function<void(const std::string&, ArrayPointer, Role)>& f) override {
    Own::each(value, [&](const std::string& name, auto& array, Role role) { f(name, &array, role); });
  }
  void each_setting([[maybe_unused]] const std::function<void(const std::string&, SettingPointer)>& f) override {
    const auto visit = [&](const std::string& name, auto& setting) { f(name, &setting); };
    if constexpr (requires { Own::each_setting(value, visit); }) Own::each_setting(value, visit);
  }
  std::shared_ptr<const Model> make(Sampling sampling, [[maybe_unused]] const Model* before) const override {
    using Made = detail::AnyModelOf<Layer>;
    if constexpr (std::constructible_from<Layer, const Own&, const Layer&>)
      if (const auto* own = dynamic_cast<const Made*>(before)) return std::make_shared<Made>(Layer(value, own->layer));
    return std::make_shared<Made>(Layer(value, sampling));
  }
  Own value;
};

/// Takes the parameters of a layer.
template <Real T>
template <TrainableLayer Layer>
AnyParameters<T> AnyParameters<T>::of(typename Layer::Parameters parameters) {
  static_assert(std::same_as<T, typename Layer::Scalar>, "the layer has another scalar");
  AnyParameters made;
  made.held_ = std::make_unique<Of<Layer>>(std::move(parameters));
  return made;
}
template <Real T>
template <class Layer>
const typename Layer::Parameters* AnyParameters<T>::get() const noexcept {
  const auto* const own = dynamic_cast<const Of<Layer>*>(held_.get());
  return own == nullptr ? nullptr : &own->value;
}

/// A layer of any kind behind one type: S4, S4D, S5, LSSL, RectangularS5, one of its user's, or two directions. It is a
/// TrainableSSMLayer itself, so `nn::Stack<AnyLayer<float>>` mixes layers; the layer within does all of the work, and
/// the results are its results to the bit.
///
/// A layer of two directions has neither step nor state: `steps()` says so, `initial_state` then gives a state that
/// says nothing, and `step` must not be called. A step costs one indirect call more than the layer's own, and allocates
/// nothing. Copies share the layer, which never changes.
///
/// @tparam T   scalar of the data
template <Real T>
class AnyLayer {
 public:
  /// Scalar type of inputs and outputs.
  using Scalar = T;
  /// Parameters that are initialised, trained and stored.
  using Parameters = AnyParameters<T>;
  /// State that the caller owns between calls.
  using State = detail::Erased;
  /// Derivatives by the layer's discrete numbers: see TrainableLayer.
  using Cotangent = detail::Erased;
  /// Checkpoints that a forward run leaves for its backward run.
  using Checkpoints = detail::Erased;
  /// Scratch memory of a backward run: one for each kind of layer that it was used with.
  using Workspace = detail::ErasedByType;

  /// Makes the layer.
  /// @param parameters   of a layer: not those made by default
  /// @param sampling     the rate multiplies every dt
  /// @throws             as the layer; DomainError if the parameters are no layer's
  explicit AnyLayer(const Parameters& parameters, Sampling sampling = {})
      : model_(held(parameters).make(sampling, nullptr)) {}
  /// Makes a layer of other parameters at the rate of one before, of which it keeps what has not changed.
  /// @throws as the layer; DomainError if the parameters are no layer's
  AnyLayer(const Parameters& parameters, const AnyLayer& before)
      : model_(held(parameters).make({before.rate()}, before.model_.get())) {}

  /// Numbers of an input.
  Index inputs() const noexcept { return model_->inputs(); }
  /// Numbers of an output.
  Index outputs() const noexcept { return model_->outputs(); }
  /// H, where outputs are as many as inputs.
  Index features() const noexcept { return model_->outputs(); }
  /// Ratio of sampling intervals: every time step is multiplied by it.
  double rate() const { return model_->rate(); }
  /// Whether the layer steps and keeps a state.
  bool steps() const noexcept { return model_->steps(); }
  /// Whether the layer takes a time step for every sample.
  bool takes_intervals() const noexcept { return model_->takes_intervals(); }
  /// Whether y may be u's memory.
  bool in_place() const noexcept { return model_->in_place(); }
  /// Returns a copy of the parameters as they were given.
  Parameters parameters() const { return model_->parameters(); }
  /// Returns the layer within, or nullptr where it is of another type.
  template <class Layer>
  const Layer* get() const noexcept {
    const auto* const own = dynamic_cast<const detail::AnyModelOf<Layer>*>(model_.get());
    return own == nullptr ? nullptr : &own->layer;
  }

  /// The state before the first step: rest.
  State initial_state() const { return model_->initial_state(); }
  /// Computes one time step. Neither throws nor allocates; sizes, and that the layer steps, are asserted.
  void step(std::span<const T> u_k, std::span<T> y_k, State& state) const noexcept { model_->step(u_k, y_k, state); }
  /// Computes one time step that takes `interval` times the layer's own, where it takes intervals (asserted).
  void step(std::span<const T> u_k, LayerSteps interval, std::span<T> y_k, State& state) const noexcept {
    model_->step(u_k, interval, y_k, state);
  }
  /// A sequence from a state, leaving the state behind its last step; of two directions, a whole one from rest.
  /// @param u       input            (L, inputs)
  /// @param y       output           (L, outputs)     may be u where the layer allows it
  /// @param state   before step 0, becomes that after step L-1
  /// @throws        ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y, State& state) const { model_->forward(u, y, state, nullptr); }
  /// Runs a sequence and leaves checkpoints for its backward run.
  /// @param u             input            (L, inputs)
  /// @param y             output           (L, outputs)
  /// @param state         before step 0, becomes that after step L-1
  /// @param checkpoints   become those of this run
  /// @throws              ShapeError if the sizes disagree
  void forward(ConstSequence<T> u, Sequence<T> y, State& state, Checkpoints& checkpoints) const {
    model_->forward(u, y, state, &checkpoints);
  }
  /// A sequence of uneven samples: step k takes intervals[k] times the layer's own.
  /// @param u           input            (L, inputs)
  /// @param intervals   >= 0 and finite, in seconds or in steps of the layer      (L)
  /// @param y           output           (L, outputs)     may be u where the layer allows it
  /// @param state       before step 0, becomes that after step L-1
  /// @throws            ShapeError if the sizes disagree; DomainError if the layer takes no intervals, or one is
  ///                    negative or not finite
  void forward(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, State& state) const {
    model_->forward(u, intervals, y, state);
  }

  /// Memory of runs that is kept from one to the next: see `process`.
  using Buffers = detail::Erased;
  /// Memory for runs of up to so many steps.
  Buffers buffers(Index length) const { return model_->buffers(length); }
  /// A sequence from a state, as `forward`, in memory that was made before: allocates nothing where the layer does not.
  void process(ConstSequence<T> u, Sequence<T> y, State& state, Buffers& kept) const {
    model_->process(u, y, state, kept);
  }

  /// Returns a zero cotangent, ready to accumulate sequences.
  Cotangent cotangent() const { return model_->cotangent(); }
  /// Computes the derivatives of a sequence from rest whose final state is not used; see the layer's own.
  void forward_vjp(ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du, Cotangent& cotangent,
                   Workspace* kept = nullptr) const {
    Workspace made_here;
    model_->forward_vjp(u, nullptr, dy, nullptr, du, cotangent, kept == nullptr ? made_here : *kept);
  }
  /// Computes the derivatives of a sequence from a state.
  /// @param u           input                     (L, inputs)
  /// @param from        the state before step 0, or the checkpoints of the forward run: which it is, it knows
  /// @param dy          cotangent of the output   (L, outputs)
  /// @param dstate      cotangent of the state after the last step; becomes that of the state before the first
  /// @param du          += cotangent of u         (L, inputs)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @param kept        scratch memory of an earlier run, or nullptr: made here
  /// @throws            ShapeError if the sizes disagree
  void forward_vjp(ConstSequence<T> u, const detail::Erased& from, ConstSequence<T> dy, State& dstate, Sequence<T> du,
                   Cotangent& cotangent, Workspace* kept = nullptr) const {
    Workspace made_here;
    model_->forward_vjp(u, &from, dy, &dstate, du, cotangent, kept == nullptr ? made_here : *kept);
  }
  /// Computes the derivatives of a sequence of uneven samples; see S5's.
  void forward_vjp(ConstSequence<T> u, Intervals<T> intervals, const State& before, ConstSequence<T> dy, State& dstate,
                   Sequence<T> du, std::span<T> dintervals, Cotangent& cotangent, Workspace* kept = nullptr) const {
    Workspace made_here;
    model_->forward_vjp(u, intervals, before, dy, dstate, du, dintervals, cotangent,
                        kept == nullptr ? made_here : *kept);
  }
  /// Adds to the gradient of every stored number what the cotangent of the discrete ones makes of it.
  /// @throws ShapeError if the gradient has other sizes, or is another kind's
  void parameters_vjp(const Cotangent& cotangent, Parameters& gradient) const {
    model_->parameters_vjp(cotangent, gradient);
  }
  /// Returns the state in which a constant input leaves the layer for ever; see steady_state of the layer's own kind.
  /// @throws as that; DomainError if the kind has no such function
  friend State steady_state(const AnyLayer& layer, std::span<const T> u) { return layer.model_->settled(u); }

 private:
  static const typename Parameters::Held& held(const Parameters& parameters) {
    if (!parameters) throw DomainError("parameters: expected those of a layer, got none");
    return *parameters.held_;
  }
  std::shared_ptr<const detail::AnyModel<T>> model_;
};

}  // namespace ssm
