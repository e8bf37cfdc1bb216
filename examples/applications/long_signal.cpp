// A signal longer than one would give to one process: every rank of an MPI run reads its stretch of one file, and
// writes what a filter makes of it to its place in another.
//
//     mpirun -n 4 long_signal --samples 100000000
//
// The filter is a low-pass of one's own, four states in continuous time, as an S4D. Each rank runs its stretch from
// rest; the states at the borders are joined by a scan. A piece across the border of two ranks is drawn, beside what
// one process makes of it.
#include "support/program.hpp"

#include <ssm/control/from_matrices.hpp>
#include <ssm/mpi/time_split.hpp>

#include <chrono>

using namespace ssm;
using Layer = S4D<float>;
using Samples = std::vector<float>;

namespace {

/// A Butterworth low-pass of fourth order.     cut in rad/s
Layer low_pass(double cut, double dt) {
  const std::array<double, 4> denominator{1, 2.613125929752753, 3.414213562373095, 2.613125929752753};
  Matrix<double> A = Matrix<double>::Zero(4, 4), B = Matrix<double>::Zero(4, 1), C = Matrix<double>::Zero(1, 4);
  for (Index n = 0; n < 4; ++n) {
    if (n < 3) A(n, n + 1) = cut;
    A(3, n) = -cut * denominator[static_cast<std::size_t>(n)];
  }
  B(3, 0) = cut;
  C(0, 0) = 1;
  return Layer(from_continuous<Layer>({A, B, C, Matrix<double>::Zero(1, 1)}, dt));
}

/// Sample k of the signal that is made: a slow wave in noise.
Samples made(Index first, Index count) {
  Samples samples;
  Random random(static_cast<std::uint64_t>(first) + 1);
  for (Index k = first; k < first + count; ++k)
    samples.push_back(static_cast<float>(std::sin(2e-3 * static_cast<double>(k)) + 0.7 * random.normal()));
  return samples;
}

Samples read(const std::filesystem::path& path, Index first, Index count) {
  Samples samples(static_cast<std::size_t>(count));
  std::ifstream file(path, std::ios::binary);
  file.seekg(first * std::streamoff{sizeof(float)});
  if (!file.read(reinterpret_cast<char*>(samples.data()), count * std::streamsize{sizeof(float)}))
    throw std::runtime_error(path.string() + ": expected samples " + std::to_string(first) + " to " +
                             std::to_string(first + count) + ", could not read them");
  for (std::size_t k = 0; k < samples.size(); ++k)
    if (!std::isfinite(samples[k]))
      throw std::runtime_error(path.string() + ": expected finite samples, got " + std::to_string(samples[k]) +
                               " at sample " + std::to_string(first + static_cast<Index>(k)));
  return samples;
}
/// Writes samples to their place in a file that is there.
void write(const std::filesystem::path& path, Index first, const Samples& samples) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(first * std::streamoff{sizeof(float)});
  file.write(reinterpret_cast<const char*>(samples.data()), std::ssize(samples) * std::streamsize{sizeof(float)});
  if (!file.flush()) throw std::runtime_error(path.string() + ": expected a file that can be written, could not");
}
/// Makes a file of so many samples, all 0.
void reserve(const std::filesystem::path& path, Index samples) {
  std::ofstream(path, std::ios::binary);
  std::filesystem::resize_file(path, static_cast<std::uintmax_t>(samples) * sizeof(float));
}

struct Settings {
  std::string in, out, carry = "scanned";
  Index samples = 10'000'000;
  double cut = 0.01;
};

