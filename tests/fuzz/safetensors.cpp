// A file of tensors from a stranger: it is read, or refused by a FormatError; every tensor's numbers are there.
#include "ssm/io/safetensors.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = ssm::io::read(std::as_bytes(std::span(data, size)), "FILE");
    for (const auto& [name, tensor] : file.tensors) try {
        static_cast<void>(ssm::io::numbers(name, tensor));
      } catch (const ssm::io::FormatError&) {
      }
  } catch (const ssm::io::FormatError& error) {
    if (!std::string_view(error.what()).starts_with("FILE: ")) std::abort();
  }
  return 0;
}
