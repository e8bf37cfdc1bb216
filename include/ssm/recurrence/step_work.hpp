#pragma once

namespace ssm::detail {

/// Counts of the inner loops that a step of all features runs. Plans price them: see plan/cost.hpp.
struct StepWork {
  double features = 0;    ///< features of a recurrence, those that only fill lanes included
  double modes = 0;       ///< modes of diagonal recurrences
  double rank_modes = 0;  ///< modes times columns of a low-rank correction
  double rows = 0;        ///< rows of dense transition matrices
  double entries = 0;     ///< entries of dense transition matrices
  double products = 0;    ///< multiplications and additions of matrix products
};

}  // namespace ssm::detail
