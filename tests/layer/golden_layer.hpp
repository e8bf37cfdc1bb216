#pragma once

#include "layer/laws.hpp"
#include "layer/state_numbers.hpp"
#include "ssm/core/array.hpp"
#include "ssm/recurrence/state.hpp"
#include "support/golden.hpp"

/// Layers from reference files.
namespace support {

using ssm::Array;
using ssm::Complex;

/// Fills an array, whose sizes must be the tensor's, from a real or (re, im) tensor.
template <class Number>
void fill(Array<Number>& array, const Safetensors& file, const std::string& name) {
  if constexpr (std::is_floating_point_v<Number>) {
    const auto& values = file[name].values;
    REQUIRE(static_cast<Index>(values.size()) == array.size());
    std::transform(values.begin(), values.end(), array.begin(), [](double v) { return static_cast<Number>(v); });
  } else {
    const auto values = file[name + "_ri"].complex();
    REQUIRE(static_cast<Index>(values.size()) == array.size());
    std::transform(values.begin(), values.end(), array.begin(), [](auto v) { return Number(v); });
  }
}

template <class T>
laws::Rows<T> rows(const Safetensors& file, const std::string& name) {
  const auto& tensor = file[name];
  return Eigen::Map<const laws::Rows<double>>(tensor.values.data(), tensor.size(0), tensor.size(1)).template cast<T>();
}

inline Index size(const Safetensors& file, const std::string& key) { return std::stol(file.metadata(key)); }

/// Expected output and final state of a run in fp64, from a file.
template <class State>
void check_run(const Safetensors& file, const laws::Rows<double>& y, State& state) {
  CHECK(relative_error(y.reshaped<Eigen::RowMajor>(), file["y"].values) <= file.tolerance());
  CHECK(relative_error(numbers(state), file["x_final_ri"].complex()) <= file.tolerance());
}

/// A state that is stored in a file: that it starts from, or another.
template <class Layer>
typename Layer::State start(const Layer& layer, const Safetensors& file, const std::string& name = "x0_ri") {
  auto state = layer.initial_state();
  const auto x0 = file[name].complex();
  REQUIRE(x0.size() == numbers(state).size());
  set_numbers(state, x0);
  return state;
}

/// Modal parameters of S4 and S4D.
template <class Parameters>
void fill_modal(Parameters& parameters, const Safetensors& file) {
  fill(parameters.A_re_log, file, "A_re_log");
  fill(parameters.A_im, file, "A_im");
  fill(parameters.B, file, "B");
  fill(parameters.C, file, "C");
  fill(parameters.D, file, "D");
  fill(parameters.log_dt, file, "log_dt");
}

}  // namespace support
