#pragma once

#include "layer/any_layer.hpp"
#include "ssm/core/thread_pool.hpp"

#include <vector>

namespace support {

/// A layer in its default mode, and in the others that it has.
template <class T>
struct Case {
  std::string name;
  AnyLayer<T> layer;
  bool mixes = false;  ///< an input is heard in the outputs of other features
  std::vector<std::pair<std::string, AnyLayer<T>>> modes = {};
  std::vector<std::pair<std::string, AnyLayer<T>>> transforms = {};  ///< modes by Fourier transforms
};

/// Two threads, for the modes that take some.
inline ssm::ThreadPool& two_threads() {
  static ssm::ThreadPool pool(2);
  return pool;
}

/// Functions that add cases; every file of cases registers its own, so that a program has those of its files.
template <class T>
std::vector<void (*)(std::vector<Case<T>>&)>& registered() {
  static std::vector<void (*)(std::vector<Case<T>>&)> functions;
  return functions;
}
/// Registers the cases of one layer: sizes that no SIMD width divides, slow and fast modes, odd and even N, sizes known
/// and not known at compile time, a state wider than the data.
struct Registered {
  Registered(void (*in_float)(std::vector<Case<float>>&), void (*in_double)(std::vector<Case<double>>&)) {
    registered<float>().push_back(in_float);
    registered<double>().push_back(in_double);
  }
};

template <class T>
const std::vector<Case<T>>& all_cases() {
  static const std::vector<Case<T>> cases = [] {
    std::vector<Case<T>> all;
    for (const auto add : registered<T>()) add(all);
    return all;
  }();
  return cases;
}

}  // namespace support
