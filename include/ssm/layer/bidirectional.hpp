#pragma once

#include "ssm/layer/batch.hpp"
#include "ssm/layer/trainable.hpp"

#include <string>
#include <vector>

namespace ssm {

namespace detail {

/// Ways in which two layers in opposite directions are joined. @{
struct Added {
  static constexpr const char* prefix = "bidirectional";  // in files, before the name of the layers
  static constexpr bool beside = false;                   // outputs stand side by side
  static constexpr Index lag = 0;                         // steps that the backward half is late
};
struct AddedOneLate {
  static constexpr const char* prefix = "shifted bidirectional";
  static constexpr bool beside = false;
  static constexpr Index lag = 1;
};
struct Beside {
  static constexpr const char* prefix = "concatenated bidirectional";
  static constexpr bool beside = true;
  static constexpr Index lag = 0;
};
/// @}

/// Name of two layers of such kinds in files.
template <class Kind>
std::string two_directions(const std::string& forward, const std::string& backward) {
  return std::string(Kind::prefix) + " " + forward + (forward == backward ? "" : " and " + backward);
}

}  // namespace detail

/// Parameters of two layers in opposite directions, stored and trained.
///
/// @tparam Kind   how they are joined
template <class Kind, class Forward, class Backward>
struct BidirectionalParameters {
  /// Scalar of the data.
  using Scalar = typename Forward::Scalar;

  Forward forward;    ///< of the layer that reads from the first step on
  Backward backward;  ///< of the one that reads from the last step on

  /// Name of this kind of layer in files: "bidirectional S4D", "bidirectional S4D and S5".
  inline static const std::string kind = detail::two_directions<Kind>(Forward::kind, Backward::kind);
  /// Visits the settings stored beside the arrays: f(name, number), as in "forward/states".
  template <class Self, class F>
  static void each_setting(Self& self, F&& f) {
    Forward::each_setting(self.forward, within("forward/", f));
    Backward::each_setting(self.backward, within("backward/", f));
  }
  /// Visits all arrays in order: f(name, array, role), as in "backward/log_dt".
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    Forward::each(self.forward, within("forward/", f));
    Backward::each(self.backward, within("backward/", f));
  }

  /// Numbers of an input.
  Index inputs() const { return inputs_of(forward); }
  /// Numbers of an output.
  Index outputs() const { return (Kind::beside ? 2 : 1) * outputs_of(forward); }
  /// H, where outputs are as many as inputs.
  Index features() const { return outputs(); }

  /// Initial values of both, one after the other.
  template <class Initial, class Shape, class... Choice>
  static BidirectionalParameters initial(Initial initial, const Shape& shape, Random& random, Choice... choice) {
    auto first = Forward::initial(initial, shape, random, choice...);
    return {std::move(first), Backward::initial(initial, shape, random, choice...)};
  }

 private:
  template <class F>
  static auto within(const char* folder, F& f) {
    return [folder, &f](const std::string& name, auto& value, auto... role) { f(folder + name, value, role...); };
  }
};

namespace detail {

/// A sequence from its last step to its first, in `memory`.
template <Real T>
Sequence<T> turned(ConstSequence<T> from, std::vector<T>& memory) {
  const Index L = from.length(), H = from.features();
  memory.resize(static_cast<std::size_t>(L * H));
  const Sequence<T> to(memory.data(), L, H);
  for (Index k = 0; k < L; ++k) std::copy_n(from.row(L - 1 - k).data(), H, to.row(k).data());
  return to;
}

/// Two layers in opposite directions.
template <class Kind, class ForwardLayer, class BackwardLayer>
class BothWays {
 public:
  /// Scalar type of inputs and outputs.
  using Scalar = typename ForwardLayer::Scalar;
  static_assert(std::same_as<Scalar, typename BackwardLayer::Scalar>, "both directions take the same scalar");

