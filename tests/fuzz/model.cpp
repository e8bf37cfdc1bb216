// A model from a stranger: it is loaded and answers with finite numbers, or is refused by a FormatError.
#include "ssm/io/model.hpp"
#include "ssm/layer/s4d.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Model = ssm::nn::Stack<ssm::S4D<float>>;
  try {
    const auto model = ssm::io::load<Model>(std::as_bytes(std::span(data, size)));
    if (model.shape().compare) return 0;
    auto stream = model.stream();
    const std::vector<float> u(static_cast<std::size_t>(model.shape().inputs));
    static_cast<void>(stream.step(u));
  } catch (const ssm::io::FormatError&) {
  }
  return 0;
}
