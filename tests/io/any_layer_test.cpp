// Files read without knowing what is inside, and single layers.
#include "ssm/io/any_layer.hpp"
#include "ssm/io/model.hpp"
#include "support/golden.hpp"

#include <unistd.h>

using namespace ssm;
using support::ContainsSubstring;

namespace {

using Any = AnyLayer<float>;

std::filesystem::path file_beside(const std::string& name) {
  return std::filesystem::temp_directory_path() / ("ssm_any_" + std::to_string(::getpid()) + "_" + name);
}
/// Parameters of every kind that a causal or two-directional model may have.
std::vector<AnyParameters<float>> every_kind(Random& random) {
  std::vector<AnyParameters<float>> all;
  const auto add = [&]<class Layer>(std::type_identity<Layer>, auto measure) {
    all.push_back(
        AnyParameters<float>::of<Layer>(initial<Layer>(measure, {.features = 4, .states = 4, .dt_min = 0.05}, random)));
  };
  add(std::type_identity<S4D<float>>(), diagonal::Linear{});
  add(std::type_identity<S4<float>>(), hippo::LegS{});
  add(std::type_identity<S5<float>>(), hippo::LegS{});
  add(std::type_identity<LSSL<float>>(), hippo::LegS{});
  add(std::type_identity<RectangularS5<float>>(), hippo::LegS{});
  add(std::type_identity<Bidirectional<S5<float>>>(), hippo::LegS{});
  add(std::type_identity<ShiftedBidirectional<S4<float>>>(), hippo::LegS{});
  add(std::type_identity<ConcatenatedBidirectional<S4D<float>>>(), diagonal::Linear{});
  add(std::type_identity<Bidirectional<RectangularS5<float>>>(), hippo::LegS{});
  return all;
}
nn::Stack<Any> model_of(const std::vector<AnyParameters<float>>& layers, Random& random) {
  const nn::StackShape shape{
      .inputs = 2, .features = 4, .layers = std::ssize(layers), .outputs = 3, .step_seconds = 0.125};
  return nn::Stack<Any>(nn::StackParameters<Any>(shape, random, [&](Index i) { return layers[std::size_t(i)]; }));
}
/// What reading says.
template <class Load>
std::string words_of_refusal(Load load) {
  try {
    load();
  } catch (const io::FormatError& error) {
    return error.what();
  }
  return "accepted";
}

/// A layer of a user's own: an S4D under another name.
struct OwnParameters : S4DParameters<float> {
  static constexpr const char* kind = "my layer";
};
class OwnLayer : public S4D<float> {
 public:
  using Parameters = OwnParameters;
  explicit OwnLayer(const OwnParameters& parameters, Sampling sampling = {}) : S4D<float>(parameters, sampling) {}
  OwnParameters parameters() const { return {S4D<float>::parameters()}; }
  void parameters_vjp(const Cotangent& cotangent, OwnParameters& gradient) const {
    S4D<float>::parameters_vjp(cotangent, gradient);
  }
};

}  // namespace

TEST_CASE("a model of every kind of layer is read without knowing what is inside", "[io]") {
  Random random(1);
  const auto layers = every_kind(random);
  const auto model = model_of(layers, random);
  const auto path = file_beside("mixed");
  io::save(path, model);
  const auto again = io::load<nn::Stack<Any>>(path);
  for (std::size_t i = 0; i < layers.size(); ++i) CHECK(again.weights().blocks[i].ssm.kind() == layers[i].kind());
  CHECK(again.shape().step_seconds == 0.125);
  std::vector<float> u, one(3), two(3);
  for (int i = 0; i < 40; ++i) u.push_back(static_cast<float>(random.normal()));
  model.forward({u.data(), 20, 2}, {one.data(), 1, 3});
  again.forward({u.data(), 20, 2}, {two.data(), 1, 3});
  CHECK(one == two);
  CHECK_THAT(words_of_refusal([&] { return io::load<nn::Stack<S4D<float>>>(path); }),
             ContainsSubstring("layer: expected S4D, got S4"));
  std::filesystem::remove(path);
}

