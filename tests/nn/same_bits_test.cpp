// The same numbers give the same bits wherever they lie in memory: every block and layer, forwards and backwards, and
// whole trainings, with sequences at odd addresses and allocations moved.
#include "layer/laws.hpp"
#include "ssm/core/thread_pool.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/nn/backpropagation.hpp"
#include "ssm/nn/loss.hpp"
#include "ssm/optim/adamw.hpp"

using namespace ssm;

namespace {

using Bits = std::vector<float>;

/// Rows of noise that begin some bytes behind a multiple of 64.
class Placed {
 public:
  Placed(Index length, Index features, std::size_t bytes, std::uint64_t seed) : Placed(length, features, bytes) {
    Random random(seed);
    for (Index i = 0; i < length * features; ++i) first_[i] = static_cast<float>(random.normal());
  }
  /// Zeros.
  Placed(Index length, Index features, std::size_t bytes)
      : memory_(static_cast<std::size_t>(length * features) + 64), length_(length), features_(features) {
    auto at = reinterpret_cast<std::uintptr_t>(memory_.data());
    at = (at + 63) / 64 * 64 + bytes;
    first_ = reinterpret_cast<float*>(at);
  }
  operator Sequence<float>() { return {first_, length_, features_}; }
  operator ConstSequence<float>() const { return {first_, length_, features_}; }
  Placed(Placed&&) = default;
  std::span<const float> all() const { return {first_, static_cast<std::size_t>(length_ * features_)}; }
  std::span<float> all() { return {first_, static_cast<std::size_t>(length_ * features_)}; }

 private:
  Bits memory_;
  float* first_ = nullptr;
  Index length_, features_;
};

void append(Bits& all, std::span<const float> more) { all.insert(all.end(), more.begin(), more.end()); }
template <class Parameters>
void append_parameters(Bits& all, Parameters& parameters) {
  Parameters::each(parameters, [&](const auto&, auto& array, Role) {
    append(all, {reinterpret_cast<const float*>(array.data()),
                 static_cast<std::size_t>(array.size()) * sizeof(*array.data()) / sizeof(float)});
  });
}

/// run(bytes) wherever what it works on lies.
template <class Run>
void check_everywhere(Run run) {
  const Bits expected = run(std::size_t{0});
  REQUIRE_FALSE(expected.empty());
  for (const float each : expected) REQUIRE(std::isfinite(each));
  const std::vector<std::size_t> places{0, 4, 8, 16, 20, 36}, shifts{0, 16, 32, 48};
  for (const std::size_t bytes : places)
    for (const std::size_t moved : shifts) {
      const support::ShiftedAllocations shifted(moved);
      CAPTURE(bytes, moved);
      CHECK(run(bytes) == expected);
    }
}

template <class Layer>
void check_layer(const Layer& layer, Index L) {
  check_everywhere([&](std::size_t bytes) {
    const Index H = layer.features();
    const Placed u(L, H, bytes, 1), dy(L, H, bytes, 2);
    Placed y(L, H, bytes), du(L, H, bytes);
    Bits all;
    auto state = layer.initial_state();
    layer.forward(u, y, state);
    append(all, y.all());
    for (Index k = 0; k < std::min<Index>(L, 5); ++k)
      layer.step(ConstSequence<float>(u).row(k), Sequence<float>(y).row(k), state);
    append(all, y.all());
    if constexpr (requires { layer.forward(u, y, state, algorithm::convolution{}); })
      layer.forward(ConstSequence<float>(u), Sequence<float>(y), state, algorithm::convolution{});
    append(all, y.all());
    auto cotangent = layer.cotangent();
    layer.forward_vjp(u, dy, Sequence<float>(du), cotangent);
    auto gradient = zero(layer.parameters());
    layer.parameters_vjp(cotangent, gradient);
    append(all, du.all());
    append_parameters(all, gradient);
    return all;
  });
}

template <class Layer, class Init>
void check_layers(Init init) {
  for (const Index H : {1, 3, 8, 17}) {
    Random random(1);
    typename Layer::Shape shape{};
    shape.features = H;
    shape.states = 8;
    CAPTURE(H);
    check_layer(Layer(initial<Layer>(init, shape, random)), 40);
  }
}

template <class Layer, class Init>
nn::Stack<Layer> model(Init init, nn::StackShape shape) {
  Random random(1);
  return nn::Stack<Layer>(init, shape, random);
}

/// Some steps of a training, then an answer.
template <class Layer>
Bits trained(nn::Stack<Layer> model, std::size_t bytes, Executor& executor) {
  const Index L = 50, inputs = model.shape().inputs, outputs = model.shape().outputs;
  nn::Backpropagation<Layer> backpropagate(executor);
  optim::AdamW<float> optimizer(model.parameters(), {.learning_rate = 1e-2});
  std::vector<Placed> sequences;
  for (std::uint64_t i = 0; i < 5; ++i) sequences.emplace_back(L, inputs, bytes, i);
  Bits all;
  Random random(1);
  for (int step = 0; step < 4; ++step) {
    std::vector<nn::Example<float>> examples;
    for (const auto& each : sequences) examples.push_back({each});
    auto gradient = zero(model.weights());
    const double loss = backpropagate(
        model, examples, random,
        [&](Index i, ConstSequence<float> answer, Sequence<float> danswer) {
          double sum = 0;
          for (Index k = 0; k < answer.length(); ++k)
            for (Index o = 0; o < outputs; ++o) {
              const double off = double(answer(k, o)) - double(i % 2);
              danswer(k, o) += static_cast<float>(2 * off);
              sum += off * off;
            }
          return sum;
        },
        gradient);
    all.push_back(static_cast<float>(loss));
    append_parameters(all, gradient);
    optimizer.step(parameters_of(gradient));
    model.refresh();
  }
  append_parameters(all, model.weights());
  Placed answer(model.answers(L), outputs, bytes);
  model.forward(sequences[0], answer);
  append(all, answer.all());
  auto stream = model.stream();
  for (Index k = 0; k < 10; ++k) append(all, stream.step(ConstSequence<float>(sequences[1]).row(k)));
  return all;
}

}  // namespace

