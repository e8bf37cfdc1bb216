#pragma once

#include <sndfile.h>

#include <cmath>
#include <cstdint>
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

/// Reads a WAV file of any rate and number of channels.
/// @throws std::runtime_error that names the file, what was expected and what came
inline Recording read_wav(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& why) -> Recording { throw std::runtime_error(path.string() + ": " + why); };
  if (!std::filesystem::exists(path)) return fail("expected a WAV file, there is no such file");
  if (!std::filesystem::is_regular_file(path)) return fail("expected a WAV file, got something that is not a file");
  const auto bytes = std::filesystem::file_size(path);
  if (bytes == 0) return fail("expected a WAV file, got an empty file");

  std::ifstream file(path, std::ios::binary);
  unsigned char head[8] = {};
  if (!file.read(reinterpret_cast<char*>(head), 8))
    return fail("expected a WAV file, got " + std::to_string(bytes) + " bytes");
  if (std::string(head, head + 4) != "RIFF") return fail("expected a WAV file, got one that does not begin with RIFF");
  std::uint64_t promised = 8;
  for (unsigned byte = 0; byte < 4; ++byte) promised += std::uint64_t{head[4 + byte]} << (8 * byte);
  if (bytes < promised)
    return fail("expected " + std::to_string(promised) + " bytes as its header says, got " + std::to_string(bytes) +
                ": the file is cut off");

  SF_INFO info{};
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> sound(sf_open(path.c_str(), SFM_READ, &info), sf_close);
  if (!sound) return fail(std::string("expected a WAV file: ") + sf_strerror(nullptr));
  if (info.frames < 2) return fail("expected at least 2 samples, got " + std::to_string(info.frames));
  const auto channels = static_cast<std::size_t>(info.channels), frames = static_cast<std::size_t>(info.frames);
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

}  // namespace example
