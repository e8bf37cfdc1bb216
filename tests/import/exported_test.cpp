// Weights as other projects' code reads them: what is written is what was read.
#include "ssm/import/exported.hpp"
#include "import/import_testing.hpp"

using namespace ssm;
using namespace import_testing;
using support::ContainsSubstring;

namespace {

/// Largest difference of two files' arrays, of the peak of each array; both must have the same ones.
double difference(const io::File& got, const io::File& expected) {
  double worst = 0;
  for (const auto& [name, tensor] : expected.tensors) {
    if (name.starts_with("io.")) continue;
    CAPTURE(name);
    REQUIRE(got.tensors.contains(name));
    CHECK(got.tensors.at(name).shape == tensor.shape);
    worst = std::max(worst, support::relative_error(numbers_of(got, name), numbers_of(expected, name)));
  }
  return worst;
}

}  // namespace

TEST_CASE("a minimal S4D that was read is written as its own code has it", "[import][golden]") {
  for (const auto& path : support::golden_files("checkpoint", "s4d_minimal")) {
    const io::File file = io::read(path);
    const auto imported = io::import_from<io::S4Minimal>(file, told_in(file));
    io::File back = io::export_to<io::S4Minimal>(imported.model);
    CHECK(difference(back, file) <= 1e-6);
    back.tensors["io.u"] = file.tensors.at("io.u");
    back.tensors["io.y"] = file.tensors.at("io.y");
    const auto again = io::import_from<io::S4Minimal>(back, told_in(file));
    REQUIRE(again.report.parity);
    CHECK(again.report.parity->error <= tolerance_of(file));
  }
}

TEST_CASE("an S5 is written for s5-pytorch with both modes of each pair", "[import]") {
  Random random(3);
  for (const Spectrum spectrum : {Spectrum::half, Spectrum::full}) {
    const S5Shape shape{.features = 3, .states = 6, .spectrum = spectrum};
    const S5<float> layer(initial<S5<float>>(hippo::LegS{}, shape, random), {0.5});
    const io::File file = io::export_to<io::S5Pytorch>(layer.parameters(), 0.5);
    const auto back = io::import_layer_from<io::S5Pytorch>(file, io::Configuration());
    CHECK(back.report.read.size() == 5);
    const AnyLayer<float> again(back.model);
    std::vector<float> u, one(3 * 50), two(one.size());
    for (std::size_t i = 0; i < one.size(); ++i) u.push_back(static_cast<float>(random.normal()));
    auto state = layer.initial_state();
    layer.forward({u.data(), 50, 3}, {one.data(), 50, 3}, state);
    auto other = again.initial_state();
    again.forward({u.data(), 50, 3}, {two.data(), 50, 3}, other);
    CHECK(support::relative_error(two, one) <= 5e-6);
  }
}

TEST_CASE("what other projects' weights cannot hold is said", "[import]") {
  Random random(4);
  const nn::StackShape deep{.inputs = 2, .features = 2, .states = 4, .layers = 1, .outputs = 2};
  const nn::Stack<AnyLayer<float>> stack(nn::StackParameters<AnyLayer<float>>(deep, random, [&](Index) {
    return AnyParameters<float>::of<S4D<float>>(
        initial<S4D<float>>(diagonal::Linear{}, {.features = 2, .states = 4}, random));
  }));
  CHECK_THROWS_WITH(io::export_to<io::S4Minimal>(stack),
                    ContainsSubstring("expected a model of one block whose inputs and outputs are features"));
  auto parameters = initial<S5<float>>(hippo::LegS{}, {.features = 2, .states = 4}, random);
  parameters.discretization = Bilinear{};
  CHECK_THROWS_WITH(io::export_to<io::S5Pytorch>(parameters),
                    "s5-pytorch: expected zero-order hold, got another method");
}
