#pragma once

#include <sndfile.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace example {

/// A recording mixed down to one channel.
struct Recording {
  std::vector<float> samples;
  double rate;  ///< Hz
};

namespace detail {

/// Reads the four bytes from `at` on as a little-endian size, and writes them.
inline std::uint32_t size_at(const std::string& bytes, std::size_t at) {
  std::uint32_t size = 0;
  for (unsigned byte = 0; byte < 4; ++byte)
    size += std::uint32_t{static_cast<unsigned char>(bytes[at + byte])} << (8 * byte);
  return size;
}
inline void set_size_at(std::string& bytes, std::size_t at, std::uint64_t size) {
  for (unsigned byte = 0; byte < 4; ++byte) bytes[at + byte] = static_cast<char>(size >> (8 * byte) & 255);
}
/// Makes the sizes of a file's chunks those that are meant, and cuts off what follows the last one.
///
/// A program that writes a WAV into a pipe does not know how long it will be, and says 0 or 2^32 - 1: all that follows is
/// meant. A chunk that does not fit into the file is refused, since libsndfile reads on behind the end for hours.
/// @return   an empty text, or what is wrong
inline std::string settle_sizes(std::string& bytes) {
  const auto unknown = [&](std::size_t at) {
    const std::uint32_t size = size_at(bytes, at);
    return size == 0 || size == 0xFFFFFFFFU;
  };
  const bool piped = unknown(4);
  if (piped) set_size_at(bytes, 4, bytes.size() - 8);
  const std::uint64_t promised = 8 + std::uint64_t{size_at(bytes, 4)};
  if (bytes.size() < promised)
    return "expected " + std::to_string(promised) + " bytes as its header says, got " + std::to_string(bytes.size()) +
           ": the file is cut off";
  std::uint64_t at = 12, end = promised;
  while (at + 8 <= end) {
    const bool is_data = bytes.compare(at, 4, "data") == 0;
    const std::uint64_t rest = bytes.size() - at - 8;
    if (is_data && piped && unknown(at + 4)) set_size_at(bytes, at + 4, rest);
    const std::uint64_t size = size_at(bytes, at + 4);
    if (size > rest)
      return "expected a WAV file whose chunks fit into it, got one of " + std::to_string(size) + " bytes at byte " +
             std::to_string(at) + " of " + std::to_string(bytes.size());
    if (is_data) end = std::max(end, at + 8 + size);
    at += 8 + size + size % 2;
  }
  bytes.resize(std::min<std::uint64_t>(bytes.size(), std::max(end, at)));
  return {};
}

/// A file in memory, for libsndfile to read.
struct Memory {
  const std::string& bytes;
  sf_count_t at;

  static Memory& of(void* self) { return *static_cast<Memory*>(self); }
  static SF_VIRTUAL_IO access() {
    return {[](void* self) { return static_cast<sf_count_t>(of(self).bytes.size()); },
            [](sf_count_t offset, int whence, void* self) {
              const auto size = static_cast<sf_count_t>(of(self).bytes.size());
              const sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? of(self).at : size;
              return of(self).at = std::clamp<sf_count_t>(from + offset, 0, size);
            },
            [](void* to, sf_count_t count, void* self) {
              Memory& memory = of(self);
              count = std::min(count, static_cast<sf_count_t>(memory.bytes.size()) - memory.at);
              std::copy_n(memory.bytes.data() + memory.at, count, static_cast<char*>(to));
              memory.at += count;
              return count;
            },
            [](const void*, sf_count_t, void*) { return sf_count_t{0}; }, [](void* self) { return of(self).at; }};
  }
};

}  // namespace detail

/// Returns whether a path ends in an extension, whatever the case of its letters.
inline bool has_extension(const std::filesystem::path& path, const std::string& extension) {
  std::string own = path.extension().string();
  for (char& letter : own) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return own == extension;
}

/// Reads a WAV file of any rate and number of channels from memory.
/// @param bytes   the file
/// @param name    name of the file in messages
/// @throws        std::runtime_error that names the file, what was expected and what came
inline Recording read_wav(std::string bytes, const std::string& name) {
  const auto fail = [&](const std::string& why) -> Recording { throw std::runtime_error(name + ": " + why); };
  if (bytes.empty()) return fail("expected a WAV file, got an empty file");
  if (bytes.size() < 12) return fail("expected a WAV file, got " + std::to_string(bytes.size()) + " bytes");
  if (!bytes.starts_with("RIFF")) return fail("expected a WAV file, got one that does not begin with RIFF");
  const std::string wrong = detail::settle_sizes(bytes);
  if (!wrong.empty()) return fail(wrong);

  SF_INFO info{};
  detail::Memory memory{bytes, 0};
  SF_VIRTUAL_IO access = detail::Memory::access();
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> sound(sf_open_virtual(&access, SFM_READ, &info, &memory), sf_close);
  if (!sound) return fail(std::string("expected a WAV file: ") + sf_strerror(nullptr));
  if (info.frames < 2) return fail("expected at least 2 samples, got " + std::to_string(info.frames));
  const auto channels = static_cast<std::size_t>(info.channels), frames = static_cast<std::size_t>(info.frames);
  if (info.samplerate < 1 || channels < 1 || frames > 16 * bytes.size() / channels)
    return fail("expected samples that fit into the file, got " + std::to_string(info.frames) + " of " +
                std::to_string(info.channels) + " channels at " + std::to_string(info.samplerate) + " Hz");
  std::vector<float> all(frames * channels);
  const auto read = sf_readf_float(sound.get(), all.data(), info.frames);
  if (read != info.frames)
    return fail("expected " + std::to_string(info.frames) + " samples, got " + std::to_string(read));

  Recording recording{std::vector<float>(frames), static_cast<double>(info.samplerate)};
  for (std::size_t k = 0; k < frames; ++k) {
    for (std::size_t c = 0; c < channels; ++c)
      recording.samples[k] += all[k * channels + c] / static_cast<float>(channels);
    if (!std::isfinite(recording.samples[k]))
      return fail("expected finite samples, got " + std::to_string(recording.samples[k]) + " at sample " +
                  std::to_string(k));
  }
  return recording;
}

/// Reads a WAV file.
/// @throws std::runtime_error that names the file, what was expected and what came
inline Recording read_wav(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& why) {
    throw std::runtime_error(path.string() + ": expected a WAV file, " + why);
  };
  if (!std::filesystem::exists(path)) fail("there is no such file");
  if (!std::filesystem::is_regular_file(path)) fail("got something that is not a file");
  std::ifstream file(path, std::ios::binary);
  return read_wav(std::string((std::istreambuf_iterator<char>(file)), {}), path.string());
}

}  // namespace example
