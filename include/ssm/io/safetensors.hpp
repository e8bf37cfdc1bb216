#pragma once

#include "ssm/nn/parameter.hpp"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

/// Models and checkpoints as files. Needs nlohmann/json (target ssm::io), so it is not in <ssm/ssm.hpp>.
namespace ssm::io {

/// A file that is not what was expected. The message names the file, what was expected and what came.
struct FormatError : Error {
  using Error::Error;
};

/// Numbers of a file, row-major.
struct Tensor {
  std::string type;          ///< F32, F64, I64
  std::vector<Index> shape;  ///< sizes
  std::string bytes;         ///< little-endian
};

/// A whole file in the safetensors format: 8 bytes of header length, a header in JSON, the numbers.
struct File {
  std::map<std::string, Tensor> tensors;        ///< by name
  std::map<std::string, std::string> metadata;  ///< whatever else
};

namespace detail {

inline Index type_size(const std::string& type) { return type == "F32" ? 4 : type == "F64" || type == "I64" ? 8 : 0; }
template <class T>
std::string type_name() {
  return sizeof(T) == 4 ? "F32" : "F64";
}
inline std::string text(const std::vector<Index>& shape) {
  std::string result = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) result += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return result + ")";
}
inline Index product(const std::vector<Index>& shape) {
  Index size = 1;
  for (const Index each : shape) size *= each;
  return size;
}
static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

/// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags) : number_(::open(path.c_str(), flags, 0644)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const noexcept { return number_; }

 private:
  int number_;
};

}  // namespace detail

/// Reads a whole file.
/// @throws FormatError for anything that is not a safetensors file of F32, F64 and I64, or is cut off
inline File read(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& why) { throw FormatError(path.string() + ": " + why); };
  if (!std::filesystem::is_regular_file(path)) fail("expected a safetensors file, there is no such file");
  std::ifstream stream(path, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(stream)), {});
  std::uint64_t header_size = 0;
  if (all.size() < 8) fail("expected a safetensors file, got " + std::to_string(all.size()) + " bytes");
  std::memcpy(&header_size, all.data(), 8);
  if (header_size > all.size() - 8)
    fail("expected a header of " + std::to_string(header_size) + " bytes, got " + std::to_string(all.size() - 8) +
         ": no safetensors file, or cut off");
  File file;
  const std::size_t data = 8 + header_size;
  try {
    const auto header = nlohmann::json::parse(all.begin() + 8, all.begin() + static_cast<std::ptrdiff_t>(data));
    std::size_t used = 0;
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        file.metadata = entry.get<std::map<std::string, std::string>>();
        continue;
      }
      Tensor tensor{entry.at("dtype").get<std::string>(), entry.at("shape").get<std::vector<Index>>(), {}};
      const auto offsets = entry.at("data_offsets").get<std::vector<std::size_t>>();
      const Index size = detail::type_size(tensor.type);
      if (size == 0) fail(name + ": expected F32, F64 or I64, got " + tensor.type);
      for (const Index each : tensor.shape)
        if (each < 0) fail(name + ": expected sizes of at least 0, got " + detail::text(tensor.shape));
      if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > all.size() - data)
        fail(name + ": its numbers are not in the file, which is cut off or damaged");
      if (static_cast<Index>(offsets[1] - offsets[0]) != size * detail::product(tensor.shape))
        fail(name + ": expected " + std::to_string(size * detail::product(tensor.shape)) + " bytes for " +
             detail::text(tensor.shape) + ", got " + std::to_string(offsets[1] - offsets[0]));
      tensor.bytes = all.substr(data + offsets[0], offsets[1] - offsets[0]);
      used += tensor.bytes.size();
      file.tensors.emplace(name, std::move(tensor));
    }
    if (used != all.size() - data)
      fail("expected " + std::to_string(used) + " bytes of numbers, got " + std::to_string(all.size() - data));
  } catch (const nlohmann::json::exception& error) {
    fail(std::string("its header is damaged: ") + error.what());
  }
  return file;
}

/// Writes a whole file or none: beside its place first, down to the disk, then renamed. Killed at any moment, either
/// the old file is there or the new one.
/// @throws Error if it cannot be written
inline void write(const std::filesystem::path& path, const File& file) {
  nlohmann::json header;
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

  auto part = path;
  part += ".part";
  const auto fail = [&](const std::string& what) {
    const std::string why = std::strerror(errno);
    std::filesystem::remove(part);
    throw Error(path.string() + ": could not " + what + ": " + why);
  };
  {
    const detail::Descriptor out(part, O_WRONLY | O_CREAT | O_TRUNC);
    if (out.number() < 0) throw Error(path.string() + ": could not be written: " + std::strerror(errno));
    for (std::size_t done = 0; done < all.size();) {
      const auto count = ::write(out.number(), all.data() + done, all.size() - done);
      if (count < 0) fail("be written");
      done += static_cast<std::size_t>(count);
    }
    if (::fsync(out.number()) != 0) fail("reach the disk");
  }
  if (::rename(part.c_str(), path.c_str()) != 0) fail("take its place");
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const detail::Descriptor place(folder, O_RDONLY | O_DIRECTORY);
  if (place.number() >= 0) ::fsync(place.number());
}

/// Adds arrays to a file, their names after `folder`.
template <class T>
void put(File& file, const std::vector<Parameter<T>>& arrays, const std::string& folder = "") {
  for (const auto& each : arrays)
    file.tensors[folder + each.name] = {
        detail::type_name<T>(), each.shape,
        std::string(reinterpret_cast<const char*>(each.values.data()), each.values.size_bytes())};
}

/// Fills arrays from a file. Strict: every name must be there, with these sizes and this type.
/// @throws FormatError that names the array, what was expected and what came; nothing has changed then
template <class T>
void take(const File& file, const std::vector<Parameter<T>>& arrays, const std::string& folder = "") {
  for (const auto& each : arrays) {
    const auto found = file.tensors.find(folder + each.name);
    if (found == file.tensors.end()) throw FormatError(folder + each.name + ": expected in the file, is not there");
    const Tensor& tensor = found->second;
    if (tensor.shape != each.shape)
      throw FormatError(folder + each.name + ": expected shape " + detail::text(each.shape) + ", got " +
                        detail::text(tensor.shape));
    if (tensor.type != detail::type_name<T>())
      throw FormatError(folder + each.name + ": expected " + detail::type_name<T>() + ", got " + tensor.type);
  }
  for (const auto& each : arrays)
    if (!each.values.empty())
      std::memcpy(each.values.data(), file.tensors.at(folder + each.name).bytes.data(), each.values.size_bytes());
}

}  // namespace ssm::io
