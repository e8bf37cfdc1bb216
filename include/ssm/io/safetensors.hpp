#pragma once

#include "ssm/io/dtype.hpp"
#include "ssm/io/whole_file.hpp"
#include "ssm/nn/parameter.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

namespace ssm::io {

/// A whole file in the safetensors format: 8 bytes of header length, a header in JSON, the numbers.
struct File {
  std::map<std::string, Tensor> tensors;        ///< by name
  std::map<std::string, std::string> metadata;  ///< whatever else
};

namespace detail {

template <class T>
std::string type_name() {
  return sizeof(T) == 4 ? "F32" : "F64";
}
inline std::string text(const std::vector<Index>& shape) {
  std::string result = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) result += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return result + ")";
}
static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

/// The header of a file, no name of which may be there twice.
/// @throws FormatError that says what is wrong with it
inline nlohmann::json header_of(std::string_view text) {
  std::vector<std::set<std::string>> names;  // of the objects that are open
  std::string twice;
  bool deep = false;
  const nlohmann::json::parser_callback_t watch = [&](int depth, nlohmann::json::parse_event_t event,
                                                      nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    deep = deep || depth > 8;
    if (event == Event::object_start) names.emplace_back();
    if (event == Event::object_end) names.pop_back();
    if (event == Event::key && !names.back().insert(parsed.get<std::string>()).second)
      twice = parsed.get<std::string>();
    return !deep;
  };
  nlohmann::json header;
  try {
    header = nlohmann::json::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(ssm::detail::message("its header is damaged: expected JSON, got ", error.what()));
  }
  if (deep)
    throw FormatError("its header is damaged: expected a description of each tensor, got one that nests deeper");
  if (!twice.empty()) throw FormatError(ssm::detail::message(twice, ": expected once in the header, is there twice"));
  if (!header.is_object())
    throw FormatError(ssm::detail::message("its header is damaged: expected a JSON object, got ", header.type_name()));
  return header;
}

/// A list of whole numbers, each at least 0.
inline std::vector<std::uint64_t> whole_numbers(const std::string& name, const char* what,
                                                const nlohmann::json& entry) {
  const auto found = entry.find(what);
  if (found == entry.end())
    throw FormatError(ssm::detail::message(name, ": expected its ", what, " in the header, they are not there"));
  if (!found->is_array())
    throw FormatError(ssm::detail::message(name, ": expected a list as its ", what, ", got ", found->dump()));
  std::vector<std::uint64_t> all;
  for (const auto& each : *found) {
    if (!each.is_number_unsigned())
      throw FormatError(ssm::detail::message(name, ": expected whole numbers of at least 0, below 2^64, as its ", what,
                                             ", got ", found->dump()));
    all.push_back(each.get<std::uint64_t>());
  }
  return all;
}

/// Place of a tensor's numbers.
struct Place {
  std::uint64_t begin, end;
  std::string name;