void filter(const Settings& settings, mpi::Communicator& world) {
  const std::filesystem::path folder = settings.out, filtered = folder / "filtered.f32";
  const auto source = settings.in.empty() ? folder / "signal.f32" : std::filesystem::path(settings.in);
  Index samples = settings.samples;
  if (!settings.in.empty()) {
    if (!std::filesystem::is_regular_file(source))
      throw std::runtime_error(settings.in + ": expected a file of samples (float, little-endian), there is none");
    const auto bytes = std::filesystem::file_size(source);
    if (bytes == 0 || bytes % sizeof(float) != 0)
      throw std::runtime_error(settings.in + ": expected samples of 4 bytes each, got " + std::to_string(bytes) +
                               " bytes");
    samples = static_cast<Index>(bytes / sizeof(float));
  }
  require_agreement(world, "number of samples", static_cast<std::uint64_t>(samples));
  const Index rank = world.rank(), ranks = world.size();
  const auto border = [&](Index r) { return r * (samples / ranks) + std::min(r, samples % ranks); };
  const Index first = border(rank), count = border(rank + 1) - first;

  if (rank == 0) {
    example::make_folder(folder);
    if (settings.in.empty()) reserve(source, samples);
    reserve(filtered, samples);
  }
  wait_for_all(world);
  if (settings.in.empty()) write(source, first, made(first, count));
  wait_for_all(world);

  const Layer layer = low_pass(settings.cut, 1);
  mpi::TimeSplit<Layer> split(layer, world);
  Samples signal = read(source, first, count);
  wait_for_all(world);
  const Index messages = world.messages(), bytes = world.bytes();
  const auto start = std::chrono::steady_clock::now();
  const Sequence<float> y(signal.data(), count, 1);
  auto state = layer.initial_state();
  if (settings.carry == "scanned")
    split.forward(y, y, state);
  else
    split.forward(y, y, state, mpi::InOrder{});
  const Index sent = world.messages() - messages, volume = world.bytes() - bytes;
  wait_for_all(world);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write(filtered, first, signal);
  wait_for_all(world);
  if (rank > 0) return;
  std::cout << "  " << samples << " samples on " << ranks << (ranks == 1 ? " rank" : " ranks") << ": " << seconds
            << " s, " << static_cast<double>(samples) / seconds / 1e6 << " million a second; rank 0 sent " << sent
            << (sent == 1 ? " message" : " messages") << ", " << volume << " bytes\n";

  // A piece across the first border, and what one process makes of it from the very beginning.
  const Index middle = ranks > 1 ? border(1) : samples / 2, begin = std::max<Index>(0, middle - 1500),
              end = std::min(samples, middle + 1500);
  Samples one = read(source, 0, end);
  auto whole = layer.initial_state();
  const Sequence<float> of_one(one.data(), end, 1);
  const Samples noisy(one.begin() + begin, one.end()), by_ranks = read(filtered, begin, end - begin);
  layer.forward(of_one, of_one, whole);
  std::vector<std::vector<double>> columns(4);
  double difference = 0, peak = 0;
  for (Index k = begin; k < end; ++k) {
    const auto i = static_cast<std::size_t>(k - begin);
    const std::array<double, 4> row{static_cast<double>(k - middle), noisy[i], by_ranks[i],
                                    one[static_cast<std::size_t>(k)]};
    for (std::size_t c = 0; c < row.size(); ++c) columns[c].push_back(row[c]);
    difference = std::max(difference, std::abs(row[2] - row[3]));
    peak = std::max(peak, std::abs(row[3]));
  }
  std::cout << "  against one rank, from sample " << begin << " to " << end << ": differs by " << difference / peak
            << " of the peak\n";
  example::write_file(folder / "long_signal.tsv", example::table({"sample", "signal", "ranks", "one rank"}, columns));
  example::draw(folder, "long_signal", "long_signal", {{"RANKS", std::to_string(ranks)}}, 600);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("A long signal, filtered by the ranks of an MPI run: mpirun -n 4 long_signal", "long_signal");
  Settings settings;
  example::add_out(app, settings.out);
  app.add_option("--in", settings.in,
                 "file of samples (float, little-endian); a noisy wave is made where there is none");
  app.add_option("--samples", settings.samples, "samples of that wave")
      ->check(CLI::Range(Index{1}, Index{1} << 36))
      ->capture_default_str();
  app.add_option("--cut", settings.cut, "what the low-pass lets through, rad a sample")
      ->check(CLI::Range(1e-5, 1.0))
      ->capture_default_str();
  app.add_option("--carry", settings.carry, "how the state gets from rank to rank: scanned, or in-order (to the bit)")
      ->check(CLI::IsMember({"scanned", "in-order"}))
      ->capture_default_str();
  return mpi::run(count, arguments, [&](mpi::Communicator& world) {
    try {
      app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
      return world.rank() > 0 ? error.get_exit_code() == 0 ? 0 : 2 : app.exit(error) == 0 ? 0 : 2;
    }
    filter(settings, world);
    return 0;
  });
}
