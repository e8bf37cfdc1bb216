// Layers over the ranks of an MPI run, timed, their messages counted: what bench/scale runs.
//
//     mpirun -n 2 ssm_ranks [STEPS]      a stretch of so many steps on each rank, 262,144 unless told
//
// Rank 0 prints one line of JSON: the time of a message over its bytes, and of each layer the time of a stretch forwards
// and backwards, of the carry alone, and the messages and bytes that a rank sends. Times are the largest of the ranks',
// the least of seven.
#include <ssm/mpi/time_split.hpp>
#include <ssm/ssm.hpp>

#include <charconv>
#include <chrono>
#include <iostream>
#include <string_view>

using namespace ssm;

namespace {

constexpr Index H = 64, N = 64;

/// The least of several times of work, in seconds, on the rank that takes the longest.
template <class Work>
double least(mpi::Communicator& world, int times, Work work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < times; ++i) {
    wait_for_all(world);
    const auto start = std::chrono::steady_clock::now();
    work();
    const double own = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::vector<double> all(static_cast<std::size_t>(world.size()));
    all[static_cast<std::size_t>(world.rank())] = own;
    add_up(world, std::span(all));
    best = std::min(best, *std::max_element(all.begin(), all.end()));
  }
  return best;
}

/// [[bytes, seconds], ..]: half of what a message takes from rank 0 to rank 1 and back, of 100 of them.
std::string message_times(mpi::Communicator& world) {
  std::string text;
  for (std::size_t bytes = 8; bytes <= (std::size_t(4) << 20); bytes *= 4) {
    std::vector<std::byte> message(bytes);
    constexpr int times = 100;
    const double both = least(world, 7, [&] {
      for (int i = 0; i < times && world.rank() < 2; ++i) {
        if (world.rank() == 0) world.send(message, 1);
        if (world.rank() == 0) world.receive(message, 1);
        if (world.rank() == 1) world.receive(message, 0);
        if (world.rank() == 1) world.send(message, 0);
      }
    });
    text += detail::message(text.empty() ? "[" : ", [", bytes, ", ", both / (2 * times), "]");
  }
  return "[" + text + "]";
}

template <class Layer>
std::string measured(const char* name, const Layer& layer, Index steps, mpi::Communicator& world) {
  mpi::TimeSplit<Layer> split(layer, world);
  std::vector<float> u(static_cast<std::size_t>(steps * H)), y(u.size()), du(u.size());
  Random random(static_cast<std::uint64_t>(world.rank()) + 1);
  for (float& each : u) each = static_cast<float>(random.normal());
  const auto rows = [&](auto& values, Index count) { return Sequence<float>(values.data(), count, H); };
  auto before = layer.initial_state();
  const auto forwards = [&](Index count, auto... carry) {
    auto state = layer.initial_state();
    before = split.forward(rows(u, count), rows(y, count), state, carry...);
  };
  forwards(steps);
  const Index messages = world.messages(), bytes = world.bytes();
  forwards(steps);
  const Index sent = world.messages() - messages, volume = world.bytes() - bytes;
  const double forward = least(world, 7, [&] { forwards(steps); });
  const double in_order = least(world, 7, [&] { forwards(steps, mpi::InOrder{}); });
  const double backwards = least(world, 3, [&] {
    auto dstate = layer.initial_state();
    auto cotangent = layer.cotangent();
    split.forward_vjp(rows(u, steps), before, rows(y, steps), dstate, rows(du, steps), cotangent);
  });
  forwards(1);  // the power of one step is kept
  const double carry = least(world, 50, [&] { forwards(1); });
  return detail::message(R"({"layer": ")", name, R"(", "steps": )", steps, R"(, "forward": )", forward,
                         R"(, "in_order": )", in_order, R"(, "backwards": )", backwards, R"(, "carry": )", carry,
                         R"(, "messages": )", sent, R"(, "bytes": )", volume, "}");
}

template <class Layer>
std::string measured(const char* name, auto initializer, Index steps, mpi::Communicator& world) {
  Random random(1);
  return measured(name, Layer(initial<Layer>(initializer, {.features = H, .states = N}, random)), steps, world);
}

void measure(Index steps, mpi::Communicator& world) {
  const Index few = std::max<Index>(1, steps / 128);  // a step of LSSL takes as much longer
  const std::vector<std::string> layers{measured<S4D<float>>("S4D", diagonal::Linear{}, steps, world),
                                        measured<S5<float>>("S5", hippo::LegS{}, steps, world),
                                        measured<S4<float>>("S4", hippo::LegS{}, steps, world),
                                        measured<LSSL<float>>("LSSL", hippo::LegS{}, few, world)};
  const std::string times = world.size() > 1 ? message_times(world) : "[]";
  if (world.rank() > 0) return;
  std::cout << R"({"ranks": )" << world.size() << R"(, "message": )" << times << R"(, "layers": [)";
  for (std::size_t i = 0; i < layers.size(); ++i) std::cout << (i == 0 ? "" : ", ") << layers[i];
  std::cout << "]}\n";
}

}  // namespace

int main(int count, char** arguments) {
  return mpi::run(count, arguments, [&](mpi::Communicator& world) {
    Index steps = 262144;
    const std::string_view told = count > 1 ? arguments[1] : "262144";
    const auto read = std::from_chars(told.data(), told.data() + told.size(), steps);
    if (count > 2 || read.ec != std::errc{} || read.ptr != told.data() + told.size() || steps < 1)
      throw std::runtime_error("expected nothing or a number of steps, at least 1, got " + std::string(told));
    measure(steps, world);
  });
}