  /// In the order in which they stand.
  bool operator<(const Place& other) const noexcept {
    return begin != other.begin ? begin < other.begin : end < other.end;
  }
};

/// Reads what the header says of one tensor, and returns where its numbers are. Nothing is allocated by what it says.
inline Place place_of(const std::string& name, const nlohmann::json& entry, std::uint64_t available, Tensor& tensor) {
  const auto fail = [&](const std::string& why) { throw FormatError(ssm::detail::message(name, ": ", why)); };
  if (!entry.is_object()) fail(ssm::detail::message("expected a description in the header, got ", entry.dump()));
  const auto type = entry.find("dtype");
  if (type == entry.end() || !type->is_string()) fail("expected its dtype in the header, it is not there");
  tensor.type = type->get<std::string>();
  const auto known = dtype(tensor.type);
  if (!known) fail(ssm::detail::message("expected a type of numbers as F32 or I64, got ", tensor.type));
  const auto shape = whole_numbers(name, "shape", entry), offsets = whole_numbers(name, "data_offsets", entry);
  if (offsets.size() != 2) fail(ssm::detail::message("expected two data_offsets, got ", offsets.size()));
  if (offsets[0] > offsets[1])
    fail(ssm::detail::message("expected its numbers to end behind where they begin, got ", offsets[0], " .. ",
                              offsets[1]));
  if (offsets[1] > available)
    fail(ssm::detail::message("expected its numbers to end within the file's ", available, " bytes of numbers, got ",
                              offsets[1], ": the file is cut off or damaged"));
  auto bytes = static_cast<std::uint64_t>(known->bytes);
  const std::uint64_t held = offsets[1] - offsets[0];
  constexpr std::uint64_t limit = std::numeric_limits<Index>::max();
  bool too_large = false, empty = false;
  for (const std::uint64_t size : shape) {
    empty = empty || size == 0;
    too_large = too_large || size > limit || (size > 0 && bytes > limit / size);
    bytes *= size;
  }
  if (too_large && !empty)
    fail(ssm::detail::message("expected a shape whose numbers fit into the file, got ", entry.at("shape").dump()));
  if (empty) bytes = 0;
  if (bytes != held)
    fail(ssm::detail::message("expected ", bytes, " bytes for ", entry.at("shape").dump(), " of ", tensor.type,
                              ", got ", held));
  for (const std::uint64_t size : shape) tensor.shape.push_back(static_cast<Index>(std::min(size, limit)));
  return {offsets[0], offsets[1], name};
}

}  // namespace detail

/// Reads a whole file from memory. Strict: every byte of numbers belongs to exactly one tensor.
///
/// @param bytes   the file
/// @param name    what messages call it
/// @throws        FormatError for anything that is not a safetensors file, or is cut off: it names the file, the
///                tensor, what was expected and what came. Nothing is allocated by sizes that the file says before they
///                are checked.
inline File read(std::span<const std::byte> bytes, const std::string& name = "a file in memory") try {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::uint64_t header_size = 0;
  if (all.size() < 8)
    throw FormatError(ssm::detail::message("expected a safetensors file, of at least 8 bytes, got ", all.size()));
  std::memcpy(&header_size, all.data(), 8);
  if (header_size > all.size() - 8)
    throw FormatError(ssm::detail::message("expected a header of ", header_size, " bytes, got ", all.size() - 8,
                                           ": no safetensors file, or cut off"));
  const auto header = detail::header_of(all.substr(8, header_size));
  const std::string_view data = all.substr(8 + header_size);
  File file;
  std::multiset<detail::Place> places;
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__") {
      if (!entry.is_object())
        throw FormatError(ssm::detail::message("__metadata__: expected an object of texts, got ", entry.dump()));
      for (const auto& [word, value] : entry.items()) {
        if (!value.is_string())
          throw FormatError(ssm::detail::message("metadata '", word, "': expected a text, got ", value.dump()));
        file.metadata.emplace(word, value.get<std::string>());
      }
      continue;
    }
    places.insert(detail::place_of(key, entry, data.size(), file.tensors[key]));
  }
  std::uint64_t end = 0;
  std::string before = "the header";
  for (const auto& place : places) {
    if (place.begin != end)
      throw FormatError(ssm::detail::message(place.name, ": expected its numbers to begin at ", end, ", where ", before,
                                             " ends, got ", place.begin,
                                             (place.begin < end ? ": they overlap" : ": a gap")));
    end = place.end;
    before = place.name;
  }
  if (end != data.size())
    throw FormatError(ssm::detail::message("expected ", end, " bytes of numbers, got ", data.size()));
  for (const auto& place : places)
    file.tensors.at(place.name).bytes = data.substr(place.begin, place.end - place.begin);
  return file;
} catch (const FormatError& error) {
  throw FormatError(ssm::detail::message(name, ": ", error.what()));
}

