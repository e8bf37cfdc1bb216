// Weights of older versions of state-spaces/s4, and of its deep models: answers are its own.
#include "ssm/import/s4_older.hpp"
#include "import/import_testing.hpp"
#include "ssm/io/layer.hpp"

using namespace ssm;
using namespace import_testing;
using support::ContainsSubstring;

TEST_CASE("S4's deep models answer as its own code does", "[import][golden]") {
  CHECK(check_parity<io::S4Sequence>("s4_sequence") >= 9);
  check_parity<io::S4Sequence>("s4_v3_sequence");
}

TEST_CASE("blocks of S4's version 3 answer as its own code does", "[import][golden]") {
  CHECK(check_parity<io::S4v3>("s4_v3") >= 5);
}

TEST_CASE("blocks of S4's version 2, with a Q of their own too, answer as its own code does", "[import][golden]") {
  CHECK(check_parity<io::S4v2>("s4_v2") >= 7);
}

TEST_CASE("what version 2 and deep models cannot be is refused with the reason", "[import][golden]") {
  io::File file = reference("s4_v2_free_q");
  const std::string config = file.metadata.at("config");
  const auto read = [&](const std::string& json) {
    return said([&] { io::import_from<io::S4v2>(file, io::Configuration(json)); });
  };
  CHECK(read(config) == "accepted");
  const std::string with_fallback = "{\"fallback_sum\": true, " + config.substr(1);
  CHECK_THAT(read(with_fallback), ContainsSubstring("configuration 'fallback_sum': expected false, got true"));
  auto& omega = file.tensors.at("kernel.kernel.omega");
  const auto nodes = omega.shape[0];
  const io::Tensor even = omega;
  const auto second = [&](double L) {
    const std::array<float, 2> node{static_cast<float>(std::cos(2 * std::numbers::pi / L)),
                                    static_cast<float>(-std::sin(2 * std::numbers::pi / L))};
    omega.bytes.replace(8, 8, reinterpret_cast<const char*>(node.data()), 8);
  };
  second(static_cast<double>(2 * nodes - 1));  // as many nodes as an even length has
  CHECK_THAT(read(config), ContainsSubstring("omega: expected an even length, got"));
  second(500);
  CHECK_THAT(read(config), ContainsSubstring("omega: expected 251 nodes of a kernel of 500 steps, got"));
  second(std::numeric_limits<double>::infinity());
  CHECK_THAT(read(config), ContainsSubstring("nodes of a kernel of inf steps, got"));
  omega = even;
  const auto w = reference("s4_sequence_prenorm");
  const auto sequence = [&](const std::string& json) {
    return said([&] { io::import_from<io::S4Sequence>(w, io::Configuration(json)); });
  };
  CHECK_THAT(sequence("{}"), ContainsSubstring("configuration 'model': expected one of its values, an object"));
  CHECK_THAT(sequence(R"({"model": {"d_model": 6}})"), ContainsSubstring("configuration 'model.prenorm': expected"));
  CHECK_THAT(sequence(R"({"model": {"d_model": 6, "prenorm": true, "n_layers": 2, "residual": "H", "layer": {}}})"),
             ContainsSubstring("configuration 'model.residual': expected R, got \"H\""));
}

TEST_CASE("a layer with a Q of its own is kept in a file of this library", "[import][golden]") {
  const io::File file = reference("s4_v2_free_q_rank2");
  const auto imported = io::import_from<io::S4v2>(file, told_in(file));
  const auto* const own = imported.model.weights().blocks.front().ssm.get<S4<float>>();
  REQUIRE(own != nullptr);
  REQUIRE(own->Q.size() == own->P.size());
  const auto path = std::filesystem::temp_directory_path() / "ssm_free_q.safetensors";
  io::save(path, *own);
  const auto again = io::load<S4Parameters<float>>(path);
  std::filesystem::remove(path);
  CHECK(again.Q == own->Q);
  CHECK(again.A_re_max == own->A_re_max);
  CHECK(again.C == own->C);
}
