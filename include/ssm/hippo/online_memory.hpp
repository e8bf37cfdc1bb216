#pragma once

#include "ssm/discretize/method.hpp"
#include "ssm/hippo/measure.hpp"

#include <span>
#include <vector>

namespace ssm::hippo {

/// A memory of the whole past in N numbers, updated in O(N) a sample.
template <class Measure>
class OnlineMemory;

/// HiPPO-LegS: the coefficients of the past, stretched over [0, k], in the basis sqrt(2n+1) P_n(2s - 1), 0 <= s <= 1.
///
///     c' = (A c + B f) / t,   discretized with steps t = k:   bilinear (I - A/2k) c_k = (I + A/2k) c_{k-1} + B f_k / k
///
/// HiPPO, arXiv:2008.07669, section 3 (Theorem 2, Proposition 3). A is lower triangular of rank one below its diagonal,
/// so a product or a substitution is one running sum.
template <>
class OnlineMemory<LegS> {
 public:
  /// @param coefficients   N                       >= 1
  /// @throws               DomainError if N < 1
  explicit OnlineMemory(Index coefficients) {
    detail::require_at_least("coefficients of an online memory", 1, coefficients);
    c_ = Eigen::VectorXd::Zero(coefficients);
    root_ = input(LegS{}, coefficients);
  }

  Index size() const noexcept { return c_.size(); }
  /// Samples so far.
  Index count() const noexcept { return count_; }
  /// c (N), newest.
  const Eigen::VectorXd& coefficients() const noexcept { return c_; }

  /// Takes one sample. Allocates nothing.                                  O(N)
  void update(double sample, Bilinear = {}) noexcept { advance(sample, 0.5, 0.5); }
  void update(double sample, BackwardEuler) noexcept { advance(sample, 0, 1); }
  /// Stable only after the first N or so samples: begin with another.
  void update(double sample, ForwardEuler) noexcept { advance(sample, 1, 0); }

  /// What the coefficients say of the past.
  ///
  /// @param times   in samples since the beginning, 0 <= time <= count(); sample k (from 0) is centred at k + 1/2
  /// @return        one value each
  /// @throws        DomainError if there was no sample yet or a time is outside
  /// @note          O(N) each
  std::vector<double> reconstruct(std::span<const double> times) const {
    if (count_ == 0) throw DomainError("online memory: expected at least one sample before reconstructing, got none");
    std::vector<double> values;
    values.reserve(times.size());
    const auto end = static_cast<double>(count_);
    for (const double time : times) {
      if (!(time >= 0 && time <= end))
        throw DomainError(detail::message("time to reconstruct: expected within 0..", count_, ", got ", time));
      values.push_back(evaluate(2 * time / end - 1));
    }
    return values;
  }
  /// The past at the centre of every sample, oldest first, (count()).      O(N count())
  std::vector<double> reconstruct() const {
    std::vector<double> centres(static_cast<std::size_t>(count_));
    for (std::size_t k = 0; k < centres.size(); ++k) centres[k] = static_cast<double>(k) + 0.5;
    return reconstruct(centres);
  }

 private:
  /// (I - implicit A/k) c_k = (I + explicit A/k) c_{k-1} + B f/k, with (A c)_n = -root_n sum_(m<n) root_m c_m - (n+1)
  /// c_n.
  void advance(double sample, double explicit_part, double implicit_part) noexcept {
    const double step = 1 / static_cast<double>(++count_);
    double old_sum = 0, new_sum = 0;
    for (Index n = 0; n < size(); ++n) {
      const double old = c_(n), root = root_(n), decay = static_cast<double>(n + 1);
      const double right = old - explicit_part * step * (root * old_sum + decay * old) + step * root * sample;
      c_(n) = (right - implicit_part * step * root * new_sum) / (1 + implicit_part * step * decay);
      old_sum += root * old;
      new_sum += root * c_(n);
    }
  }

  /// sum_n c_n sqrt(2n+1) P_n(x), by the three-term recurrence of Legendre's polynomials.
  double evaluate(double x) const noexcept {
    double value = 0, previous = 0, current = 1;
    for (Index n = 0; n < size(); ++n) {
      value += c_(n) * root_(n) * current;
      const auto degree = static_cast<double>(n);
      const double next = ((2 * degree + 1) * x * current - degree * previous) / (degree + 1);
      previous = current;
      current = next;
    }
    return value;
  }

  Index count_ = 0;
  Eigen::VectorXd c_, root_;
};

}  // namespace ssm::hippo