TEST_CASE("a model of one kind is read as one of any", "[io]") {
  Random random(2);
  const nn::Stack<S5<float>> model(hippo::LegS{}, {.inputs = 2, .features = 4, .states = 4, .outputs = 3}, random);
  const auto path = file_beside("typed");
  io::save(path, model);
  const auto any = io::load<nn::Stack<Any>>(path);
  CHECK(any.weights().blocks[0].ssm.get<S5<float>>() != nullptr);
  io::save(path, any);  // and back
  const auto typed = io::load<nn::Stack<S5<float>>>(path);
  std::vector<float> u(30, 0.5F), one(3), two(3);
  model.forward({u.data(), 15, 2}, {one.data(), 1, 3});
  typed.forward({u.data(), 15, 2}, {two.data(), 1, 3});
  CHECK(one == two);
  std::filesystem::remove(path);
}

TEST_CASE("a kind that is not known is named with those that are, and may be added", "[io]") {
  Random random(3);
  OwnParameters own{initial<S4D<float>>(diagonal::Linear{}, {.features = 4, .states = 4}, random)};
  const auto model = model_of({AnyParameters<float>::of<OwnLayer>(own)}, random);
  const auto path = file_beside("own");
  io::save(path, model);
  const std::string said = words_of_refusal([&] { return io::load<nn::Stack<Any>>(path); });
  CHECK_THAT(said, ContainsSubstring("layer: expected one of S4D, S4, S5, LSSL, rectangular S5, bidirectional S4D"));
  CHECK_THAT(said, ContainsSubstring("got my layer"));
  const auto again = io::load<nn::Stack<Any>, io::AnyKinds<float, OwnLayer>>(path);
  CHECK(again.weights().blocks[0].ssm.get<OwnLayer>() != nullptr);
  std::filesystem::remove(path);
}

TEST_CASE("single layers are kept and read, of a named kind or of any", "[io]") {
  Random random(4);
  const auto path = file_beside("layer");
  for (const auto& each : every_kind(random)) {
    io::save(path, each, {{"made by", "a test"}});
    std::map<std::string, std::string> said;
    const auto again = io::load<AnyParameters<float>>(path, &said);
    CHECK(again.kind() == each.kind());
    CHECK(said["made by"] == "a test");
    const auto was = parameters_of(each), is = parameters_of(again);
    REQUIRE(was.size() == is.size());
    for (std::size_t i = 0; i < was.size(); ++i) {
      CHECK(was[i].name == is[i].name);
      CHECK(std::equal(was[i].values.begin(), was[i].values.end(), is[i].values.begin(), is[i].values.end()));
    }
  }
  const auto parameters = initial<S4<double>>(hippo::LegS{}, {.features = 3, .states = 6}, random);
  io::save(path, parameters);
  const auto again = io::load<S4Parameters<double>>(path);
  CHECK(again.P == parameters.P);
  CHECK(again.states == 6);
  CHECK_THAT(words_of_refusal([&] { return io::load<S4DParameters<double>>(path); }),
             ContainsSubstring("layer: expected S4D, got S4"));
  CHECK_THAT(words_of_refusal([&] { return io::load<S4Parameters<float>>(path); }),
             ContainsSubstring("expected F32, got F64"));
  CHECK_THAT(words_of_refusal([&] { return io::load<nn::Stack<S4<double>>>(path); }),
             ContainsSubstring("format: expected 'ssm stack', got 'ssm layer'"));
  auto wrong = parameters;
  wrong.C(0, 0) = std::nan("");
  io::save(path, wrong);
  CHECK_THAT(words_of_refusal([&] { return io::load<S4Parameters<double>>(path); }),
             ContainsSubstring("ssm/C_ri: expected finite numbers") || ContainsSubstring("C_ri: expected finite"));
  std::filesystem::remove(path);
  CHECK_THAT(words_of_refusal([&] { return io::load<S4Parameters<double>>(path); }),
             ContainsSubstring("there is no such file"));
}
