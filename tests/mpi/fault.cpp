// One rank fails while the others wait for it: all of them must end, soon.
//
//     fault throws|dies|silent
#include "ssm/mpi/communicator.hpp"

#include <csignal>
#include <stdexcept>

int main(int count, char** arguments) {
  const std::string how = count == 2 ? arguments[1] : "";
  return ssm::mpi::run(
      count, arguments,
      [&](ssm::mpi::Communicator& world) {
        wait_for_all(world);
        if (world.rank() == 1) {
          if (how == "throws") throw std::runtime_error("what went wrong here");
          if (how == "dies") std::raise(SIGKILL);
          std::this_thread::sleep_for(std::chrono::seconds(60));  // silent
        }
        std::vector<double> sums(1000, 1.0);
        add_up(world, std::span(sums));
      },
      5);
}