  /// @throws ShapeError unless both have the same inputs and outputs
  BothWays(ForwardLayer forward_layer, BackwardLayer backward_layer)
      : forward_(std::move(forward_layer)), backward_(std::move(backward_layer)) {
    require_size("features of the backward layer", inputs_of(forward_), inputs_of(backward_));
    require_size("outputs of the backward layer", outputs_of(forward_), outputs_of(backward_));
  }

  /// Numbers of an input.
  Index inputs() const { return inputs_of(forward_); }
  /// Numbers of an output.
  Index outputs() const { return (Kind::beside ? 2 : 1) * outputs_of(forward_); }
  /// H, where outputs are as many as inputs.
  Index features() const { return outputs(); }
  /// The layer that reads from the first step on.
  const ForwardLayer& forward_layer() const noexcept { return forward_; }
  /// The layer that reads from the last step on.
  const BackwardLayer& backward_layer() const noexcept { return backward_; }
  /// The way in which they are joined.
  using Joined = Kind;
  /// Ratio of sampling intervals: every time step is multiplied by it.
  double rate() const noexcept requires requires(const ForwardLayer& layer) { layer.rate(); }
  { return forward_.rate(); }

  /// A whole sequence, both directions from rest.
  /// @param u      input            (L, inputs)
  /// @param y      output           (L, outputs)     may be u where both have one size
  /// @param mode   one that both layers have; none for their defaults
  /// @throws       ShapeError if the sizes disagree
  /// @note         twice the cost of a layer; (L, H) numbers of memory
  template <class... Mode>
  void forward(ConstSequence<Scalar> u, Sequence<Scalar> y, Mode... mode) const {
    check(u, y);
    run(u, y, [&](const auto& layer, ConstSequence<Scalar> from, Sequence<Scalar> to, bool) {
      if constexpr (sizeof...(Mode) == 0 && requires { layer.forward(from, to); }) {
        layer.forward(from, to);
      } else {
        auto state = layer.initial_state();
        layer.forward(from, to, state, mode...);
      }
    });
  }
  /// A whole sequence of uneven samples, where both layers take them; see ReadBackwards for the backward half.
  /// @param u           input            (L, inputs)
  /// @param intervals   >= 0 and finite, in seconds or in steps of the layers      (L)
  /// @param y           output           (L, outputs)     may be u where both have one size
  /// @throws            ShapeError if the sizes disagree; DomainError if an interval is negative or not finite
  void forward(ConstSequence<Scalar> u, Intervals<Scalar> intervals, Sequence<Scalar> y) const requires
      requires(const ForwardLayer& f, const BackwardLayer& b, typename ForwardLayer::State past,
               typename BackwardLayer::State future) {
    f.forward(u, intervals, y, past);
    b.forward(u, intervals, y, future);
  }
  {
    check(u, y);
    intervals.check(u.length());
    std::vector<Scalar> memory;
    const Intervals<Scalar> turned = intervals.backwards(memory);
    run(u, y, [&](const auto& layer, ConstSequence<Scalar> from, Sequence<Scalar> to, bool past) {
      auto state = layer.initial_state();
      layer.forward(from, past ? intervals : turned, to, state);
    });
  }

  /// Whole sequences, each with a length of its own: bit for bit what `forward` gives for each alone; y is 0 beyond
  /// them.
  /// @throws ShapeError if the sizes disagree
  template <class... Mode>
  void forward(ConstBatch<Scalar> u, Batch<Scalar> y, Mode... mode) const {
    require_size("features of u", inputs(), u.features());
    require_size("features of y", outputs(), y.features());
    require_size("sequences of y (those of u are expected)", u.size(), y.size());
    require_size("length of y (that of u is expected)", u.length(), y.length());
    for (Index b = 0; b < u.size(); ++b) forward(u[b], y.first_steps(b, u.length(b)), mode...);
    clear_padding<Scalar>(u, y);
  }

 protected:
  ForwardLayer forward_;    ///< reads from the first step on
  BackwardLayer backward_;  ///< reads from the last step on

