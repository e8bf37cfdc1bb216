// Files of numbers: what is none is refused by name, before anything is allocated by sizes that it says.
#include "ssm/io/safetensors.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace ssm;
using support::ContainsSubstring;

namespace {

std::string file(const std::string& header, const std::string& numbers = "") {
  const std::uint64_t size = header.size();
  std::string all(8, '\0');
  std::memcpy(all.data(), &size, 8);
  return all + header + numbers;
}
io::File read(const std::string& bytes) { return io::read(std::as_bytes(std::span(bytes)), "FILE"); }
/// Returns the message about a file, which must come without a large allocation.
std::string refusal(const std::string& bytes) {
  const support::AllocationCounter counter;
  std::string said = "accepted";
  try {
    read(bytes);
  } catch (const io::FormatError& error) {
    said = error.what();
  }
  CHECK(counter.peak_bytes() < std::ptrdiff_t(64 * bytes.size() + 100'000));
  CHECK_THAT(said, Catch::Matchers::StartsWith("FILE: ") || Catch::Matchers::Equals("accepted"));
  return said;
}
std::string tensor(const std::string& type, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}
std::string one(const std::string& type, const std::string& shape, const std::string& offsets) {
  return R"({"a":)" + tensor(type, shape, offsets) + "}";
}
const std::string four(4, '\0'), eight(8, '\0');

template <class U>
std::string bytes_of(std::initializer_list<U> values) {
  return {reinterpret_cast<const char*>(std::data(values)), values.size() * sizeof(U)};
}
std::vector<double> numbers(const std::string& type, const std::string& bytes) {
  return io::numbers("a", {type, {}, bytes});
}

}  // namespace

TEST_CASE("a file of tensors is read, at any alignment, and whatever else it holds", "[io]") {
  CHECK(read(file("{}")).tensors.empty());
  CHECK(read(file(R"({"__metadata__":{"k":"v"}})")).metadata.at("k") == "v");
  CHECK(read(file(one("F32", "[]", "[0,4]"), four)).tensors.at("a").bytes == four);
  CHECK(read(file(one("F32", "[0,5]", "[0,0]"))).tensors.at("a").shape == std::vector<Index>{0, 5});
  CHECK(read(file(one("F32", "[2]", "[0,8]") + "     ", eight)).tensors.size() == 1);
  const auto both = R"({"b":)" + tensor("U8", "[3]", "[4,7]") + R"(,"a":)" + tensor("F8_E4M3", "[2,2]", "[0,4]") + "}";
  const auto two = read(file(both, "abcdefg"));
  CHECK(two.tensors.at("a").bytes == "abcd");
  CHECK(two.tensors.at("b").bytes == "efg");
}

TEST_CASE("every type of numbers is converted, or refused by name", "[io]") {
  CHECK(numbers("F64", bytes_of({1.5, -2.0})) == std::vector{1.5, -2.0});
  CHECK(numbers("F32", bytes_of({1.5F, -2.0F})) == std::vector{1.5, -2.0});
  CHECK(numbers("C64", bytes_of({1.5F, -2.0F})) == std::vector{1.5, -2.0});
  CHECK(numbers("BF16", bytes_of<std::uint16_t>({0x3FC0, 0xC000})) == std::vector{1.5, -2.0});
  CHECK(numbers("F16", bytes_of<std::uint16_t>({0x3E00, 0xC000, 0x0001, 0x7BFF, 0x8000})) ==
        std::vector{1.5, -2.0, 0x1p-24, 65504.0, -0.0});
  CHECK(std::isinf(numbers("F16", bytes_of<std::uint16_t>({0x7C00}))[0]));
  CHECK(std::isnan(numbers("F16", bytes_of<std::uint16_t>({0x7C01}))[0]));
  CHECK(numbers("I64", bytes_of<std::int64_t>({-3})) == std::vector{-3.0});
  CHECK(numbers("I32", bytes_of<std::int32_t>({-3})) == std::vector{-3.0});
  CHECK(numbers("I16", bytes_of<std::int16_t>({-3})) == std::vector{-3.0});
  CHECK(numbers("I8", bytes_of<std::int8_t>({-3})) == std::vector{-3.0});
  CHECK(numbers("U64", bytes_of<std::uint64_t>({7})) == std::vector{7.0});
  CHECK(numbers("U32", bytes_of<std::uint32_t>({4294967295U})) == std::vector{4294967295.0});
  CHECK(numbers("U16", bytes_of<std::uint16_t>({65535})) == std::vector{65535.0});
  CHECK(numbers("U8", bytes_of<std::uint8_t>({255})) == std::vector{255.0});
  CHECK(numbers("BOOL", bytes_of<std::uint8_t>({1})) == std::vector{1.0});
  CHECK_THROWS_WITH(numbers("I64", bytes_of<std::int64_t>({std::int64_t{1} << 60})),
                    ContainsSubstring("a: expected integers that fp64 can hold, got 1152921504606846976"));
  CHECK_THROWS_WITH(numbers("F8_E4M3", "a"),
                    ContainsSubstring("a: expected numbers that can be converted, got F8_E4M3"));
}

TEST_CASE("what is no file of tensors says what it is", "[io]") {
  CHECK_THAT(refusal(""), ContainsSubstring("at least 8 bytes, got 0"));
  CHECK_THAT(refusal("1234567"), ContainsSubstring("at least 8 bytes, got 7"));
  CHECK_THAT(refusal(std::string("\x00\x10\0\0\0\0\0\0", 8) + "{}"), ContainsSubstring("header of 4096 bytes, got 2"));
  CHECK_THAT(refusal(std::string(7, '\xFF') + "\xFF{}"), ContainsSubstring("header of 18446744073709551615 bytes"));
  CHECK_THAT(refusal("\xFC" + std::string(7, '\xFF') + "{}"),
             ContainsSubstring("header of 18446744073709551612 bytes"));
  CHECK_THAT(refusal(file(R"({"a":)")), ContainsSubstring("header is damaged"));
  CHECK_THAT(refusal(file("[1,2]")), ContainsSubstring("expected a JSON object, got array"));
  CHECK_THAT(refusal(file("null")), ContainsSubstring("expected a JSON object, got null"));
  CHECK_THAT(refusal(file("")), ContainsSubstring("header is damaged"));
  CHECK_THAT(refusal(file("{\"\xFF\":1}")), ContainsSubstring("header is damaged"));
  CHECK_THAT(refusal(file(std::string(20'000, '['))), ContainsSubstring("header is damaged"));
  CHECK_THAT(refusal(file(R"({"__metadata__":{"n":1}})")), ContainsSubstring("metadata 'n': expected a text, got 1"));
  CHECK_THAT(refusal(file(R"({"__metadata__":3})")), ContainsSubstring("__metadata__: expected an object of texts"));
  CHECK_THAT(refusal(file(R"({"a":7})")), ContainsSubstring("a: expected a description"));
}

TEST_CASE("a tensor that its file does not bear out is refused by name", "[io]") {
  CHECK_THAT(refusal(file(one("F33", "[1]", "[0,4]"), four)),
             ContainsSubstring("a: expected a type of numbers") && ContainsSubstring("F33"));
  CHECK_THAT(refusal(file(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", four)),
             ContainsSubstring("a: expected its dtype"));
  CHECK_THAT(refusal(file(one("F32", "2", "[0,8]"), eight)), ContainsSubstring("a: expected a list as its shape"));
  CHECK_THAT(refusal(file(one("F32", "[-2]", "[0,8]"), eight)), ContainsSubstring("whole numbers of at least 0"));
  CHECK_THAT(refusal(file(one("F32", "[2]", "[0.0,8.5]"), eight)),
             ContainsSubstring("as its data_offsets, got [0.0,8.5]"));
  CHECK_THAT(refusal(file(one("F32", "[2]", "[-8,0]"), eight)), ContainsSubstring("whole numbers of at least 0"));
  CHECK_THAT(refusal(file(one("F32", "[2]", "[0,36893488147419103232]"), eight)),
             ContainsSubstring("a: expected whole numbers"));
  CHECK_THAT(refusal(file(one("F32", "[2]", "[8]"), eight)), ContainsSubstring("expected two data_offsets, got 1"));
  CHECK_THAT(refusal(file(one("F32", "[2]", "[8,0]"), eight)),
             ContainsSubstring("to end behind where they begin, got 8 .. 0"));
  CHECK_THAT(refusal(file(one("F32", "[2]", "[0,8]"), four)), ContainsSubstring("within the file's 4 bytes"));
  CHECK_THAT(refusal(file(one("F32", "[2]", "[0,4]"), four)),
             ContainsSubstring("expected 8 bytes for [2] of F32, got 4"));
  for (const char* shape : {"[4611686018427387904,4]", "[4611686018427387906]", "[3,6148914691236517206]",
                            "[4294967296,4294967296]", "[18446744073709551615]"})
    for (const char* offsets : {"[0,0]", "[0,8]"})
      CHECK_THAT(refusal(file(one("F32", shape, offsets), std::string(offsets) == "[0,0]" ? "" : eight)),
                 ContainsSubstring("a: expected a shape whose numbers fit into the file"));
}

TEST_CASE("every byte of numbers is one tensor's", "[io]") {
  const auto pair = [](const std::string& first, const std::string& second) {
    return file(R"({"a":)" + tensor("F32", "[1]", first) + R"(,"b":)" + tensor("F32", "[1]", second) + "}", eight);
  };
  CHECK(refusal(pair("[0,4]", "[4,8]")) == "accepted");
  CHECK_THAT(refusal(pair("[0,4]", "[0,4]")), ContainsSubstring("overlap"));
  CHECK_THAT(refusal(pair("[0,4]", "[2,6]")),
             ContainsSubstring("b: expected its numbers to begin at 4, where a ends, got 2"));
  CHECK_THAT(refusal(file(one("F32", "[1]", "[4,8]"), eight)), ContainsSubstring("a gap"));
  CHECK_THAT(refusal(file(one("F32", "[1]", "[0,4]"), eight)), ContainsSubstring("expected 4 bytes of numbers, got 8"));
  CHECK_THAT(refusal(file(R"({"a":)" + tensor("F32", "[1]", "[0,4]") + R"(,"a":)" + tensor("F32", "[1]", "[4,8]") + "}",
                          eight)),
             ContainsSubstring("a: expected once in the header, is there twice"));
  CHECK_THAT(refusal(file(R"({"a":)" + tensor("F32", "[1]", "[0,4]") + R"(,"a":)" + tensor("F32", "[1]", "[0,4]") + "}",
                          four)),
             ContainsSubstring("is there twice"));
}

TEST_CASE("damaged files of other projects are refused by name", "[io][golden]") {
  // what is wrong with what the numbers mean is for whoever reads them
  const std::set<std::string> read_all{"good",        "good_unaligned",  "missing_tensor",    "extra_tensor",
                                       "wrong_shape", "wrong_rank",      "wrong_dtype",       "wrong_last_axis",
                                       "nan_weight",  "infinite_weight", "overflowing_weight"};
  Index refused = 0;
  for (const auto& path : support::golden_files("checkpoint_bad", "")) {
    CAPTURE(path.string());
    if (read_all.contains(path.stem().string())) {
      CHECK_NOTHROW(io::read(path));
      continue;
    }
    ++refused;
    const support::AllocationCounter counter;
    std::string said;
    try {
      io::read(path);
    } catch (const io::FormatError& error) {
      said = error.what();
    }
    CHECK_THAT(said, Catch::Matchers::StartsWith(path.string() + ": "));
    CHECK(counter.peak_bytes() < 4'000'000);
  }
  CHECK(refused >= 25);
}
