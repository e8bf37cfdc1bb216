#pragma once

#include "support/training.hpp"

#include <ssm/layer/s4d.hpp>

/// The model of most programs here, made once for all of them in s4d_model.cpp: compiling it takes longer than a
/// program.
extern template class ssm::nn::Stack<ssm::S4D<float>>;
extern template class ssm::nn::Backpropagation<ssm::S4D<float>>;
extern template class ssm::train::Trainer<ssm::S4D<float>>;
extern template ssm::nn::Stack<ssm::S4D<float>> ssm::io::load<ssm::nn::Stack<ssm::S4D<float>>>(
    const ssm::io::File&, ssm::Sampling, std::map<std::string, std::string>*);
