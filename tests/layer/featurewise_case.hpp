#pragma once

#include "layer/cases.hpp"
#include "ssm/layer/featurewise.hpp"
#include "support/fftw.hpp"

namespace support {

/// A layer that convolves, in each of its modes.
template <class Layer>
Case<typename Layer::Scalar> featurewise_case(std::string name, const Layer& layer) {
  using T = typename Layer::Scalar;
  Case<T> made{std::move(name), AnyLayer<T>::of(layer)};
  made.modes.emplace_back("recurrence", AnyLayer<T>::of(layer, ssm::algorithm::recurrence{}));
  made.transforms.emplace_back("Eigen", AnyLayer<T>::of(layer, ssm::algorithm::convolution<ssm::fft::EigenBackend>{}));
  made.transforms.emplace_back("FFTW", AnyLayer<T>::of(layer, ssm::algorithm::convolution<ssm::fft::FftwBackend>{}));
  return made;
}

}  // namespace support
