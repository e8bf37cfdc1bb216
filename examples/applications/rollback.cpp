// A layer in a loop, with snapshots and rollback.
//
// A stream comes in packets, and some come late. The loop does not wait: it takes silence for what is missing and goes
// on, sample by sample, in constant memory. The state x of a layer is a value (S4, arXiv:2111.00396, section 2.3: the
// recurrence), so a copy is kept before each packet; when a late one arrives, the loop rolls back to the copy and takes
// the packets again, now as they were. From there on the output is that of a stream without loss, to the bit.
#include "support/program.hpp"

#include <ssm/layer/s4d.hpp>
#include <ssm/layer/snapshots.hpp>

using namespace ssm;

namespace {

constexpr Index packet = 64, packets = 40, late = 12, delay = 4;  // packet `late` arrives `delay` packets later

float sample(Index k) {
  const double t = static_cast<double>(k);
  return static_cast<float>(std::sin(0.02 * t) + 0.3 * std::sin(0.11 * t));
}

/// Plays the stream without loss and with a late packet, and draws both.
void play_and_roll_back(const std::filesystem::path& out, std::uint64_t seed) {
  example::make_folder(out);
  Random random(seed);
  const S4D<float> layer(
      initial<S4D<float>>(diagonal::Linear{}, {.features = 1, .states = 32, .dt_min = 5e-3, .dt_max = 5e-3}, random));
  std::vector<float> y(static_cast<std::size_t>(packet * packets));
  const auto play = [&](Index p, bool arrived, S4D<float>::State& state) {  // one packet, sample by sample
    for (Index k = p * packet; k < (p + 1) * packet; ++k) {
      const float u = arrived ? sample(k) : 0.0F;
      layer.step({&u, 1}, {&y[static_cast<std::size_t>(k)], 1}, state);
    }
  };

  auto state = layer.initial_state();
  for (Index p = 0; p < packets; ++p) play(p, true, state);
  const std::vector<float> without_loss = y;

  state = layer.initial_state();
  Snapshots snapshots(layer, delay + 1);
  std::vector<float> heard;  // as it went out at the time
  for (Index p = 0; p < packets; ++p) {
    if (p == late + delay) {  // it is here: back to before it, and again
      state = snapshots.roll_back(delay - 1);
      for (Index again = late; again < p; ++again) {
        play(again, true, state);
        snapshots.keep(state);
      }
    }
    snapshots.keep(state);
    play(p, p != late, state);
    heard.insert(heard.end(), y.begin() + p * packet, y.begin() + (p + 1) * packet);
  }
  const Index mended = (late + delay) * packet;
  Index differ = 0;
  for (std::size_t k = 0; k < heard.size(); ++k)
    differ += static_cast<Index>(k) >= mended && heard[k] != without_loss[k] ? 1 : 0;
  std::cout << "Packet " << late << " of " << packets << " came " << delay << " packets late; after the rollback "
            << differ << " of " << packet * packets - mended << " samples differ from a stream without loss\n";

  std::vector<double> time, lost, whole, input;
  for (Index k = 0; k < packet * packets; ++k) {
    time.push_back(static_cast<double>(k));
    input.push_back(static_cast<double>(sample(k)));
    lost.push_back(static_cast<double>(heard[static_cast<std::size_t>(k)]));
    whole.push_back(static_cast<double>(without_loss[static_cast<std::size_t>(k)]));
  }
  example::write_file(out / "rollback.tsv",
                      example::table({"sample", "input", "without loss", "heard"}, {time, input, whole, lost}));
  example::draw(out, "rollback", "rollback",
                {{"MARKS", example::words({late * packet, (late + 1) * packet, (late + delay) * packet})}});
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("A stream with late packets, snapshots and rollback", "rollback");
  std::string out;
  std::uint64_t seed = 2;
  example::add_out(app, out);
  app.add_option("--seed", seed, "seed of the layer")->capture_default_str();
  return example::run(app, count, arguments, [&] { play_and_roll_back(out, seed); });
}
