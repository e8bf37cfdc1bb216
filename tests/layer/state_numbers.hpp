#pragma once

#include "ssm/recurrence/state.hpp"

#include <vector>

/// x of a state as complex numbers, feature by feature and mode by mode, as reference files have them.
namespace support {

using ssm::Index;
using Numbers = std::vector<std::complex<double>>;

template <class X>
Numbers numbers(const ssm::ModalState<X>& state) {
  Numbers all;
  for (Index h = 0; h < state.features(); ++h)
    for (Index n = 0; n < state.modes(); ++n) all.emplace_back(state.x(h, n));
  return all;
}
template <class X>
Numbers numbers(const ssm::MimoState<X>& state) {
  Numbers all;
  for (Index s = 0; s < state.re.rows(); ++s)
    all.emplace_back(double(state.re(s)) + double(state.low_re(s)), double(state.im(s)) + double(state.low_im(s)));
  return all;
}
template <class X>
Numbers numbers(const ssm::DenseState<X>& state) {
  Numbers all;
  for (Index i = 0; i < state.x.size(); ++i) all.emplace_back(double(state.x.data()[i]) + double(state.low.data()[i]));
  return all;
}

template <class X>
void set_numbers(ssm::ModalState<X>& state, const Numbers& all) {
  for (Index h = 0, i = 0; h < state.features(); ++h)
    for (Index n = 0; n < state.modes(); ++n) state.set(h, n, ssm::Complex<X>(all.at(std::size_t(i++))));
}
template <class X>
void set_numbers(ssm::MimoState<X>& state, const Numbers& all) {
  state = ssm::MimoState<X>(state.re.rows());
  for (Index s = 0; s < state.re.rows(); ++s) {
    state.re(s) = static_cast<X>(all.at(std::size_t(s)).real());
    state.im(s) = static_cast<X>(all.at(std::size_t(s)).imag());
  }
}
template <class X>
void set_numbers(ssm::DenseState<X>& state, const Numbers& all) {
  state = ssm::DenseState<X>(state.x.rows(), state.x.columns());
  for (Index i = 0; i < state.x.size(); ++i) state.x.data()[i] = static_cast<X>(all.at(std::size_t(i)).real());
}

}  // namespace support
