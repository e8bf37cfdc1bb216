#pragma once

#include "ssm/hippo/nplr.hpp"
#include "system/random_system.hpp"

namespace support {

/// HiPPO-LegS of N states in its diagonal plus low rank form, with an output of random numbers.
inline ssm::DplrSystem<double> legs(ssm::Index N) {
  const auto half = ssm::hippo::nplr(ssm::hippo::LegS{}, N).half();
  return {N, half.Lambda, half.P, half.B, random_dplr(N, 1, 9).C};
}

}  // namespace support
