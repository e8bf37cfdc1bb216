#pragma once

#include "ssm/optim/adamw.hpp"

namespace ssm::optim {

/// Stochastic gradient descent with momentum: v = momentum v + g, p -= learning_rate v. Arrays of Role::statistic are
/// left alone.
template <Real T>
class Sgd {
 public:
  /// Takes the arrays to be optimised, which must outlive it.
  Sgd(std::vector<Parameter<T>> parameters, double learning_rate, double momentum = 0)
      : parameters_(std::move(parameters)), learning_rate_(learning_rate), momentum_(momentum) {
    for (const auto& each : parameters_) velocity_.emplace_back(static_cast<Index>(each.values.size()));
  }

  /// Takes one step.
  /// @param gradients   of the same arrays, in the same order
  /// @param schedule    what multiplies the learning rate
  /// @throws            ShapeError if the arrays are others
  template <class U>
  void step(const std::vector<Parameter<U>>& gradients, double schedule = 1) {
    detail::require_same(parameters_, gradients);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (parameters_[i].role == Role::statistic) continue;
      for (std::size_t j = 0; j < parameters_[i].values.size(); ++j) {
        T& v = velocity_[i](static_cast<Index>(j));
        v = static_cast<T>(momentum_ * static_cast<double>(v)) + static_cast<T>(gradients[i].values[j]);
        parameters_[i].values[j] -= static_cast<T>(schedule * learning_rate_ * static_cast<double>(v));
      }
    }
  }

 private:
  std::vector<Parameter<T>> parameters_;
  double learning_rate_, momentum_;
  std::vector<Array<T>> velocity_;
};

}  // namespace ssm::optim
