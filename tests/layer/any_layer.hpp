#pragma once

#include "ssm/layer/concept.hpp"

#include <functional>
#include <memory>
#include <string>

namespace support {

using ssm::Index;

/// Any layer behind one type, itself a TimeInvariantSSMLayer, so that what is written for every layer is compiled once
/// for each scalar. Its forward is one of the layer's modes, chosen when it is wrapped.
template <class T>
class AnyLayer {
  struct Held {
    virtual ~Held() = default;
    virtual std::unique_ptr<Held> copy() const = 0;
    virtual void assign(const Held& other) = 0;
    virtual bool equals(const Held& other) const = 0;
  };
  template <class State>
  struct HeldState final : Held {
    explicit HeldState(State s) : state(std::move(s)) {}
    std::unique_ptr<Held> copy() const override { return std::make_unique<HeldState>(state); }
    void assign(const Held& other) override { state = static_cast<const HeldState&>(other).state; }
    bool equals(const Held& other) const override { return state == static_cast<const HeldState&>(other).state; }
    State state;
  };

 public:
  struct Model {
    virtual ~Model() = default;
    virtual Index features() const = 0;
    virtual std::unique_ptr<Held> initial_state() const = 0;
    virtual void step(std::span<const T> u, std::span<T> y, Held& state) const noexcept = 0;
    virtual void forward(ssm::ConstSequence<T> u, ssm::Sequence<T> y, Held& state) const = 0;
    virtual ssm::Array<T> impulse_response(Index length) const = 0;
  };

  using Scalar = T;
  using Parameters = std::shared_ptr<const Model>;
  class State {
   public:
    explicit State(std::unique_ptr<Held> held) : held_(std::move(held)) {}
    State(const State& other) : held_(other.held_->copy()) {}
    State(State&&) noexcept = default;
    State& operator=(const State& other) {
      held_->assign(*other.held_);
      return *this;
    }
    State& operator=(State&&) noexcept = default;
    friend bool operator==(const State& a, const State& b) { return a.held_->equals(*b.held_); }

   private:
    friend class AnyLayer;
    std::unique_ptr<Held> held_;
  };

  explicit AnyLayer(const Parameters& model) : model_(model) {}

  /// @param mode   none for the layer's default
  template <ssm::TimeInvariantSSMLayer Layer, class... Mode>
  static AnyLayer of(Layer layer, Mode... mode) {
    using S = typename Layer::State;
    struct Wrapped final : Model {
      Wrapped(Layer l, Mode... m) : layer(std::move(l)), modes(m...) {}
      static S& own(Held& state) { return static_cast<HeldState<S>&>(state).state; }
      Index features() const override { return layer.features(); }
      std::unique_ptr<Held> initial_state() const override {
        return std::make_unique<HeldState<S>>(layer.initial_state());
      }
      void step(std::span<const T> u, std::span<T> y, Held& state) const noexcept override {
        layer.step(u, y, own(state));
      }
      void forward(ssm::ConstSequence<T> u, ssm::Sequence<T> y, Held& state) const override {
        std::apply([&](auto... m) { layer.forward(u, y, own(state), m...); }, modes);
      }
      ssm::Array<T> impulse_response(Index length) const override { return layer.impulse_response(length); }
      Layer layer;
      std::tuple<Mode...> modes;
    };
    return AnyLayer(std::make_shared<Wrapped>(std::move(layer), mode...));
  }

  Index features() const { return model_->features(); }
  State initial_state() const { return State(model_->initial_state()); }
  void step(std::span<const T> u, std::span<T> y, State& state) const noexcept { model_->step(u, y, *state.held_); }
  void forward(ssm::ConstSequence<T> u, ssm::Sequence<T> y, State& state) const { model_->forward(u, y, *state.held_); }
  ssm::Array<T> impulse_response(Index length) const { return model_->impulse_response(length); }

 private:
  Parameters model_;
};
static_assert(ssm::TimeInvariantSSMLayer<AnyLayer<float>>);

}  // namespace support
