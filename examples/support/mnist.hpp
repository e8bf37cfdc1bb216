#pragma once

#include <ssm/core/random.hpp>

#include <zlib.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace example {

/// Handwritten digits, 28 x 28 grey pixels each: LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist.
struct Mnist {
  static constexpr int pixels = 784;
  std::vector<std::uint8_t> images;  ///< (count, 784), row by row
  std::vector<std::uint8_t> labels;  ///< (count)

  std::size_t count() const { return labels.size(); }
  const std::uint8_t* image(std::size_t i) const { return images.data() + i * pixels; }
};

/// Returns the order in which pixels are read: as they lie, or one permutation for all images and all runs.
inline std::vector<std::size_t> reading_order(std::size_t pixels, bool permuted) {
  std::vector<std::size_t> order(pixels);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!permuted) return order;
  ssm::Random random(92916);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[static_cast<std::size_t>(random.uniform() * static_cast<double>(i))]);
  return order;
}

/// Reads a whole idx file, packed by gzip or not.
/// @throws std::runtime_error that names the file, what was expected and what came
inline std::vector<std::uint8_t> read_idx(const std::filesystem::path& path, const std::vector<std::uint32_t>& sizes,
                                          std::uint32_t magic) {
  const auto fail = [&](const std::string& why) { throw std::runtime_error(path.string() + ": " + why); };
  if (!std::filesystem::is_regular_file(path)) fail("expected a file of the MNIST set, there is no such file");
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  std::vector<std::uint8_t> bytes;
  std::array<std::uint8_t, 1 << 16> part{};
  for (int got = 0; (got = gzread(file.get(), part.data(), part.size())) != 0;) {
    if (got < 0) fail("its gzip is damaged or cut off");
    bytes.insert(bytes.end(), part.begin(), part.begin() + got);
  }
  const auto word = [&](std::size_t i) {
    return std::uint32_t{bytes[4 * i]} << 24 | std::uint32_t{bytes[4 * i + 1]} << 16 |
           std::uint32_t{bytes[4 * i + 2]} << 8 | bytes[4 * i + 3];
  };
  const std::size_t head = 4 * (2 + sizes.size());
  if (bytes.size() < head || word(0) != magic)
    fail("expected an idx file of " + std::string(sizes.empty() ? "labels" : "images") + ", got something else");
  std::size_t expected = word(1);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (word(2 + i) != sizes[i]) fail("expected images of 28 x 28, got a size of " + std::to_string(word(2 + i)));
    expected *= sizes[i];
  }
  if (bytes.size() - head != expected)
    fail("expected " + std::to_string(expected) + " bytes, got " + std::to_string(bytes.size() - head));
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(head));
  return bytes;
}

/// @param part   "train" or "t10k"
inline Mnist read_mnist(const std::filesystem::path& folder, const std::string& part) {
  const auto find = [&](const std::string& name) {
    const auto packed = folder / (name + ".gz");
    return std::filesystem::exists(packed) ? packed : folder / name;
  };
  Mnist all{read_idx(find(part + "-images-idx3-ubyte"), {28, 28}, 2051),
            read_idx(find(part + "-labels-idx1-ubyte"), {}, 2049)};
  if (all.images.size() != all.count() * Mnist::pixels)
    throw std::runtime_error(folder.string() + ": expected an image for each of the " + std::to_string(all.count()) +
                             " labels, got " + std::to_string(all.images.size() / Mnist::pixels));
  for (const auto label : all.labels)
    if (label > 9) throw std::runtime_error(folder.string() + ": expected labels 0..9, got " + std::to_string(label));
  return all;
}

}  // namespace example
