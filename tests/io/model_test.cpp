// Files: what is saved is loaded, and nothing else is.
#include "ssm/io/model.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"

#include <sys/stat.h>

using namespace ssm;

namespace {

/// A folder of this test's own, gone afterwards.
struct Folder {
  std::filesystem::path path;
  explicit Folder(const std::string& name)
      : path(std::filesystem::temp_directory_path() / ("ssm_" + name + "_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

template <class Layer, class Measure>
nn::Stack<Layer> model(Measure measure,
                       nn::StackShape shape = {.inputs = 2, .features = 6, .states = 4, .layers = 2, .outputs = 3}) {
  Random random(1);
  return nn::Stack<Layer>(measure, shape, random);
}

template <class Layer>
void check_round_trip(nn::Stack<Layer> saved) {
  const Folder folder("round_trip");
  const auto file = folder.path / "model.safetensors";
  io::save(file, saved, {{"labels", "a b c"}});
  std::map<std::string, std::string> said;
  auto loaded = io::load<nn::Stack<Layer>>(file, {}, &said);
  CHECK(said.at("labels") == "a b c");
  const auto expected = saved.parameters(), got = loaded.parameters();
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO(expected[i].name);
    CHECK(got[i].name == expected[i].name);
    CHECK(std::equal(got[i].values.begin(), got[i].values.end(), expected[i].values.begin(), expected[i].values.end()));
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);  // nothing left beside it
}

/// The message that loading a changed file gives.
template <class Change>
std::string refusal_after(Change change) {
  const Folder folder("refusal");
  const auto path = folder.path / "model.safetensors";
  io::save(path, model<S4D<float>>(diagonal::Linear{}));
  io::File file = io::read(path);
  change(file);
  io::write(path, file);
  try {
    (void)io::load<nn::Stack<S4D<float>>>(path);
  } catch (const io::FormatError& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("a model comes back as it was saved", "[io]") {
  check_round_trip(model<S4D<float>>(diagonal::Linear{}));
  check_round_trip(model<S4D<double>>(diagonal::Inverse{}, {.symbols = 5,
                                                            .features = 4,
                                                            .states = 3,
                                                            .layers = 1,
                                                            .pool = nn::Pool::none,
                                                            .encoder = nn::Encoder::embedding}));
  check_round_trip(model<S4<float>>(hippo::LegS{}));
  check_round_trip(model<S5<float>>(
      hippo::LegS{},
      {.features = 4, .states = 8, .layers = 2, .pool = nn::Pool::last, .block = {.norm = nn::NormKind::batch}}));
  check_round_trip(model<LSSL<double>>(hippo::LegS{}));
}

TEST_CASE("a model comes back with its discretization", "[io]") {
  const auto kept = []<class Layer>(const nn::Stack<Layer>& saved) {
    const Folder folder("discretization");
    io::save(folder.path / "m", saved);
    const auto loaded = io::load<nn::Stack<Layer>>(folder.path / "m");
    return loaded.layers()[0].parameters().discretization == saved.layers()[0].parameters().discretization;
  };
  nn::StackShape shape{.features = 4, .states = 4, .layers = 1, .discretization = Bilinear{}};
  CHECK(kept(model<S4D<float>>(hippo::LegS{}, shape)));
  CHECK(kept(model<S5<float>>(hippo::LegS{}, shape)));
  for (const DenseDiscretization method : {DenseDiscretization(ZeroOrderHold{}), DenseDiscretization(BackwardEuler{}),
                                           DenseDiscretization(GeneralizedBilinear{0.1 + 0.2})}) {
    shape.discretization = method;
    CHECK(kept(model<LSSL<double>>(hippo::LegS{}, shape)));
  }
  const auto text = [](const char* method) {
    return refusal_after([&](auto& file) { file.metadata["block0/ssm/discretization"] = method; });
  };
  CHECK_THAT(text("forward Euler"),
             support::ContainsSubstring("metadata 'block0/ssm/discretization': expected zero-order hold or bilinear, "
                                        "got 'forward Euler'"));
  CHECK_THAT(text(""), support::ContainsSubstring("expected zero-order hold or bilinear, got ''"));
  CHECK_THAT(refusal_after([](auto& file) { file.metadata.erase("block1/ssm/discretization"); }),
             support::ContainsSubstring("metadata 'block1/ssm/discretization': expected in the file"));
}

TEST_CASE("a file of version 1, which names no discretization, loads with its kind's own", "[io]") {
  const auto load_old = []<class Layer>(const nn::Stack<Layer>& saved) {
    const Folder folder("version_1");
    const auto path = folder.path / "m";
    io::save(path, saved);
    io::File file = io::read(path);
    file.metadata["version"] = "1";
    file.metadata["layer"] = Layer::Parameters::kind;
    for (const auto& [key, number] : {std::pair("pre_norm", "1"), {"batch_norm", "0"}, {"pool", "0"}})
      file.metadata[key] = number;
    for (std::size_t i = 0; i < saved.layers().size(); ++i) {
      const std::string block = "block" + std::to_string(i) + "/ssm/";
      file.metadata.erase(block + "discretization");
      if (std::string("LSSL") == Layer::Parameters::kind) file.metadata.erase(block + "states");
    }
    io::write(path, file);
    return io::load<nn::Stack<Layer>>(path).layers().back().parameters();
  };
  CHECK(std::holds_alternative<ZeroOrderHold>(load_old(model<S4D<float>>(diagonal::Linear{})).discretization));
  CHECK(std::holds_alternative<ZeroOrderHold>(load_old(model<S5<float>>(hippo::LegS{})).discretization));
  const auto dense = load_old(model<LSSL<double>>(hippo::LegS{}));
  CHECK(std::holds_alternative<Bilinear>(dense.discretization));
  CHECK(dense.states == 4);
}

TEST_CASE("a model at another rate is the same model", "[io]") {
  const Folder folder("rate");
  io::save(folder.path / "m", model<S4D<float>>(diagonal::Linear{}));
  CHECK(io::load<nn::Stack<S4D<float>>>(folder.path / "m", {2.0}).layers().front().rate() == 2);
}

TEST_CASE("a file that is not the model's is refused by name", "[io]") {
  CHECK_THAT(refusal_after([](auto& file) { file.tensors.erase("block1/mix/W"); }),
             support::ContainsSubstring("block1/mix/W: expected in the file"));
  CHECK_THAT(refusal_after([](auto& file) {
               file.tensors["surplus"] = {"F32", {1}, "1234"};
             }),
             support::ContainsSubstring("surplus: expected no such array"));
  CHECK_THAT(refusal_after([](auto& file) {
               file.tensors["decoder/b"] = {"F32", {2}, "12341234"};
             }),
             support::ContainsSubstring("decoder/b: expected shape (3), got (2)"));
  CHECK_THAT(refusal_after([](auto& file) {
               file.tensors["decoder/b"] = {"F64", {3}, std::string(24, '\0')};
             }),
             support::ContainsSubstring("decoder/b: expected F32, got F64"));
  CHECK_THAT(refusal_after([](auto& file) { file.tensors["decoder/b"].bytes[3] ^= 1; }),
             support::ContainsSubstring("self-test"));
  CHECK_THAT(refusal_after([](auto& file) { file.metadata["block0/layer"] = "S5"; }),
             support::ContainsSubstring("layer: expected S4D, got S5"));
  CHECK_THAT(refusal_after([](auto& file) { file.metadata["version"] = "4"; }),
             support::ContainsSubstring("version: expected 1, 2 or 3, got 4"));
  CHECK_THAT(refusal_after([](auto& file) { file.metadata.erase("features"); }),
             support::ContainsSubstring("metadata 'features': expected in the file"));
  CHECK_THAT(refusal_after([](auto& file) { file.metadata["features"] = "six"; }),
             support::ContainsSubstring("expected a number, got 'six'"));
  CHECK_THAT(refusal_after([](auto& file) { file.metadata["features"] = "-6"; }),
             support::ContainsSubstring("features: expected at least 1, got -6"));
  CHECK_THAT(refusal_after([](auto& file) { file.tensors["block0/ssm/log_dt"].bytes[3] = '\x7f'; }),
             support::ContainsSubstring("dt: expected a positive finite"));
}

TEST_CASE("sizes that the file does not bear out are refused before anything is made of them", "[io]") {
  using support::ContainsSubstring;
  const auto with = [](const char* key, const char* value) {
    const support::AllocationCounter counter;
    const auto said = refusal_after([&](auto& file) { file.metadata[key] = value; });
    CHECK(counter.peak_bytes() < 1'000'000);
    return said;
  };
  CHECK_THAT(with("features", "1e18"), ContainsSubstring("metadata 'features': expected a whole number"));
  CHECK_THAT(with("features", "1000000000000"), ContainsSubstring("encoder/W: expected shape (1000000000000, 2)"));
  CHECK_THAT(with("outputs", "1000000000000"), ContainsSubstring("decoder/W: expected shape"));
  CHECK_THAT(with("inputs", "10000000000"), ContainsSubstring("self_test/input: expected shape"));
  CHECK_THAT(with("symbols", "10000000000"), ContainsSubstring("symbols: expected 0"));
  CHECK_THAT(with("layers", "1000000000"), ContainsSubstring("layers: expected at most 4096"));
  CHECK_THAT(with("blocks", "3"), ContainsSubstring("metadata 'block2/norm': expected in the file"));
  CHECK_THAT(with("blocks", "1000000000"), ContainsSubstring("blocks: expected within 0..8192"));
  CHECK_THAT(with("features", "4.5"), ContainsSubstring("metadata 'features': expected a whole number, got '4.5'"));
  CHECK_THAT(with("features", "nan"), ContainsSubstring("metadata 'features'"));
  CHECK_THAT(with("pool", "7"),
             ContainsSubstring("metadata 'pool': expected 'mean', 'last', 'none', 'first' or 'sum', got '7'"));
  CHECK_THAT(with("block0/bias", "2"), ContainsSubstring("metadata 'block0/bias': expected 0 or 1, got '2'"));
  CHECK_THAT(with("block0/width", "1000000000000"), ContainsSubstring("block0/mix/W: expected shape"));
  CHECK_THAT(with("dropout", "2"), ContainsSubstring("dropout"));
  CHECK_THAT(with("block0/channels", "1000000000000"), ContainsSubstring("channels: expected at most 4096"));
  CHECK_THAT(refusal_after([](auto& file) {  // no array would be as large as these features
               for (const auto& [key, value] : {std::pair("encoder", "none"), {"decoder", "0"}, {"blocks", "0"}})
                 file.metadata[key] = value;
               for (const char* key : {"inputs", "features", "outputs"}) file.metadata[key] = "1000000000000";
             }),
             ContainsSubstring("self_test/input: expected shape (64, 1000000000000)"));
  CHECK_THAT(with("rate", "0"), ContainsSubstring("rate: expected a positive finite number"));
  CHECK_THAT(with("block0/ssm/states", "1000000"), ContainsSubstring("expected"));
}

TEST_CASE("a weight that is not finite is refused by name, wherever it is", "[io]") {
  using support::ContainsSubstring;
  for (const char* name :
       {"decoder/W", "decoder/b", "block0/mix/W", "block1/norm/weight", "block0/ssm/C_ri", "encoder/b"})
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
      for (const bool last : {false, true})
        CHECK_THAT(refusal_after([&](auto& file) {
                     std::string& bytes = file.tensors.at(name).bytes;
                     std::memcpy(bytes.data() + (last ? bytes.size() - 4 : 0), &bad, 4);
                   }),
                   ContainsSubstring(name) && ContainsSubstring("expected finite numbers"));
}

TEST_CASE("a model is read from memory as from a path", "[io]") {
  const Folder folder("memory");
  auto saved = model<S4D<float>>(diagonal::Linear{});
  io::save(folder.path / "m", saved);
  std::ifstream stream(folder.path / "m", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  auto loaded = io::load<nn::Stack<S4D<float>>>(std::as_bytes(std::span(bytes)));
  const auto expected = saved.parameters(), got = loaded.parameters();
  for (std::size_t i = 0; i < got.size(); ++i)
    CHECK(std::equal(got[i].values.begin(), got[i].values.end(), expected[i].values.begin()));
  CHECK_THROWS_WITH(io::load<nn::Stack<S4D<float>>>(std::as_bytes(std::span(bytes)).first(100)),
                    support::ContainsSubstring("a file in memory: expected a header of"));
}

TEST_CASE("what is no file is called what it is, and metadata must be text", "[io]") {
  using support::ContainsSubstring;
  const Folder folder("kinds");
  CHECK_THROWS_WITH(io::read(folder.path), ContainsSubstring("got a folder"));
  CHECK_THROWS_WITH(io::read(folder.path / "none"), ContainsSubstring("there is no such file"));
  REQUIRE(::mkfifo((folder.path / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(io::read(folder.path / "pipe"), ContainsSubstring("no regular file"));
  const auto path = folder.path / "m";
  CHECK_THROWS_AS(io::save(path, model<S4D<float>>(diagonal::Linear{}), {{"label", "caf\xE9"}}), io::FormatError);
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a damaged file is refused", "[io]") {
  const Folder folder("damaged");
  const auto path = folder.path / "m";
  CHECK_THROWS_AS(io::read(path), io::FormatError);
  io::save(path, model<S4D<float>>(diagonal::Linear{}));
  std::string bytes;
  {
    std::ifstream stream(path, std::ios::binary);
    bytes.assign((std::istreambuf_iterator<char>(stream)), {});
  }
  Random random(3);
  for (int i = 0; i < 300; ++i) {  // cut off anywhere, or a byte changed in the header
    std::string wrong = bytes;
    if (i % 2 == 0)
      wrong.resize(static_cast<std::size_t>(random.uniform() * static_cast<double>(bytes.size())));
    else
      wrong[static_cast<std::size_t>(random.uniform() * 1200)] ^= static_cast<char>(1 + random.uniform() * 126);
    std::ofstream(path, std::ios::binary) << wrong;
    try {
      auto loaded = io::load<nn::Stack<S4D<float>>>(path);  // a changed byte may be in a word that nobody reads
      CHECK(i % 2 == 1);
    } catch (const io::FormatError& error) {
      CHECK(std::string(error.what()).starts_with(path.string()));
    }
  }
}

TEST_CASE("what cannot be written says so and leaves nothing", "[io]") {
  const auto trained = model<S4D<float>>(diagonal::Linear{});
  CHECK_THROWS_AS(io::save("/nowhere/at/all", trained), Error);
}
