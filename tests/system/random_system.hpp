#pragma once

#include "ssm/core/random.hpp"
#include "ssm/system/dplr.hpp"

namespace support {

/// A stable random system of diagonal plus low rank form, real in mode 0 for odd N.
/// @param free   whether Q is one of its own: near P, so that the system does not grow much if it grows
inline ssm::DplrSystem<double> random_dplr(ssm::Index N, ssm::Index R, std::uint64_t seed, bool free = false) {
  ssm::Random random(seed);
  const ssm::Index M = ssm::modes_of(N);
  ssm::DplrSystem<double> system{N, ssm::Vector<ssm::Complex<double>>(M), ssm::Matrix<ssm::Complex<double>>(M, R),
                                 ssm::Vector<ssm::Complex<double>>(M), ssm::RowVector<ssm::Complex<double>>(M)};
  for (ssm::Index n = 0; n < M; ++n) {
    const double complex = ssm::multiplicity(n, N) == 2 ? 1 : 0;
    const auto draw = [&] {
      const double re = random.normal(), im = random.normal();
      return ssm::Complex<double>(re, complex * im);
    };
    system.Lambda(n) = {-random.uniform(0.05, 1), complex * random.uniform(0, 30)};
    for (ssm::Index r = 0; r < R; ++r) system.P(n, r) = draw();
    system.B(n) = draw();
    system.C(n) = draw();
  }
  if (free) {
    system.Q = system.P;
    for (auto& value : system.Q.reshaped())
      value = value.imag() == 0 ? value + 0.1 * random.normal()
                                : value + 0.1 * ssm::Complex<double>(random.normal(), random.normal());
  }
  return system;
}

}  // namespace support
