// All ranks run the same tests in the same order.
#include "mpi/world.hpp"

#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

namespace {
ssm::mpi::Communicator* all = nullptr;
}
ssm::mpi::Communicator& support::world() { return *all; }

int main(int count, char** arguments) {
  return ssm::mpi::run(
      count, arguments,
      [&](ssm::mpi::Communicator& world) {
        all = &world;
        return Catch::Session().run(count, arguments);
      },
      60);
}
