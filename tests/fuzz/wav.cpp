// A recording from a stranger: finite samples, or one sentence.
#include "support/wav.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto recording = example::read_wav(std::string(reinterpret_cast<const char*>(data), size), "FILE");
    for (const float sample : recording.samples)
      if (!std::isfinite(sample)) std::abort();
  } catch (const std::runtime_error& error) {
    if (std::string(error.what()).find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
