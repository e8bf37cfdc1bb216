#pragma once

#include "ssm/hippo/measure.hpp"

#include <concepts>

/// Products and solutions with the HiPPO matrices in O(N): each is a running sum of low rank plus a few diagonals, so
/// no matrix is made. What the online memories step with.
namespace ssm::hippo {

/// Fast application of a measure's matrix.
///
///     Operator(N)                      makes it for N coefficients                                  O(N)
///     multiply(c, result)              result = A c                                                 O(N)
///     solve(step, x)                   x becomes (I - step A)^-1 x, step >= 0, in place             O(N)
template <class Measure>
class Operator;

/// A_nk = -r_n r_k for n > k, -(n+1) for n = k, with r_n = sqrt(2n+1).
template <>
class Operator<LegS> {
 public:
  /// Prepares for N coefficients.
  explicit Operator(Index N) : root_(input(LegS{}, N)) {}

  /// result = A c.     O(N)
  void multiply(const Eigen::VectorXd& c, Eigen::VectorXd& result) const noexcept {
    double sum = 0;
    for (Index n = 0; n < c.size(); ++n) {
      result(n) = -root_(n) * sum - static_cast<double>(n + 1) * c(n);
      sum += root_(n) * c(n);
    }
  }
  /// x becomes (I - step A)^-1 x.     O(N)
  void solve(double step, Eigen::VectorXd& x) const noexcept {
    double sum = 0;
    for (Index n = 0; n < x.size(); ++n) {
      x(n) = (x(n) - step * root_(n) * sum) / (1 + step * static_cast<double>(n + 1));
      sum += root_(n) * x(n);
    }
  }

 private:
  Eigen::VectorXd root_;
};

/// A_nk = -1 for n > k, -1/2 for n = k.
template <>
class Operator<LagT> {
 public:
  /// Prepares for N coefficients.
  explicit Operator(Index) {}

  /// result = A c.     O(N)
  void multiply(const Eigen::VectorXd& c, Eigen::VectorXd& result) const noexcept {
    double sum = 0;
    for (Index n = 0; n < c.size(); ++n) {
      result(n) = -sum - c(n) / 2;
      sum += c(n);
    }
  }
  /// x becomes (I - step A)^-1 x.     O(N)
  void solve(double step, Eigen::VectorXd& x) const noexcept {
    double sum = 0;
    for (Index n = 0; n < x.size(); ++n) {
      x(n) = (x(n) - step * sum) / (1 + step / 2);
      sum += x(n);
    }
  }
};

/// A = T - 1/2 q q^T with q_n = (-1)^n r_n, r_n = sqrt(2n+1), and T_nk = -r_n r_k where n > k and n - k is odd: two
/// running sums. Its inverse, integration in the Legendre basis, is tridiagonal,
///
///     K_(n+1,n) = 1/(r_n r_(n+1)) = -K_(n,n+1),   K_00 = -1,   K_(N-1,N-1) = -1/r_(N-1)^2   (added up where N = 1),
///
/// so (I - step A) x = b is (K - step I) x = K b; its pivots are all negative and need no exchange of rows.
template <>
class Operator<LegT> {
 public:
  /// Prepares for N coefficients.
  explicit Operator(Index N) : root_(input(LegS{}, N)), pivot_(N) {}

  /// result = A c.     O(N)
  void multiply(const Eigen::VectorXd& c, Eigen::VectorXd& result) const noexcept {
    double sums[2] = {0, 0}, along = 0;
    for (Index n = 0; n < c.size(); ++n) along += sign(n) * root_(n) * c(n);
    for (Index n = 0; n < c.size(); ++n) {
      result(n) = -root_(n) * (sums[1 - n % 2] + sign(n) * along / 2);
      sums[n % 2] += root_(n) * c(n);
    }
  }
  /// Keeps its workspace in the operator: one caller at a time.
  void solve(double step, Eigen::VectorXd& x) noexcept {
    const Index N = x.size();
    for (Index n = 0; n < N; ++n) pivot_(n) = corner(n, N) - step;
    double above = 0;  // the entry of b before it is overwritten by K b
    for (Index n = 0; n < N; ++n) {
      const double b = x(n);
      x(n) = corner(n, N) * b + (n > 0 ? beside(n - 1) * above : 0) - (n + 1 < N ? beside(n) * x(n + 1) : 0);
      above = b;
    }
    for (Index n = 0; n + 1 < N; ++n) {
      const double factor = beside(n) / pivot_(n);
      pivot_(n + 1) += factor * beside(n);
      x(n + 1) -= factor * x(n);
    }
    for (Index n = N - 1; n >= 0; --n) x(n) = (x(n) + (n + 1 < N ? beside(n) * x(n + 1) : 0)) / pivot_(n);
  }

 private:
  static double sign(Index n) noexcept { return n % 2 == 0 ? 1 : -1; }
  double beside(Index n) const noexcept { return 1 / (root_(n) * root_(n + 1)); }
  double corner(Index n, Index N) const noexcept {
    return (n == 0 ? -1.0 : 0.0) - (n == N - 1 ? 1 / (root_(n) * root_(n)) : 0.0);
  }

  Eigen::VectorXd root_, pivot_;
};

/// A = R - B B^T, R rotating the pair (2k, 2k+1) by pi k: blocks of two, and Sherman and Morrison for the last term.
template <>
class Operator<Fourier> {
 public:
  /// Prepares for N coefficients.
  explicit Operator(Index N) : B_(input(Fourier{}, N)), solved_(N) {}

  /// result = A c.     O(N)
  void multiply(const Eigen::VectorXd& c, Eigen::VectorXd& result) const noexcept {
    const double projection = B_.dot(c);
    for (Index n = 0; n < c.size(); ++n) result(n) = -B_(n) * projection;
    for (Index n = 2; n + 1 < c.size(); n += 2) {
      result(n) -= turn(n) * c(n + 1);
      result(n + 1) += turn(n) * c(n);
    }
  }
  /// Keeps its workspace in the operator: one caller at a time.
  void solve(double step, Eigen::VectorXd& x) noexcept {
    solved_ = B_;
    rotate_back(step, solved_);
    rotate_back(step, x);
    const double factor = step * B_.dot(x) / (1 + step * B_.dot(solved_));
    for (Index n = 0; n < x.size(); ++n) x(n) -= factor * solved_(n);
  }

 private:
  static double turn(Index n) noexcept { return std::numbers::pi * static_cast<double>(n / 2); }
  static void rotate_back(double step, Eigen::VectorXd& x) noexcept {  // (I - step R)^-1 x
    for (Index n = 2; n + 1 < x.size(); n += 2) {
      const double angle = step * turn(n), scale = 1 / (1 + angle * angle), cosine = x(n), sine = x(n + 1);
      x(n) = scale * (cosine - angle * sine);
      x(n + 1) = scale * (sine + angle * cosine);
    }
  }

  Eigen::VectorXd B_, solved_;
};

}  // namespace ssm::hippo
