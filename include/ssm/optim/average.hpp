#pragma once

#include "ssm/nn/parameter.hpp"

#include <algorithm>

namespace ssm::optim {

/// A running mean of a model's arrays, which often answers better than the last ones do.
///
///     average = d average + (1 - d) parameters,   d = min(decay, (1 + k)/(10 + k)) in update k
///
/// Polyak, Juditsky 1992; the ramp of d: TensorFlow's ExponentialMovingAverage.
template <Real T>
class Average {
 public:
  /// Takes the arrays, which must outlive it; the average begins with their values.
  explicit Average(std::vector<Parameter<T>> parameters, double decay = 0.999)
      : parameters_(std::move(parameters)), decay_(decay) {
    for (const auto& each : parameters_) {
      Array<T> copy(static_cast<Index>(each.values.size()));
      std::copy(each.values.begin(), each.values.end(), copy.begin());
      average_.push_back(std::move(copy));
    }
  }

  /// Takes in what the arrays hold now.
  void update() {
    const auto k = static_cast<double>(updates_++);
    const double d = std::min(decay_, (1 + k) / (10 + k));
    for (std::size_t i = 0; i < average_.size(); ++i)
      for (std::size_t j = 0; j < parameters_[i].values.size(); ++j) {
        T& a = average_[i](static_cast<Index>(j));
        a = static_cast<T>(d * static_cast<double>(a) + (1 - d) * static_cast<double>(parameters_[i].values[j]));
      }
  }
  /// Changes places with the arrays: the model is the average until it is called again.
  void swap() {
    for (std::size_t i = 0; i < average_.size(); ++i)
      std::swap_ranges(average_[i].begin(), average_[i].end(), parameters_[i].values.begin());
  }

  /// Updates taken in.
  Index updates() const noexcept { return updates_; }
  /// Sets the number of updates, as a checkpoint has it.
  void set_updates(Index updates) noexcept { updates_ = updates; }
  /// Returns the arrays that a checkpoint keeps.
  std::vector<Parameter<T>> state() {
    std::vector<Parameter<T>> all;
    for (std::size_t i = 0; i < average_.size(); ++i)
      all.push_back({"average/" + parameters_[i].name, parameters_[i].shape, average_[i].values(), Role::statistic});
    return all;
  }

 private:
  std::vector<Parameter<T>> parameters_;
  double decay_;
  std::vector<Array<T>> average_;
  Index updates_ = 0;
};

}  // namespace ssm::optim
