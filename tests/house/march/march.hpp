#pragma once

#include <ssm/ssm.hpp>

#include <vector>

// The same work, compiled for two processors. Layers and states cross from one to the other.
struct Unit {
  ssm::S4<float> (*make)();
  ssm::S4<float>::State (*start)(const ssm::S4<float>&);
  std::vector<float> (*recur)(const ssm::S4<float>&, ssm::S4<float>::State&);
  std::vector<float> (*convolve)(const ssm::S4<float>&, ssm::S4<float>::State&);
  void (*drop)(ssm::S4<float>::State);
};
Unit baseline();
Unit native();
