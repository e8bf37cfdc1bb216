#pragma once

#include "ssm/hippo/measure.hpp"

#include <string>
#include <tuple>

using AllMeasures = std::tuple<ssm::hippo::LegS, ssm::hippo::LegT, ssm::hippo::LagT, ssm::hippo::Fourier>;

inline std::string measure_name(ssm::hippo::LegS) { return "legs"; }
inline std::string measure_name(ssm::hippo::LegT) { return "legt"; }
inline std::string measure_name(ssm::hippo::LagT) { return "lagt"; }
inline std::string measure_name(ssm::hippo::Fourier) { return "fourier"; }
