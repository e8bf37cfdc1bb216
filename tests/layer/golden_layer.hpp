#pragma once

#include "layer/laws.hpp"
#include "ssm/core/array.hpp"
#include "ssm/layer/state.hpp"
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

/// visit(re, im) for every number of a state, in the files' order; a real state's imaginary parts are nobody's.
template <class X, class Visit>
void for_each_number(ssm::ModalState<X>& state, Visit visit) {
  for (Index h = 0; h < state.features(); ++h)
    for (Index n = 0; n < state.modes(); ++n) visit(state.re(h, n), state.im(h, n));
}
template <class X, class Visit>
void for_each_number(ssm::MimoState<X>& state, Visit visit) {
  for (Index s = 0; s < state.re.rows(); ++s) visit(state.re(s), state.im(s));
}
template <class X, class Visit>
void for_each_number(ssm::DenseState<X>& state, Visit visit) {
  for (auto& x : state.x) visit(x, X(0));
}

/// What a file expects of a run: output and final state.
template <class T, class State>
void check_run(const Safetensors& file, const laws::Rows<T>& y, State& state, double float_tolerance) {
  const double allowed = std::is_same_v<T, double> ? file.tolerance() : float_tolerance;
  CHECK(relative_error(y.template cast<double>().eval().template reshaped<Eigen::RowMajor>(), file["y"].values) <=
        allowed);
  std::vector<Complex<double>> final_state;
  for_each_number(state, [&](auto re, auto im) { final_state.emplace_back(re, im); });
  CHECK(relative_error(final_state, file["x_final_ri"].complex()) <=
        (std::is_same_v<T, double> ? allowed : tolerance::rounded_parameters));
}

/// A state that is stored in a file: that it starts from, or another.
template <class Layer>
typename Layer::State start(const Layer& layer, const Safetensors& file, const std::string& name = "x0_ri") {
  auto state = layer.initial_state();
  const auto x0 = file[name].complex();
  std::size_t next = 0;
  for_each_number(state, [&](auto& re, auto&& im) {
    REQUIRE(next < x0.size());
    re = static_cast<std::remove_reference_t<decltype(re)>>(x0[next].real());
    im = static_cast<std::remove_reference_t<decltype(im)>>(x0[next++].imag());
  });
  REQUIRE(next == x0.size());
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
