// Files: what is saved is loaded, and nothing else is.
#include "ssm/io/model.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "support/catch.hpp"

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
std::string refusal(Change change) {
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
  check_round_trip(model<S4D<double>>(diagonal::Inverse{},
                                      {.symbols = 5, .features = 4, .states = 3, .layers = 1, .pool = nn::Pool::none}));
  check_round_trip(model<S4<float>>(hippo::LegS{}));
  check_round_trip(model<S5<float>>(
      hippo::NormalLegS{}, {.features = 4, .states = 8, .layers = 2, .pool = nn::Pool::last, .batch_norm = true}));
  check_round_trip(model<LSSL<double>>(hippo::LegS{}));
}

TEST_CASE("a model at another rate is the same model", "[io]") {
  const Folder folder("rate");
  io::save(folder.path / "m", model<S4D<float>>(diagonal::Linear{}));
  CHECK(io::load<nn::Stack<S4D<float>>>(folder.path / "m", {2.0}).layers().front().rate() == 2);
}

TEST_CASE("a file that is not the model's is refused by name", "[io]") {
  using Catch::Contains;
  CHECK_THAT(refusal([](auto& file) { file.tensors.erase("block1/mix/W"); }),
             Contains("block1/mix/W: expected in the file"));
  CHECK_THAT(refusal([](auto& file) {
               file.tensors["surplus"] = {"F32", {1}, "1234"};
             }),
             Contains("surplus: expected no such array"));
  CHECK_THAT(refusal([](auto& file) {
               file.tensors["decoder/b"] = {"F32", {2}, "12341234"};
             }),
             Contains("decoder/b: expected shape (3), got (2)"));
  CHECK_THAT(refusal([](auto& file) {
               file.tensors["decoder/b"] = {"F64", {3}, std::string(24, '\0')};
             }),
             Contains("decoder/b: expected F32, got F64"));
  CHECK_THAT(refusal([](auto& file) { file.tensors["decoder/b"].bytes[3] ^= 1; }), Contains("self-test"));
  CHECK_THAT(refusal([](auto& file) { file.metadata["layer"] = "S5"; }), Contains("layer: expected S4D, got S5"));
  CHECK_THAT(refusal([](auto& file) { file.metadata["version"] = "2"; }), Contains("version: expected 1, got 2"));
  CHECK_THAT(refusal([](auto& file) { file.metadata.erase("features"); }),
             Contains("metadata 'features': expected in the file"));
  CHECK_THAT(refusal([](auto& file) { file.metadata["features"] = "six"; }), Contains("expected a number, got 'six'"));
  CHECK_THAT(refusal([](auto& file) { file.metadata["features"] = "-6"; }),
             Contains("features: expected at least 1, got -6"));
  CHECK_THAT(refusal([](auto& file) { file.tensors["block0/ssm/log_dt"].bytes[3] = '\x7f'; }),
             Contains("dt: expected a positive finite"));
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