 private:
  void check(ConstSequence<Scalar> u, ConstSequence<Scalar> y) const {
    require_size("features of u", inputs(), u.features());
    require_size("features of y", outputs(), y.features());
    require_size("length of y (that of u is expected)", u.length(), y.length());
  }
  /// @param one   one(layer, from, to, whether it is the forward one): a layer from rest
  template <class One>
  void run(ConstSequence<Scalar> u, Sequence<Scalar> y, One one) const {
    const Index L = u.length(), H = outputs_of(forward_);
    std::vector<Scalar> reversed, second(static_cast<std::size_t>(inputs() == H ? 0 : L * H));
    const Sequence<Scalar> from = turned<Scalar>(u, reversed),
                           future = inputs() == H ? from : Sequence<Scalar>(second.data(), L, H);
    one(backward_, from, future, false);
    if constexpr (Kind::beside) {
      if (static_cast<const Scalar*>(y.data()) == u.data() && L > 0)
        throw ShapeError("memory of y: expected its own where the halves stand side by side, got that of u");
      one(forward_, u, y.columns(0, H), true);
      for (Index k = 0; k < L; ++k) std::copy_n(future.row(L - 1 - k).data(), H, y.row(k).data() + H);
    } else {
      one(forward_, u, y, true);
      for (Index k = 0; k + Kind::lag < L; ++k)
        for (Index h = 0; h < H; ++h) y(k, h) += future(L - 1 - k - Kind::lag, h);
    }
  }
};

/// Such a pair of layers that are trained: the rest of TrainableLayer.
template <class Kind, class ForwardLayer, class BackwardLayer>
class TrainableBothWays : public BothWays<Kind, ForwardLayer, BackwardLayer> {
  using Base = BothWays<Kind, ForwardLayer, BackwardLayer>;
  using T = typename ForwardLayer::Scalar;

 public:
  using Base::Base;
  /// Parameters that are initialised, trained and stored.
  using Parameters =
      BidirectionalParameters<Kind, typename ForwardLayer::Parameters, typename BackwardLayer::Parameters>;
  /// Sizes for `initial`: of each half.
  using Shape = typename ForwardLayer::Shape;
  /// Name of this kind of layer in files.
  inline static const std::string kind =
      two_directions<Kind>(kind_of<ForwardLayer>(typename ForwardLayer::Parameters{}),
                           kind_of<BackwardLayer>(typename BackwardLayer::Parameters{}));

  /// Makes both layers.
  /// @throws as the layers; ShapeError unless both have the same inputs and outputs
  explicit TrainableBothWays(const Parameters& parameters, Sampling sampling = {})
      : Base(ForwardLayer(parameters.forward, sampling), BackwardLayer(parameters.backward, sampling)) {}

  /// Parameters as they were given.
  Parameters parameters() const { return {this->forward_.parameters(), this->backward_.parameters()}; }

  /// Derivatives by the discrete numbers of both layers.
  struct Cotangent {
    typename ForwardLayer::Cotangent forward;    ///< of the forward layer
    typename BackwardLayer::Cotangent backward;  ///< of the backward one
    /// Adds the cotangent of other sequences.
    Cotangent& operator+=(const Cotangent& other) {
      forward += other.forward;
      backward += other.backward;
      return *this;
    }
    /// The memory that is its value.
    friend std::vector<std::span<std::byte>> parts(Cotangent& both) requires requires {
      parts(both.forward);
      parts(both.backward);
    }
    {
      std::vector<std::span<std::byte>> all;
      for (const auto part : parts(both.forward)) all.push_back(part);
      for (const auto part : parts(both.backward)) all.push_back(part);
      return all;
    }
  };
  /// Scratch memory of a backward run, which a caller may keep from sequence to sequence.
  struct Workspace {
    ssm::WorkspaceOf<ForwardLayer> forward;    ///< the forward layer's
    ssm::WorkspaceOf<BackwardLayer> backward;  ///< the backward one's
    std::vector<T> u, dy, du;                  ///< of the reversed sequence
  };
  /// Returns a zero cotangent, ready to accumulate sequences.
  Cotangent cotangent() const { return {this->forward_.cotangent(), this->backward_.cotangent()}; }

