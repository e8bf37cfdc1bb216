// Weights of other projects, changed in places that the input names: each importer reads them or refuses them.
#include "ssm/import/annotated_s4.hpp"
#include "ssm/import/s4_older.hpp"
#include "ssm/import/s5.hpp"

#include <fuzzer/FuzzedDataProvider.h>

using namespace ssm;

namespace {

using Read = void (*)(const io::File&, const io::Configuration&);
template <class Source>
void read(const io::File& file, const io::Configuration& told) {
  if constexpr (requires { Source::template read_layer<float>(file, told, ""); })
    if (file.tensors.contains("seq.D")) return void(io::import_layer_from<Source>(file, told));
  io::import_from<Source>(file, told);
}
struct Seed {
  io::File file;
  nlohmann::json told;
  Read read;
};
/// Cuts every axis of `from` numbers down to its first `to`.
void shorten(io::Tensor& tensor, Index from, Index to) {
  const auto found = std::ranges::find(tensor.shape, from);
  if (found == tensor.shape.end()) return;
  std::size_t inner = io::detail::dtype(tensor.type)->bytes;
  for (auto size = std::next(found); size != tensor.shape.end(); ++size) inner *= static_cast<std::size_t>(*size);
  const std::size_t row = inner * static_cast<std::size_t>(from), kept = inner * static_cast<std::size_t>(to);
  std::string bytes;
  for (std::size_t at = 0; at < tensor.bytes.size(); at += row) bytes += tensor.bytes.substr(at, kept);
  tensor.bytes = std::move(bytes);
  *found = to;
}
/// Reference weights of every project, without their examples: those take longer than all else. Of the
/// example model of S4 four states are kept: powers of larger matrices would be nearly all that is done.
std::vector<Seed> seeds() {
  struct Kind {
    const char* prefix;
    Read read;
  };
  constexpr std::array<Kind, 10> kinds{{{"annotated", read<io::AnnotatedS4>},
                                        {"s4_diag", read<io::S4v4>},
                                        {"s4_dplr", read<io::S4v4>},
                                        {"s4_sequence", read<io::S4Sequence>},
                                        {"s4_stack", read<io::S4Example>},
                                        {"s4_v2", read<io::S4v2>},
                                        {"s4_v3", read<io::S4v3>},
                                        {"s4d_minimal", read<io::S4Minimal>},
                                        {"s5_", read<io::S5Flax>},
                                        {"s5pytorch", read<io::S5Pytorch>}}};
  const char* const only = std::getenv("SSM_FUZZ_ONLY");
  std::vector<Seed> all;
  for (const auto& entry : std::filesystem::directory_iterator(SSM_FUZZ_WEIGHTS))
    for (const auto& [prefix, read] : kinds) {
      if (!entry.path().filename().string().starts_with(prefix)) continue;
      if (only != nullptr && std::string(prefix) != only) continue;
      io::File file = io::read(entry.path());
      std::erase_if(file.tensors,
                    [](const auto& each) { return each.first.starts_with("io.") || each.first.starts_with("io/"); });
      auto told = nlohmann::json::parse(file.metadata.at("config"));
      if (std::string_view(prefix) == "s4_stack") {
        for (auto& [name, tensor] : file.tensors) shorten(tensor, told.at("d_state").get<Index>() / 2, 2);
        told["d_state"] = 4;
      }
      all.push_back({file, told, read});
    }
  std::sort(all.begin(), all.end(), [](const Seed& a, const Seed& b) {
    return std::pair(a.file.metadata.at("config"), a.file.tensors.size()) <
           std::pair(b.file.metadata.at("config"), b.file.tensors.size());
  });
  return all;
}

std::size_t bytes_of(const io::Tensor& tensor) {
  const auto type = io::detail::dtype(tensor.type);
  double all = type ? static_cast<double>(type->bytes) : 1;
  for (const Index size : tensor.shape) all *= static_cast<double>(size);
  return all <= 1e5 ? static_cast<std::size_t>(all) : 0;
}
void change_tensor(io::File& file, FuzzedDataProvider& from) {
  if (file.tensors.empty()) return;
  auto chosen = std::next(file.tensors.begin(), from.ConsumeIntegralInRange<std::ptrdiff_t>(
                                                    0, static_cast<std::ptrdiff_t>(file.tensors.size()) - 1));
  io::Tensor& tensor = chosen->second;
  switch (from.ConsumeIntegralInRange<int>(0, 4)) {
    case 0:
      file.tensors.erase(chosen);
      return;
    case 1: {
      const io::Tensor copy = tensor;
      file.tensors[chosen->first + from.ConsumeRandomLengthString(8)] = copy;
      return;
    }
    case 2: {  // as a file may have it: its bytes are as many as its shape says
      tensor.shape.resize(from.ConsumeIntegralInRange<std::size_t>(0, 4), 1);
      for (Index& size : tensor.shape)
        if (from.ConsumeBool()) size = from.PickValueInArray<Index>({0, 1, 2, 3, 5, 64, 1 << 20});
      const std::size_t bytes = bytes_of(tensor);
      if (bytes == 0 && std::ranges::find(tensor.shape, 0) == tensor.shape.end()) tensor.shape = {0};
      tensor.bytes.resize(bytes_of(tensor));
      return;
    }
    case 3:
      tensor.type = from.PickValueInArray<const char*>({"F64", "F32", "F16", "BF16", "C64", "I64", "U8", "BOOL"});
      tensor.bytes.resize(bytes_of(tensor));
      if (tensor.bytes.empty()) tensor.shape = {0};
      return;
    default:
      if (tensor.bytes.size() < 4) return;
      const auto at = from.ConsumeIntegralInRange<std::size_t>(0, tensor.bytes.size() / 4 - 1) * 4;
      const auto value = from.ConsumeFloatingPoint<float>();
      std::memcpy(tensor.bytes.data() + at, &value, 4);
  }
}
void change_told(nlohmann::json& told, FuzzedDataProvider& from) {
  if (!told.is_object() || told.empty()) return;
  auto chosen = std::next(told.begin(),
                          from.ConsumeIntegralInRange<std::ptrdiff_t>(0, static_cast<std::ptrdiff_t>(told.size()) - 1));
  if (chosen->is_object() && from.ConsumeBool()) return change_told(*chosen, from);
  switch (from.ConsumeIntegralInRange<int>(0, 6)) {
    case 0:
      told.erase(chosen);
      return;
    case 1:
      *chosen = from.PickValueInArray<double>({0, 1, 2, 3, -1, 0.5, 1e18, 1e300});
      return;
    case 2:
      *chosen = from.ConsumeBool();
      return;
    case 3:
      *chosen = nullptr;
      return;
    case 4:
      *chosen =
          from.PickValueInArray<const char*>({"zoh", "bilinear", "diag", "nplr", "exp", "relu", "softplus", "none",
                                              "sigmoid", "glu", "gelu", "id", "batch", "layer", "last", "pool"});
      return;
    case 5:
      *chosen = nlohmann::json::array({*chosen, *chosen});
      return;
    default:
      *chosen = nlohmann::json::object();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Seed> all = seeds();
  FuzzedDataProvider from(data, size);
  const Seed& seed = all[from.ConsumeIntegralInRange<std::size_t>(0, all.size() - 1)];
  io::File file = seed.file;
  nlohmann::json told = seed.told;
  for (int changes = from.ConsumeIntegralInRange<int>(0, 4); changes > 0; --changes)
    from.ConsumeBool() ? change_tensor(file, from) : change_told(told, from);
  try {
    seed.read(file, io::Configuration(told.dump()));
  } catch (const io::FormatError&) {  // which is what a wrong file is owed
  }
  return 0;
}
