#pragma once

#include <ssm/layer/concept.hpp>

#include <vector>

namespace example {

/// A layer of one's own: the exponential moving average x_k = x_{k-1} + weight (u_k - x_{k-1}), y_k = x_k.
template <class T>
class MovingAverage {
 public:
  using Scalar = T;
  using State = std::vector<T>;
  using Parameters = std::vector<T>;  // a weight for each feature, 0 < weight <= 1

  explicit MovingAverage(const Parameters& weights) : weights_(weights) {}
  ssm::Index features() const { return static_cast<ssm::Index>(weights_.size()); }
  State initial_state() const { return State(weights_.size()); }

  void step(std::span<const T> u_k, std::span<T> y_k, State& x) const noexcept {
    for (std::size_t h = 0; h < x.size(); ++h) {
      x[h] += weights_[h] * (u_k[h] - x[h]);
      y_k[h] = x[h] = (x[h] + T(1e-20)) - T(1e-20);  // silence ends in 0, not in subnormal numbers
    }
  }
  void forward(ssm::ConstSequence<T> u, ssm::Sequence<T> y, State& x) const {
    if (u.features() != features() || y.features() != features() || u.length() != y.length())
      throw ssm::ShapeError("moving average: expected u and y of one shape, with a column for each weight");
    for (ssm::Index k = 0; k < u.length(); ++k) step(u.row(k), y.row(k), x);
  }
  ssm::Array<T> impulse_response(ssm::Index length) const {
    ssm::Array<T> response(length, features());
    for (ssm::Index h = 0; h < features() && length > 0; ++h) {
      response(0, h) = weights_[static_cast<std::size_t>(h)];
      for (ssm::Index k = 1; k < length; ++k) response(k, h) = response(k - 1, h) * (1 - response(0, h));
    }
    return response;
  }

 private:
  Parameters weights_;
};

}  // namespace example
