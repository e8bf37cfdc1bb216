#pragma once

#include <ssm/ssm.hpp>

#include <benchmark/benchmark.h>

#include <charconv>
#include <chrono>
#include <stdexcept>
#include <string>

namespace bench {

using ssm::Index;
using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline Rows noise(Index length, Index features) {
  ssm::Random random(1);
  return Rows::NullaryExpr(length, features, [&] { return static_cast<float>(random.uniform(-1, 1)); });
}

inline ssm::S4Parameters<float> parameters(Index features, Index states) {
  ssm::Random random(7);
  return ssm::initial<ssm::S4<float>>(ssm::hippo::LegS{}, {.features = features, .states = states}, random);
}
inline ssm::S4DParameters<float> diagonal_parameters(Index features, Index states) {
  ssm::Random random(7);
  return ssm::initial<ssm::S4D<float>>(ssm::diagonal::Linear{}, {.features = features, .states = states}, random);
}
inline ssm::LSSLParameters<float> dense_parameters(Index features, Index states) {
  ssm::Random random(7);
  return ssm::initial<ssm::LSSL<float>>(ssm::hippo::LegS{}, {.features = features, .states = states}, random);
}
inline ssm::S5Parameters<float> mimo_parameters(Index features, Index states) {
  ssm::Random random(7);
  return ssm::initial<ssm::S5<float>>(ssm::hippo::LegS{}, {.features = features, .states = states}, random);
}

/// Items are feature-steps; bytes are those of u and y.
inline void report(benchmark::State& state, Index length, Index features) {
  state.SetItemsProcessed(state.iterations() * length * features);
  state.SetBytesProcessed(state.iterations() * length * features * 2 * Index{sizeof(float)});
}

/// @throws std::invalid_argument unless the text is a whole number, at least 1
inline Index size_of(const std::string& what, const std::string& text) {
  Index value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1)
    throw std::invalid_argument(what + ": expected a whole number, at least 1, got '" + text + "'");
  return value;
}

/// ns of a call: the least mean of `rounds` rounds that last this many ns each.
template <class Run>
double nanoseconds(int rounds, double round, Run&& run) {
  double least = 1e300;
  for (int i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    Index calls = 0;
    double spent = 0;
    do {
      run();
      ++calls;
      spent = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
    } while (spent < round);
    least = std::min(least, spent / static_cast<double>(calls));
  }
  return least;
}

}  // namespace bench
