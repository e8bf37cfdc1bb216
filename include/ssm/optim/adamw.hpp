#pragma once

#include "ssm/nn/parameter.hpp"
#include "ssm/optim/groups.hpp"

#include <cmath>
#include <limits>

namespace ssm::optim {

namespace detail {

/// @throws ShapeError unless both lists are of arrays of the same sizes
template <class T, class U>
void require_same(const std::vector<Parameter<T>>& parameters, const std::vector<Parameter<U>>& gradients) {
  ssm::detail::require_size("arrays of the gradient", static_cast<Index>(parameters.size()),
                            static_cast<Index>(gradients.size()));
  for (std::size_t i = 0; i < parameters.size(); ++i)
    ssm::detail::require_size("gradient of " + parameters[i].name, static_cast<Index>(parameters[i].values.size()),
                              static_cast<Index>(gradients[i].values.size()));
}

}  // namespace detail

/// Options of AdamW.
struct AdamWOptions {
  double learning_rate = 4e-3;  ///< step size of Role::ordinary
  double weight_decay = 0.01;   ///< decay of Role::ordinary; Role::dynamics has none
  std::optional<double> dynamics_learning_rate =
      {};                 ///< step size of Role::dynamics; the smaller of `learning_rate` and 1e-3 if unset
  double beta1 = 0.9;     ///< decay of the mean of gradients
  double beta2 = 0.999;   ///< decay of the mean of their squares
  double epsilon = 1e-8;  ///< is added to the root
  double clip = std::numeric_limits<double>::infinity();  ///< largest norm of the whole gradient
  std::vector<Group> groups = {};                         ///< what is trained otherwise; later ones over earlier ones

