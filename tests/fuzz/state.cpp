// Bytes of a state from a stranger: they are this layer's, and the layer goes on, or they are refused and the state is
// as it was. The checksum of what comes in is made right now and then, or nothing would ever pass it.
#include "ssm/layer/s4d.hpp"

#include <cstdlib>

namespace {

using Layer = ssm::S4D<float>;
const Layer& layer() {
  static const Layer made = [] {
    ssm::Random random(1);
    return Layer(ssm::initial<Layer>(ssm::diagonal::Linear{}, {.features = 2, .states = 4}, random));
  }();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto rest = layer().initial_state();
  auto state = rest;
  std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(rest)));
  if (size > 0 && data[0] % 2 == 0) {  // a head that is right, then whatever comes
    save(rest, bytes);
    const std::size_t head = sizeof(ssm::detail::StateHead), count = std::min(size, bytes.size() - head);
    std::memcpy(bytes.data() + head, data, count);
    ssm::detail::StateHead right;
    std::memcpy(&right, bytes.data(), head);
    right.numbers = ssm::detail::StateHead::add(ssm::detail::StateHead::nothing, std::span(bytes).subspan(head));
    std::memcpy(bytes.data(), &right, head);
  } else {
    bytes.assign(reinterpret_cast<const std::byte*>(data), reinterpret_cast<const std::byte*>(data) + size);
  }
  try {
    restore(state, bytes);
    std::array<float, 2> u{1, 2}, y{};
    for (int k = 0; k < 70; ++k) layer().step(u, y, state);
  } catch (const ssm::Error&) {
    if (!(state == rest)) std::abort();
  }
  return 0;
}
