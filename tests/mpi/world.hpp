#pragma once

#include "ssm/mpi/communicator.hpp"

namespace support {

/// The ranks that the tests run on.
ssm::mpi::Communicator& world();

}  // namespace support