  /// Computes the derivatives of a sequence from rest.
  /// @param u           input                     (L, inputs)
  /// @param dy          cotangent of the output   (L, outputs)
  /// @param du          += cotangent of u         (L, inputs)     not dy's memory
  /// @param cotangent   += that of the layers' discrete numbers
  /// @param kept        scratch memory of an earlier run, or nullptr: made here
  /// @throws            ShapeError if the sizes disagree
  void forward_vjp(ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du, Cotangent& cotangent,
                   Workspace* kept = nullptr) const {
    run_vjp(u, dy, du, kept, [&](const auto& layer, auto from, auto dto, auto dfrom, auto& work, bool past) {
      if (past)
        one_vjp(layer, from, dto, dfrom, cotangent.forward, work);
      else
        one_vjp(layer, from, dto, dfrom, cotangent.backward, work);
    });
  }
  /// Computes the derivatives of a sequence of uneven samples from rest.
  /// @param u           input                     (L, inputs)
  /// @param intervals   as `forward` was given    (L)
  /// @param dy          cotangent of the output   (L, outputs)
  /// @param du          += cotangent of u         (L, inputs)     not dy's memory
  /// @param cotangent   += that of the layers' discrete numbers
  /// @param kept        scratch memory of an earlier run, or nullptr: made here
  /// @throws            ShapeError if the sizes disagree; DomainError if an interval is negative or not finite
  void forward_vjp(ConstSequence<T> u, Intervals<T> intervals, ConstSequence<T> dy, Sequence<T> du,
                   Cotangent& cotangent, Workspace* kept = nullptr) const requires UnevenTrainable<ForwardLayer> &&
      UnevenTrainable<BackwardLayer> {
    intervals.check(u.length());
    std::vector<T> memory;
    const Intervals<T> turned = intervals.backwards(memory);
    run_vjp(u, dy, du, kept, [&](const auto& layer, auto from, auto dto, auto dfrom, auto& work, bool past) {
      const auto run = [&](Intervals<T> own, auto& sum) {
        if constexpr (requires { forward_from_rest_vjp(layer, from, own, dto, dfrom, sum, work); })
          forward_from_rest_vjp(layer, from, own, dto, dfrom, sum, work);
      };
      if (past)
        run(intervals, cotangent.forward);
      else
        run(turned, cotangent.backward);
    });
  }
  /// Adds to the gradient of every stored number what the cotangent of the discrete ones makes of it.
  /// @throws ShapeError if the gradient has other sizes
  void parameters_vjp(const Cotangent& cotangent, Parameters& gradient) const {
    this->forward_.parameters_vjp(cotangent.forward, gradient.forward);
    this->backward_.parameters_vjp(cotangent.backward, gradient.backward);
  }