TEST_CASE("a layer's bits do not depend on where its numbers lie", "[nn][bits]") {
  check_layers<S4D<float>>(diagonal::Linear{});
  check_layers<S4<float>>(hippo::LegS{});
  check_layers<S5<float>>(hippo::LegS{});
  check_layers<LSSL<float>>(hippo::LegS{});
}

TEST_CASE("a block's bits do not depend on where its numbers lie", "[nn][bits]") {
  for (const Index H : {1, 2, 7, 8, 13, 64}) {
    CAPTURE(H);
    Random random(2);
    const nn::Linear<float> map(H, 5, random);
    nn::Norm<float> norm(H), batch(H, nn::NormKind::batch);
    for (auto* const each : {&norm, &batch})
      for (auto& weight : each->weight) weight = static_cast<float>(random.normal());
    check_everywhere([&](std::size_t bytes) {
      const Index L = 9;
      const Placed x(L, H, bytes, 1), dy(L, H, bytes, 2), narrow(L, 5, bytes, 3), wide(L, 2 * H, bytes, 4);
      Placed y(L, H, bytes), dx(L, H, bytes), out(L, 5, bytes), dwide(L, 2 * H, bytes);
      Bits all;
      const auto keep = [&](Placed& placed) { append(all, placed.all()); };
      nn::linear<float>(map, x, out);
      keep(out);
      nn::linear<float>(map, ConstSequence<float>(x).block(0, 1), Sequence<float>(out).block(0, 1));
      nn::linear<float>(map, ConstSequence<float>(x).row(1), Sequence<float>(out).row(1));
      keep(out);
      nn::Linear<float> dmap(H, 5);
      nn::linear_vjp<float>(map, x, narrow, dx, dmap);
      keep(dx);
      append_parameters(all, dmap);
      nn::Norm<float> dnorm(H), dbatch(H, nn::NormKind::batch);
      nn::layer_norm<float>(norm, x, y);
      keep(y);
      nn::layer_norm_vjp<float>(norm, x, dy, dx, dnorm);
      nn::rms_norm<float>(norm, x, y);
      keep(y);
      nn::rms_norm_vjp<float>(norm, x, dy, dx, dnorm);
      nn::batch_norm<float>(batch, x, y);
      keep(y);
      nn::batch_norm_vjp<float>(batch, x, dy, dx, dbatch);
      keep(dx);
      append_parameters(all, dnorm);
      append_parameters(all, dbatch);
      nn::glu<float>(wide, y);
      keep(y);
      nn::glu_vjp<float>(wide, dy, dwide);
      keep(dwide);
      nn::activate<nn::Gelu, float>({}, x.all(), y.all());
      keep(y);
      nn::mean_pool<float>(x, Sequence<float>(y).row(0));
      keep(y);
      return all;
    });
  }
}

TEST_CASE("a training's bits do not depend on where its numbers lie, nor on threads", "[nn][bits]") {
  ThreadPool two(2);
  const auto check = [&](const auto& model) {
    const Bits alone = trained(model, 0, this_thread());
    CHECK(trained(model, 0, two) == alone);
    check_everywhere([&](std::size_t bytes) { return trained(model, bytes, two); });
  };
  check(model<S4D<float>>(diagonal::Linear{}, {.inputs = 2, .features = 8, .states = 8, .layers = 2, .outputs = 3}));
  check(model<S5<float>>(hippo::LegS{}, {.inputs = 1,
                                         .features = 7,
                                         .states = 8,
                                         .layers = 2,
                                         .outputs = 2,
                                         .pool = nn::Pool::none,
                                         .block = {.norm = nn::NormKind::batch},
                                         .dropout = 0.1}));
}
