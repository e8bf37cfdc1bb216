#pragma once

#include <ssm/core/team.hpp>

#ifdef SSM_EXAMPLE_MPI
#include <ssm/mpi/communicator.hpp>
#endif

#include <stdexcept>

namespace example {

/// body(team), over the ranks of an MPI run: of mpirun. An error of one of them ends all.
/// @throws std::runtime_error where the program was built without MPI
template <class Body>
void over_ranks([[maybe_unused]] int count, [[maybe_unused]] char** arguments, [[maybe_unused]] Body body) {
#ifdef SSM_EXAMPLE_MPI
  ssm::mpi::run(count, arguments, [&](ssm::mpi::Communicator& world) { body(world); });
#else
  throw std::runtime_error("ranks: expected a program that was built with MPI, this one was built without");
#endif
}

}  // namespace example
