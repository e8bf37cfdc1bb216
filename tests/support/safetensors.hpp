#pragma once

#include "ssm/core/error.hpp"

#include <nlohmann/json.hpp>

#include <complex>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <string>
#include <vector>

namespace support {

using ssm::Index;

/// One tensor of a file, row-major.
struct Tensor {
  std::vector<Index> shape;
  std::vector<double> values;

  Index size(std::size_t axis) const { return shape.at(axis); }
  /// The last axis (re, im) taken together.
  std::vector<std::complex<double>> complex() const {
    if (shape.empty() || shape.back() != 2) throw ssm::ShapeError("complex tensor: expected a last axis of 2");
    std::vector<std::complex<double>> numbers;
    for (std::size_t i = 0; i < values.size(); i += 2) numbers.emplace_back(values[i], values[i + 1]);
    return numbers;
  }
};

/// Reads a whole safetensors file of F64 and I64 tensors (8 bytes of header length, JSON, data); throws on anything
/// else.
class Safetensors {
 public:
  explicit Safetensors(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    std::uint64_t header_size = 0;
    if (bytes.size() < 8) fail(path, "expected 8 bytes of header length");
    std::memcpy(&header_size, bytes.data(), 8);
    if (header_size > bytes.size() - 8) fail(path, "the header is longer than the file");
    const auto header = nlohmann::json::parse(bytes.substr(8, header_size));
    const std::string data = bytes.substr(8 + header_size);
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        metadata_ = entry.get<std::map<std::string, std::string>>();
        continue;
      }
      Tensor tensor{entry.at("shape").get<std::vector<Index>>(), {}};
      const auto offsets = entry.at("data_offsets").get<std::vector<std::size_t>>();
      const auto count = static_cast<std::size_t>(
          std::accumulate(tensor.shape.begin(), tensor.shape.end(), Index{1}, std::multiplies<>()));
      const auto type = entry.at("dtype").get<std::string>();
      if (offsets.size() != 2 || offsets[1] > data.size() || offsets[1] - offsets[0] != 8 * count)
        fail(path, name + ": data and shape disagree");
      if (type != "F64" && type != "I64") fail(path, name + ": expected F64 or I64, got " + type);
      for (std::size_t i = 0; i < count; ++i) {
        const char* at = data.data() + offsets[0] + 8 * i;
        double real = 0;
        std::int64_t integer = 0;
        std::memcpy(&real, at, 8);
        std::memcpy(&integer, at, 8);
        tensor.values.push_back(type == "F64" ? real : static_cast<double>(integer));
      }
      tensors_.emplace(name, std::move(tensor));
    }
  }

  const Tensor& operator[](const std::string& name) const { return tensors_.at(name); }
  const std::string& metadata(const std::string& key) const { return metadata_.at(key); }
  bool contains(const std::string& name) const { return tensors_.contains(name); }
  double tolerance() const { return std::stod(metadata("tolerance_f64")); }

 private:
  [[noreturn]] static void fail(const std::filesystem::path& path, const std::string& why) {
    throw ssm::Error(path.string() + ": " + why);
  }
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace support