  /// @throws DomainError that names what is out of its range
  void check() const {
    const auto require = [](const char* what, bool good, const char* expected, double got) {
      if (!good) throw DomainError(ssm::detail::message(what, ": expected ", expected, ", got ", got));
    };
    require("learning_rate", learning_rate >= 0 && std::isfinite(learning_rate), "a finite number, at least 0",
            learning_rate);
    if (dynamics_learning_rate)
      require("dynamics_learning_rate", *dynamics_learning_rate >= 0 && std::isfinite(*dynamics_learning_rate),
              "a finite number, at least 0", *dynamics_learning_rate);
    require("weight_decay", weight_decay >= 0 && std::isfinite(weight_decay), "a finite number, at least 0",
            weight_decay);
    for (const Group& each : groups) {
      const std::string name = "group '" + each.pattern + "': ";
      const double rate = each.learning_rate.value_or(0), decay = each.weight_decay.value_or(0);
      require((name + "learning_rate").c_str(), rate >= 0 && std::isfinite(rate), "a finite number, at least 0", rate);
      require((name + "weight_decay").c_str(), decay >= 0 && std::isfinite(decay), "a finite number, at least 0",
              decay);
    }
    require("beta1", beta1 >= 0 && beta1 < 1, "a number in [0, 1)", beta1);
    require("beta2", beta2 >= 0 && beta2 < 1, "a number in [0, 1)", beta2);
    require("epsilon", epsilon > 0 && std::isfinite(epsilon), "a positive finite number", epsilon);
    require("clip", clip > 0, "a positive number", clip);
  }
};

/// Norm of all gradients together, in fp64.
template <class T>
double global_norm(const std::vector<Parameter<T>>& gradients) {
  double sum = 0;
  for (const auto& each : gradients)
    for (const auto value : each.values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

/// AdamW. What a layer says are its dynamics (Lambda, P, B, log dt) is trained slower and not decayed; groups of the
/// options say otherwise where they do.
///
///     m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,  p -= r (decay p + m/(1 - b1^k) / (sqrt(v/(1 - b2^k)) +
///     epsilon))
///
/// Loshchilov, Hutter 2019, arXiv:1711.05101; the slower dynamics: S4, arXiv:2111.00396, appendix D. Arrays of
/// Role::statistic are left alone.
template <Real T>
class AdamW {
 public:
  /// @param parameters   arrays that must outlive it
  /// @param options      rates and the rest
  /// @throws             DomainError if an option is out of its range, or a group's pattern fits no array
  explicit AdamW(std::vector<Parameter<T>> parameters, AdamWOptions options = {})
      : parameters_(std::move(parameters)), options_(std::move(options)) {
    options_.check();
    for (const auto& each : parameters_)
      rates_.push_back({learning_rate(each.role), each.role == Role::ordinary ? options_.weight_decay : 0});
    for (const Group& group : options_.groups) {
      bool found = false;
      for (std::size_t i = 0; i < parameters_.size(); ++i) {
        if (!matches(group.pattern, parameters_[i].name)) continue;
        found = true;
        if (parameters_[i].role == Role::statistic) continue;
        if (group.learning_rate) rates_[i].learning_rate = *group.learning_rate;
        if (group.weight_decay) rates_[i].weight_decay = *group.weight_decay;
        if (group.frozen) parameters_[i].role = Role::statistic;  // seen by no optimiser
      }
      if (!found) {
        std::string names;
        for (const auto& each : parameters_) names += (names.empty() ? "" : ", ") + each.name;
        throw DomainError(ssm::detail::message(
            "group '", group.pattern, "': expected a pattern that fits an array, got one that fits none of ", names));
      }
    }
    for (const auto& each : parameters_) {
      mean_.emplace_back(static_cast<Index>(each.values.size()));
      square_.emplace_back(static_cast<Index>(each.values.size()));
    }
  }

  /// Returns its options.
  const AdamWOptions& options() const noexcept { return options_; }
  /// Steps taken.
  Index steps() const noexcept { return steps_; }
  /// Learning rate of a role at full schedule, where no group says otherwise.
  double learning_rate(Role role) const noexcept {
    if (role == Role::statistic) return 0;
    return role == Role::dynamics ? options_.dynamics_learning_rate.value_or(std::min(options_.learning_rate, 1e-3))
                                  : options_.learning_rate;
  }

  /// Takes one step.
  /// @param gradients   of the same arrays, in the same order
  /// @param schedule    what multiplies both learning rates: see warmup_cosine
  /// @return            the norm of the whole gradient, before it was clipped
  /// @throws            ShapeError if the arrays are others
  template <class U>
  double step(const std::vector<Parameter<U>>& gradients, double schedule = 1) {
    detail::require_same(parameters_, gradients);
    const double norm = global_norm(gradients);
    const double shrink = norm > options_.clip ? options_.clip / (norm + 1e-6) : 1;
    ++steps_;
    const auto k = static_cast<double>(steps_);
    const double correct1 = 1 - std::pow(options_.beta1, k), correct2 = 1 - std::pow(options_.beta2, k);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const auto& [name, shape, values, role] = parameters_[i];
      if (role == Role::statistic) continue;
      const double now = schedule * rates_[i].learning_rate, decay = rates_[i].weight_decay;
      for (std::size_t j = 0; j < values.size(); ++j) {
        T &m = mean_[i](static_cast<Index>(j)), &v = square_[i](static_cast<Index>(j)), &p = values[j];
        const double g = shrink * static_cast<double>(gradients[i].values[j]);
        m = static_cast<T>(options_.beta1 * static_cast<double>(m) + (1 - options_.beta1) * g);
        v = static_cast<T>(options_.beta2 * static_cast<double>(v) + (1 - options_.beta2) * g * g);
        const double move =
            static_cast<double>(m) / correct1 / (std::sqrt(static_cast<double>(v) / correct2) + options_.epsilon);
        p = static_cast<T>(static_cast<double>(p) * (1 - now * decay) - now * move);
      }
    }
    return norm;
  }

  /// Returns the arrays that a checkpoint keeps besides the parameters: the means and the squares.
  std::vector<Parameter<T>> state() {
    std::vector<Parameter<T>> all;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      all.push_back({"mean/" + parameters_[i].name, parameters_[i].shape, mean_[i].values(), Role::statistic});
      all.push_back({"square/" + parameters_[i].name, parameters_[i].shape, square_[i].values(), Role::statistic});
    }
    return all;
  }
  /// Sets the number of steps, as a checkpoint has it.
  void set_steps(Index steps) noexcept { steps_ = steps; }

 private:
  std::vector<Parameter<T>> parameters_;
  AdamWOptions options_;
  struct Rates {
    double learning_rate, weight_decay;
  };
  std::vector<Rates> rates_;  // of each array
  std::vector<Array<T>> mean_, square_;
  Index steps_ = 0;
};

}  // namespace ssm::optim
