// Weights of S5 and s5-pytorch as those projects save them: answers are theirs.
#include "ssm/import/s5.hpp"
#include "import/import_testing.hpp"

using namespace ssm;
using namespace import_testing;
using support::ContainsSubstring;

TEST_CASE("S5's models answer as S5's own code does", "[import][golden]") {
  Index files = 0;
  for (const auto& path : support::golden_files("checkpoint", "s5_")) {
    CAPTURE(path.filename());
    const io::File file = io::read(path);
    const auto imported = io::import_from<io::S5Flax>(file, told_in(file));
    const auto u = numbers_of(file, "io/u"), expected = numbers_of(file, "io/y");
    const auto& shape = file.tensors.at("io/u").shape;
    const bool padded = file.tensors.contains("io/lengths"), pairs = imported.model.shape().compare;
    const auto lengths = padded ? numbers_of(file, "io/lengths") : std::vector<float>{};
    const auto reading = [&](Index i) {
      nn::Reading<float> how;
      if (padded) how.counted = static_cast<Index>(lengths[static_cast<std::size_t>(i)]);
      return how;
    };
    const Index answers = pairs ? shape[0] / 2 : shape[0], outputs = imported.model.shape().outputs;
    std::vector<float> got(static_cast<std::size_t>(answers * outputs));
    for (Index i = 0; i < answers; ++i) {
      const Sequence<float> answer(got.data() + i * outputs, 1, outputs);
      if (pairs)
        imported.model.forward(sequence(u, shape, i), sequence(u, shape, answers + i), answer, reading(i),
                               reading(answers + i));
      else
        imported.model.forward(sequence(u, shape, i), answer, reading(i));
    }
    CHECK(support::relative_error(got, expected) <= tolerance_of(file));
    CHECK(imported.report.read.size() + (padded ? 3 : 2) <= file.tensors.size());
    ++files;
  }
  CHECK(files >= 14);
}

TEST_CASE("s5-pytorch's layers and blocks answer as its own code does, with a step of their own too",
          "[import][golden]") {
  Index files = 0;
  for (const auto& path : support::golden_files("checkpoint", "s5pytorch_")) {
    CAPTURE(path.filename());
    const io::File file = io::read(path);
    const auto u = numbers_of(file, "io.u"), expected = numbers_of(file, "io.y");
    const auto& shape = file.tensors.at("io.u").shape;
    const bool uneven = file.tensors.contains("io.step_scale"), layer = file.tensors.contains("seq.D");
    const auto scales = uneven ? numbers_of(file, "io.step_scale") : std::vector<float>{};
    std::vector<float> got(expected.size());
    for (Index i = 0; i < shape[0]; ++i) {
      const ConstSequence<float> from = sequence(u, shape, i);
      const Sequence<float> to(got.data() + i * shape[1] * shape[2], shape[1], shape[2]);
      Intervals<float> times;
      if (uneven)
        times = InLayerSteps<float>{
            std::span(scales).subspan(static_cast<std::size_t>(i * shape[1]), static_cast<std::size_t>(shape[1])),
            ReadBackwards::same};
      if (layer) {
        const AnyLayer<float> own(io::import_layer_from<io::S5Pytorch>(file, told_in(file)).model);
        auto state = own.initial_state();
        if (uneven)
          own.forward(from, times, to, state);
        else
          own.forward(from, to, state);
      } else {
        io::import_from<io::S5Pytorch>(file, told_in(file)).model.forward(from, to, {.intervals = times});
      }
    }
    CHECK(support::relative_error(got, expected) <= tolerance_of(file));
    ++files;
  }
  CHECK(files >= 11);
}

