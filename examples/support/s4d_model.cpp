#include "support/s4d_model.hpp"

template class ssm::nn::Stack<ssm::S4D<float>>;
template class ssm::nn::Backpropagation<ssm::S4D<float>>;
template class ssm::train::Trainer<ssm::S4D<float>>;
template ssm::nn::Stack<ssm::S4D<float>> ssm::io::load<ssm::nn::Stack<ssm::S4D<float>>>(
    const ssm::io::File&, ssm::Sampling, std::map<std::string, std::string>*);
