#pragma once

#include "ssm/discretize/method.hpp"
#include "ssm/hippo/basis.hpp"
#include "ssm/hippo/operator.hpp"

#include <span>
#include <vector>

namespace ssm::hippo {

/// A memory of the past in N numbers: the coefficients of its best approximation under a measure, updated sample by
/// sample.
///
///     LegS      c' = (A c + B f) / t          the whole past, stretched over [0, t]
///     others    c' = (A c + B f) / scale      a window that slides, or for LagT a past that fades
///
/// HiPPO, arXiv:2008.07669, section 2 and appendix D (the measures), section 3 (LegS). Every update costs O(N): the
/// matrices are running sums (hippo/operator.hpp). Time is counted in the caller's unit; an update takes 1 of it, or as
/// much as it is told, so samples may be uneven.
template <Measure M>
class OnlineMemory {
  static constexpr bool scaled = std::same_as<M, LegS>;

 public:
  /// @param coefficients   N                       >= 1
  /// @throws               DomainError if N < 1
  explicit OnlineMemory(Index coefficients) requires scaled : OnlineMemory(coefficients, 1.0, 1.0) {}

  /// @param coefficients   N                       >= 1
  /// @param window         length of the window (LegT, Fourier), or time in which the past fades by 1/e^(1/2) (LagT)
  /// @throws               DomainError if N < 1 or the window is not positive and finite
  OnlineMemory(Index coefficients, double window) requires(!scaled)
      : OnlineMemory(coefficients, window, window / Basis<M>::extent) {}

  /// N
  Index size() const noexcept { return c_.size(); }
  /// Samples so far.
  Index count() const noexcept { return count_; }
  /// Time that they took.
  double time() const noexcept { return time_; }
  /// c (N), newest.
  const Eigen::VectorXd& coefficients() const noexcept { return c_; }

  /// Takes one sample that lasted `duration`. Allocates nothing.            O(N)
  ///
  ///     (I - s A) c_new = (I + s A) c + 2 s B f,   s = duration / (2 t_new)   (LegS)   or duration / (2 scale)
  ///
  /// @throws DomainError if the duration is not positive and finite; nothing has changed then
  void update(double sample, double duration = 1) { update(sample, Bilinear{}, duration); }
  /// Makes the same by another method.
  void update(double sample, Bilinear, double duration = 1) { advance(sample, duration, 0.5); }
  /// Makes the same by another method.
  void update(double sample, BackwardEuler, double duration = 1) { advance(sample, duration, 1); }
  /// Unstable where a step is long against N: LegS needs another method for its first N or so samples.
  void update(double sample, ForwardEuler, double duration = 1) { advance(sample, duration, 0); }

  /// Reconstructs the past from the coefficients.
  ///
  /// @param times   since the beginning, 0 <= time <= time(), and for LegT and Fourier no older than the window
  /// @return        one value each
  /// @throws        DomainError if there was no sample yet or a time is outside
  /// @note          O(N) each
  std::vector<double> reconstruct(std::span<const double> times) const {
    if (count_ == 0) throw DomainError("online memory: expected at least one sample before reconstructing, got none");
    std::vector<double> values;
    values.reserve(times.size());
    const double first = oldest();
    for (const double time : times) {
      if (!(time >= first && time <= time_))
        throw DomainError(
            ssm::detail::message("time to reconstruct: expected within ", first, "..", time_, ", got ", time));
      values.push_back(Basis<M>::evaluate(c_, (time_ - time) / (scaled ? time_ : scale_)));
    }
    return values;
  }
  /// The past at the centre of each sample, oldest first, where all lasted 1.      (count())     O(N count())
  std::vector<double> reconstruct() const requires scaled {
    std::vector<double> centres(static_cast<std::size_t>(count_));
    for (std::size_t k = 0; k < centres.size(); ++k) centres[k] = static_cast<double>(k) + 0.5;
    return reconstruct(centres);
  }
  /// The earliest time that can be reconstructed.
  double oldest() const noexcept {
    if constexpr (std::same_as<M, LegT> || std::same_as<M, Fourier>) return std::max(0.0, time_ - window_);
    return 0;
  }

 private:
  OnlineMemory(Index coefficients, double window, double scale)
      : window_(window), scale_(scale), A_(at_least_one(coefficients)), B_(input(M{}, coefficients)) {
    ssm::detail::require_positive("window of an online memory", window);
    c_ = right_ = Eigen::VectorXd::Zero(coefficients);
  }
  static Index at_least_one(Index coefficients) {
    ssm::detail::require_at_least("coefficients of an online memory", 1, coefficients);
    return coefficients;
  }

  void advance(double sample, double duration, double implicit_part) {
    ssm::detail::require_positive("duration of a sample", duration);
    time_ += duration;
    ++count_;
    const double step = duration / (scaled ? time_ : scale_);
    A_.multiply(c_, right_);
    for (Index n = 0; n < size(); ++n) c_(n) += step * ((1 - implicit_part) * right_(n) + B_(n) * sample);
    if (implicit_part > 0) A_.solve(implicit_part * step, c_);
  }

  double window_, scale_, time_ = 0;
  Index count_ = 0;
  Operator<M> A_;
  Eigen::VectorXd B_, c_, right_;
};

}  // namespace ssm::hippo