TEST_CASE("what the arrays do not say is asked for, and a wrong array is named", "[import][golden]") {
  io::File file = reference("s5_half_glu1_batchnorm_bidirectional_padded");
  const io::Configuration told = told_in(file);
  const auto with = [](const std::string& json) { return io::Configuration(json); };
  const auto read = [](const io::File& from, const io::Configuration& how) {
    return said([&] { return io::import_from<io::S5Flax>(from, how); });
  };
  CHECK(read(file, told) == "accepted");
  CHECK_THAT(read(file, with(R"({"batchnorm": true, "prenorm": true})")),
             ContainsSubstring("configuration 'activation': expected one of its values, full_glu, half_glu1, "));
  CHECK_THAT(read(file, with(R"({"batchnorm": 1})")),
             ContainsSubstring("configuration 'batchnorm': expected true or false, got 1"));
  CHECK_THAT(said([&] { with("[1]"); }), ContainsSubstring("expected a JSON object, got array"));
  CHECK_THAT(said([&] { with("{"); }), ContainsSubstring("expected a JSON object, got"));
  CHECK_THAT(read(file, with(R"({"batchnorm": false, "prenorm": true, "activation": "half_glu1", "mode": "pool",
                               "bidirectional": true, "conj_sym": true, "clip_eigs": true, "discretization": "zoh"})")),
             ContainsSubstring("batch_stats/encoder/layers_0/norm/mean: expected no such array"));
  const auto changed = [&](auto change) {
    io::File other = file;
    change(other);
    return read(other, told);
  };
  const std::string H = std::to_string(file.tensors.at("params/encoder/layers_1/seq/D").shape[0]);
  const std::string D = "params/encoder/layers_1/seq/D", C = "params/encoder/layers_0/seq/C1";
  CHECK_THAT(changed([&](auto& other) { other.tensors.erase("params/encoder/layers_1/norm/scale"); }),
             ContainsSubstring("params/encoder/layers_1/norm/scale: expected in the file, is not there"));
  CHECK_THAT(changed([&](auto& other) { other.tensors["params/extra"] = other.tensors.at(D); }),
             ContainsSubstring("params/extra: expected no such array"));
  CHECK_THAT(changed([&](auto& other) {
               other.tensors.at(D).shape = {1, other.tensors.at(D).shape[0]};
             }),
             ContainsSubstring(D + ": expected shape (" + H + "), got (1, " + H + ")"));
  CHECK_THAT(changed([&](auto& other) { other.tensors.at(D).type = "I32"; }),
             ContainsSubstring(D + ": expected floating point numbers, got I32"));
  CHECK_THAT(changed([&](auto& other) {
               const float nan = std::numeric_limits<float>::quiet_NaN();
               other.tensors.at(D).bytes.replace(0, 4, reinterpret_cast<const char*>(&nan), 4);
             }),
             ContainsSubstring(D + ": expected finite numbers, got nan"));
  if (file.tensors.contains(C))
    CHECK_THAT(changed([&](auto& other) { other.tensors.at(C).shape.pop_back(); }),
               ContainsSubstring(C + ": expected shape"));
}

TEST_CASE("weights in somebody's larger model are read under their prefix", "[import][golden]") {
  const io::File block = reference("s5pytorch_block");
  io::File larger;
  for (const auto& [name, tensor] : block.tensors) larger.tensors["net.encoder." + name] = tensor;
  larger.tensors["net.head.weight"] = block.tensors.at("ff_dec.weight");
  const auto inside = io::import_from<io::S5Pytorch>(block, told_in(block));
  const auto found = io::import_from<io::S5Pytorch>(larger, told_in(block), "net.encoder.");
  const Index H = inside.model.shape().features;
  std::vector<float> u(static_cast<std::size_t>(7 * H), 0.3F), one(u.size()), two(u.size());
  inside.model.forward({u.data(), 7, H}, {one.data(), 7, H});
  found.model.forward({u.data(), 7, H}, {two.data(), 7, H});
  CHECK(one == two);
  REQUIRE(found.report.parity);
  CHECK(found.report.parity->error == inside.report.parity->error);
  CHECK_THAT(said([&] { return io::import_from<io::S5Pytorch>(larger, told_in(block), "net.decoder."); }),
             ContainsSubstring("net.decoder.s5.seq.D: expected in the file, is not there"));
  CHECK_THAT(said([&] {
               return io::import_from<io::S5Pytorch>(block, io::Configuration(R"({"bidir": false, "liquid": true})"));
             }),
             ContainsSubstring("configuration 'liquid': expected false, got true"));
  CHECK_THAT(said([&] { return io::import_from<io::S5Pytorch>(block, io::Configuration(R"({"bidir": true})")); }),
             ContainsSubstring("s5.seq.C: expected two columns for each state"));
}
