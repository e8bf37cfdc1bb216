#pragma once

#include "layer/laws.hpp"
#include "mpi/world.hpp"

#include <ssm/ssm.hpp>

/// Sequences that the ranks of a test hold stretches of.
namespace stretches {

using namespace ssm;
using laws::Rows;

/// First step of every rank's stretch, and the end: some of them empty, the others of lengths that differ.
inline std::vector<Index> borders(Index ranks, Index length) {
  std::vector<Index> all{0};
  for (Index r = 0; r + 1 < ranks; ++r)
    all.push_back(r % 3 == 1 ? all.back() : std::min(length, all.back() + 7 + 20 * r));
  all.push_back(length);
  return all;
}

template <class T>
double difference(const Rows<T>& a, const Rows<T>& b) {
  double most = 0, peak = 1e-30;
  for (Index k = 0; k < a.rows(); ++k)
    for (Index h = 0; h < a.cols(); ++h) {
      most = std::max(most, std::abs(static_cast<double>(a(k, h) - b(k, h))));
      peak = std::max(peak, std::abs(static_cast<double>(b(k, h))));
    }
  return most / peak;
}

/// This rank's stretch.
struct Stretch {
  Index first, count;
};
inline Stretch stretch(Index length) {
  const auto all = borders(support::world().size(), length);
  const auto rank = static_cast<std::size_t>(support::world().rank());
  return {all[rank], all[rank + 1] - all[rank]};
}
/// Times before samples, 0 among them.
template <class T>
std::vector<T> uneven_gaps(Index length) {
  std::vector<T> gaps;
  for (Index k = 0; k < length; ++k) gaps.push_back(static_cast<T>(k % 11 == 7 ? 0.0 : 0.25 + 0.5 * double(k % 4)));
  return gaps;
}
/// Which steps have an input.
inline std::vector<std::uint8_t> seen(Index length) {
  std::vector<std::uint8_t> observed;
  for (Index k = 0; k < length; ++k) observed.push_back(k % 5 != 2);
  return observed;
}
/// Two arrays of numbers are near, by the peak of the one that is wanted.
template <class T>
void is_near(const Parameter<T>& got, const Parameter<T>& wanted, double tolerance) {
  double peak = 0, error = 0;
  for (std::size_t j = 0; j < got.values.size(); ++j) {
    peak = std::max(peak, std::abs(static_cast<double>(wanted.values[j])));
    error = std::max(error, std::abs(static_cast<double>(got.values[j] - wanted.values[j])));
  }
  INFO(got.name << " on rank " << support::world().rank());
  CHECK(error <= tolerance * peak);
}
/// The ranks' shares of a gradient together are that of the whole.
template <class Parameters>
void together_are(Parameters& shares, Parameters& whole, double tolerance) {
  const auto arrays = parameters_of(shares), wanted = parameters_of(whole);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    add_up(support::world(), arrays[i].values);
    is_near(arrays[i], wanted[i], tolerance);
  }
}

template <class Layer>
nn::Stack<Layer> deep(auto initializer, nn::StackShape shape) {
  Random random(2);
  shape.inputs = 3;
  shape.features = 6;
  shape.states = 8;
  shape.layers = 2;
  shape.outputs = 4;
  shape.dt_min = 0.02;
  return nn::Stack<Layer>(initializer, shape, random);
}

}  // namespace stretches