 private:
  template <class Layer>
  static void one_vjp(const Layer& layer, ConstSequence<T> from, ConstSequence<T> dto, Sequence<T> dfrom,
                      auto& cotangent, auto& work) {
    if constexpr (requires { layer.forward_vjp(from, dto, dfrom, cotangent, &work); })
      layer.forward_vjp(from, dto, dfrom, cotangent, &work);
    else if constexpr (requires { layer.forward_vjp(from, dto, dfrom, cotangent); })
      layer.forward_vjp(from, dto, dfrom, cotangent);
  }
  template <class One>
  void run_vjp(ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du, Workspace* kept, One one) const {
    require_size("features of dy", this->outputs(), dy.features());
    require_size("length of dy (that of u is expected)", u.length(), dy.length());
    if (kept == nullptr) {
      Workspace made_here;
      return run_vjp(u, dy, du, &made_here, one);
    }
    const Index L = u.length(), H = outputs_of(this->forward_);
    const ConstSequence<T> dpast = Kind::beside ? dy.columns(0, H) : dy, dlate = Kind::beside ? dy.columns(H, H) : dy;
    one(this->forward_, u, dpast, du, kept->forward, true);
    const Sequence<T> from = turned<T>(u, kept->u);
    kept->dy.assign(static_cast<std::size_t>(L * H), T(0));
    kept->du.assign(static_cast<std::size_t>(L * u.features()), T(0));
    const Sequence<T> dto(kept->dy.data(), L, H), dfrom(kept->du.data(), L, u.features());
    for (Index k = 0; k + Kind::lag < L; ++k)
      std::copy_n(dlate.row(k).data(), H, dto.row(L - 1 - k - Kind::lag).data());
    one(this->backward_, from, dto, dfrom, kept->backward, false);
    for (Index k = 0; k < L; ++k)
      for (Index h = 0; h < u.features(); ++h) du(k, h) += dfrom(L - 1 - k, h);
  }
};

/// Such a pair, with derivatives where both layers have them.
template <class Kind, class Forward, class Backward>
struct BothWaysOf {
  using type = BothWays<Kind, Forward, Backward>;
};
template <class Kind, TrainableLayer Forward, TrainableLayer Backward>
struct BothWaysOf<Kind, Forward, Backward> {
  using type = TrainableBothWays<Kind, Forward, Backward>;
};

}  // namespace detail

/// Two layers over whole sequences, one in each direction, added up.
///
///     y_k = forward layer at k + backward layer at k,     the backward one having read u_(L-1), .., u_k
///
/// The present sample is in both halves, so the direct terms D of both are added. S5 code base: C_f x_f + C_b x_b + D
/// u, with a backward D of 0. It has no step: the future is not there yet, so it is no SSMLayer. It is a TrainableLayer
/// where both of its layers are.
template <class Forward, class Backward = Forward>
class Bidirectional : public detail::BothWaysOf<detail::Added, Forward, Backward>::type {
  using Base = typename detail::BothWaysOf<detail::Added, Forward, Backward>::type;

 public:
  using Base::Base;
};
template <SSMLayer Forward, SSMLayer Backward>
Bidirectional(Forward, Backward) -> Bidirectional<Forward, Backward>;

/// Two layers over whole sequences, as Bidirectional, but the backward half leaves the present sample out.
///
///     y_k = forward layer at k + backward layer at k + 1,     the backward one having read u_(L-1), .., u_(k+1)
///
/// The direct term of the backward layer is of u_(k+1). The S4 code base does so, and weights that were trained there
/// need it.
template <class Forward, class Backward = Forward>
class ShiftedBidirectional : public detail::BothWaysOf<detail::AddedOneLate, Forward, Backward>::type {
  using Base = typename detail::BothWaysOf<detail::AddedOneLate, Forward, Backward>::type;

 public:
  using Base::Base;
};
template <SSMLayer Forward, SSMLayer Backward>
ShiftedBidirectional(Forward, Backward) -> ShiftedBidirectional<Forward, Backward>;

/// Two layers over whole sequences, one in each direction, side by side.
///
///     y_k = [forward layer at k, backward layer at k],     the backward one having read u_(L-1), .., u_k
///
/// It has twice as many outputs as inputs; a block's mixing joins them.
template <class Forward, class Backward = Forward>
class ConcatenatedBidirectional : public detail::BothWaysOf<detail::Beside, Forward, Backward>::type {
  using Base = typename detail::BothWaysOf<detail::Beside, Forward, Backward>::type;

 public:
  using Base::Base;
};
template <SSMLayer Forward, SSMLayer Backward>
ConcatenatedBidirectional(Forward, Backward) -> ConcatenatedBidirectional<Forward, Backward>;

}  // namespace ssm
