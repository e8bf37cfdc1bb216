#pragma once

#include <ssm/layer/s4.hpp>

#include <vector>

// The same work, compiled for two processors. Parameters and states cross from one to the other; a layer is of its
// unit's instruction set, which is part of its type.
struct Unit {
  ssm::S4Parameters<float> (*make)();
  ssm::ModalState<float> (*start)(const ssm::S4Parameters<float>&);
  std::vector<float> (*recur)(const ssm::S4Parameters<float>&, ssm::ModalState<float>&);
  std::vector<float> (*convolve)(const ssm::S4Parameters<float>&, ssm::ModalState<float>&);
  void (*drop)(ssm::ModalState<float>);
};
Unit baseline();
Unit native();
