// A fuzzing target under random bytes alone, without libFuzzer and its sanitizers: many times as many inputs a second.
//
//     many_import SEED COUNT      SSM_FUZZ_ONLY=s4_diag has it change those reference files alone
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "expected SEED COUNT, got " << count - 1 << " arguments\n";
    return 1;
  }
  std::mt19937_64 random(std::strtoull(arguments[1], nullptr, 10));
  const auto inputs = std::strtoull(arguments[2], nullptr, 10);
  std::vector<std::uint8_t> bytes(64);
  for (unsigned long long i = 0; i < inputs; ++i) {
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::cout << inputs << " inputs, nothing found\n";
}
