// How long a block of samples takes, over a million steps: median, 99 %, 99.9 %, worst, in microseconds, one line of
// JSON for each layer and block, and one for arithmetic in registers, which shows what the machine itself adds.
// `ssm_latency [H N [STEPS]]`, 256 64 1000000 unless said (S5: P = N).

#include "common.hpp"
#include "support/allocation.hpp"

#include <chrono>
#include <iostream>
#include <utility>

namespace {

using namespace bench;
using Clock = std::chrono::steady_clock;

/// Times as many calls as there is room for; a line of JSON.
template <class Call>
void measure(const std::string& layer, Index block, Index calls, Call&& call) {
  std::vector<float> microseconds(static_cast<std::size_t>(std::max<Index>(calls, 1)));
  const support::AllocationCounter counter;
  for (auto& each : microseconds) {
    const auto start = Clock::now();
    call();
    each = std::chrono::duration<float, std::micro>(Clock::now() - start).count();
  }
  const auto allocations = counter.count();
  std::sort(microseconds.begin(), microseconds.end());
  const auto at = [&](double part) {
    return microseconds[static_cast<std::size_t>(part * static_cast<double>(microseconds.size() - 1))];
  };
  std::cout << "{\"layer\": \"" << layer << "\", \"block\": " << block << ", \"calls\": " << microseconds.size()
            << ", \"p50\": " << at(0.5) << ", \"p99\": " << at(0.99) << ", \"p99.9\": " << at(0.999)
            << ", \"worst\": " << at(1) << ", \"allocations\": " << allocations << "}" << std::endl;
}

template <class Layer, class Stored>
void measure(const char* name, const Stored& stored, Index steps) {
  const Layer layer(stored);
  const Index H = layer.features();
  const auto width = static_cast<std::size_t>(H);
  for (const Index block : {1, 16, 32, 64, 128}) {
    const Rows u = noise(block, H);
    Rows y = u;
    auto state = layer.initial_state();
    auto run = ssm::plan(layer, {.length = block});
    if (block == 1)
      measure(name, block, steps, [&] { layer.step({u.data(), width}, {y.data(), width}, state); });
    else
      measure(name, block, steps / block, [&] { run(u, y, state); });
  }
}

/// Some 3 us of arithmetic in registers: what the machine itself adds to the slowest calls.
void measure_machine(Index steps) {
  float x = 1;
  measure("machine", 1, steps, [&] {
    for (int i = 0; i < 2700; ++i) x = x * 0.999F + 0.001F;
    benchmark::DoNotOptimize(std::as_const(x));  // as what may change, GCC 12 reads another number
  });
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 2 || argc > 4) throw std::invalid_argument("expected no options, or H N [STEPS]");
  const Index H = argc > 2 ? size_of("H", argv[1]) : 256, N = argc > 2 ? size_of("N", argv[2]) : 64;
  const Index steps = argc > 3 ? size_of("STEPS", argv[3]) : 1000000;
  measure_machine(steps);
  measure<ssm::S4D<float>>("S4D", diagonal_parameters(H, N), steps);
  measure<ssm::S4<float>>("S4", parameters(H, N), steps);
  measure<ssm::S5<float>>("S5", mimo_parameters(H, N), steps);
} catch (const std::exception& error) {
  std::cerr << "ssm_latency: " << error.what() << '\n';
  return 1;
}
