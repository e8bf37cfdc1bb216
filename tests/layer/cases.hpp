#pragma once

#include "layer/any_layer.hpp"
#include "ssm/core/executor.hpp"

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

// What each layer adds, in a file of its own: sizes that no SIMD width divides, slow and fast modes, odd and even N,
// sizes known and not known at compile time, a state wider than the data.
template <class T>
void add_s4(std::vector<Case<T>>& cases);
template <class T>
void add_s4d(std::vector<Case<T>>& cases);
template <class T>
void add_s5(std::vector<Case<T>>& cases);
template <class T>
void add_lssl(std::vector<Case<T>>& cases);
template <class T>
void add_moving_average(std::vector<Case<T>>& cases);

template <class T>
const std::vector<Case<T>>& all_cases() {
  static const std::vector<Case<T>> cases = [] {
    std::vector<Case<T>> all;
    add_s4(all);
    add_s4d(all);
    add_s5(all);
    add_lssl(all);
    add_moving_average(all);
    return all;
  }();
  return cases;
}

}  // namespace support