/// Reads a whole file.
/// @param path   of a regular file
/// @throws       FormatError as for one in memory, and where there is no file, or something that is none
inline File read(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& why) {
    throw FormatError(ssm::detail::message(path.string(), ": expected a safetensors file, ", why));
  };
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) fail("there is no such file");
  if (std::filesystem::is_directory(status)) fail("got a folder");
  if (!std::filesystem::is_regular_file(status)) fail("got something that is no regular file: a pipe or a device");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail("it cannot be opened");
  const std::string all((std::istreambuf_iterator<char>(stream)), {});
  if (stream.bad()) fail("it cannot be read");
  return read(std::as_bytes(std::span(all)), path.string());
}

/// Writes a whole file or none: beside its place first, down to the disk, then renamed. Killed at any moment, either
/// the old file is there or the new one.
/// @throws FormatError if a name or metadata is not UTF-8; Error if it cannot be written
inline void write(const std::filesystem::path& path, const File& file) {
  const auto require_text = [&](const std::string& what, const std::string& text) {
    try {
      static_cast<void>(nlohmann::json(text).dump());
    } catch (const nlohmann::json::exception&) {
      throw FormatError(ssm::detail::message(path.string(), ": ", what, ": expected UTF-8, got other bytes"));
    }
  };
  for (const auto& [key, value] : file.metadata) {
    require_text("a name of metadata", key);
    require_text("metadata '" + key + "'", value);
  }
  for (const auto& [name, tensor] : file.tensors) require_text("the name of a tensor", name);
  nlohmann::json header = nlohmann::json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  std::size_t at = 0;
  for (const auto& [name, tensor] : file.tensors) {
    header[name] = {{"dtype", tensor.type}, {"shape", tensor.shape}, {"data_offsets", {at, at + tensor.bytes.size()}}};
    at += tensor.bytes.size();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t size = text.size();
  std::string all(8, '\0');
  std::memcpy(all.data(), &size, 8);
  all += text;
  for (const auto& [name, tensor] : file.tensors) all += tensor.bytes;

  detail::write_whole(path, all);
}

namespace detail {

/// Adds a tensor of numbers as they lie in memory.
inline void put_tensor(File& file, const std::string& name, std::string type, const std::vector<Index>& shape,
                       std::span<const std::byte> numbers) {
  file.tensors[name] = {std::move(type), shape,
                        std::string(reinterpret_cast<const char*>(numbers.data()), numbers.size())};
}
/// Returns a tensor of this name, shape and type.
/// @throws FormatError that names it, what was expected and what came
inline const Tensor& need_tensor(const File& file, const std::string& name, const std::vector<Index>& shape,
                                 const std::string& type) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end())
    throw FormatError(ssm::detail::message(name, ": expected in the file, is not there"));
  const Tensor& tensor = found->second;
  if (tensor.shape != shape)
    throw FormatError(ssm::detail::message(name, ": expected shape ", text(shape), ", got ", text(tensor.shape)));
  if (tensor.type != type) throw FormatError(ssm::detail::message(name, ": expected ", type, ", got ", tensor.type));
  return tensor;
}

}  // namespace detail

/// Adds arrays to a file, their names after `folder`.
template <class T>
void put(File& file, const std::vector<Parameter<T>>& arrays, const std::string& folder = "") {
  for (const auto& each : arrays)
    detail::put_tensor(file, folder + each.name, detail::type_name<T>(), each.shape, std::as_bytes(each.values));
}

/// Fills arrays from a file. Strict: every name must be there, with these sizes and this type.
/// @throws FormatError that names the array, what was expected and what came; nothing has changed then
template <class T>
void take(const File& file, const std::vector<Parameter<T>>& arrays, const std::string& folder = "") {
  std::vector<const Tensor*> found;
  for (const auto& each : arrays)
    found.push_back(&detail::need_tensor(file, folder + each.name, each.shape, detail::type_name<T>()));
  for (std::size_t i = 0; i < arrays.size(); ++i)
    if (!arrays[i].values.empty())
      std::memcpy(arrays[i].values.data(), found[i]->bytes.data(), arrays[i].values.size_bytes());
}

}  // namespace ssm::io
