// One rank fails while the others wait for it: all of them must end, soon.
//
//     fault throws|dies|silent                   while numbers are added up
//     fault throws|dies|silent CHECKPOINT        in the third epoch of a training that keeps one
#include "ssm/mpi/communicator.hpp"

#include <ssm/ssm.hpp>
#include <ssm/train/trainer.hpp>

#include <csignal>
#include <stdexcept>

using namespace ssm;

namespace {

/// What befalls rank 1.
void fail(const std::string& how) {
  if (how == "throws") throw std::runtime_error("what went wrong here");
  if (how == "dies") std::raise(SIGKILL);
  std::this_thread::sleep_for(std::chrono::seconds(60));  // silent
}

void add(const std::string& how, mpi::Communicator& world) {
  wait_for_all(world);
  if (world.rank() == 1) fail(how);
  std::vector<double> sums(1000, 1.0);
  add_up(world, std::span(sums));
}

void train_until(const std::string& how, const std::string& checkpoint, mpi::Communicator& world) {
  using Layer = S4D<float>;
  Random random(1);
  nn::Stack<Layer> model(diagonal::Linear{}, {.features = 4, .states = 4, .layers = 1, .outputs = 2}, random);
  train::Options options{.epochs = 4, .batch = 8};
  options.checkpoint = checkpoint;
  if (world.rank() == 0) std::filesystem::remove(checkpoint);
  wait_for_all(world);
  train::Trainer<Layer> trainer(model, options, this_thread(), &world);
  const auto sample = [&](Index i, Random& noise) {
    if (world.rank() == 1 && trainer.curve().size() == 2) fail(how);
    std::vector<float> u(20);
    for (float& each : u) each = static_cast<float>(noise.normal() + static_cast<double>(i % 2));
    return train::Sample<float>{std::move(u)};
  };
  trainer.run(16, sample, [](Index i, ConstSequence<float> answer, Sequence<float> danswer, double weight) {
    return train::LossResult{nn::cross_entropy<float>(answer.row(0), i % 2, danswer.row(0), weight), 0.0};
  });
}

}  // namespace

int main(int count, char** arguments) {
  const std::string how = count > 1 ? arguments[1] : "", checkpoint = count > 2 ? arguments[2] : "";
  return mpi::run(
      count, arguments,
      [&](mpi::Communicator& world) { checkpoint.empty() ? add(how, world) : train_until(how, checkpoint, world); }, 5);
}
