#pragma once

#include "ssm/system/dplr.hpp"
#include "ssm/system/small_solve.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

namespace ssm::kernel {

namespace detail {

/// v_n of the Cauchy sum of one left and one right side, as often as its mode counts.
///
///     v = left_n right_n,   left in {C~, conj Q_1, .., conj Q_R},   right in {B, P_1, .., P_R}
inline Complex<double> cauchy_numerator(const DplrSystem<double>& system, const RowVector<Complex<double>>& C_tilde,
                                        Index n, Index left, Index right) {
  const Complex<double> l = left == 0 ? C_tilde(n) : std::conj(system.right()(n, left - 1));
  const Complex<double> r = right == 0 ? system.B(n) : system.P(n, right - 1);
  return static_cast<double>(multiplicity(n, system.states)) * l * r;
}

/// Computes the term that the low-rank part subtracts from k(C~ B) by Woodbury's identity, rank R > 1.
///
///     k(C~ P) (I + k(Q* P))^-1 k(Q* B)
///
/// @param k   (left, right) -> Cauchy sum; 0 stands for C~ and B, r for P_r
template <class T, class Sums>
Complex<T> low_rank_share(Index R, Sums&& k) {
  RankMatrix<Complex<T>> inner(R, R);
  RankVector<Complex<T>> PB(R);
  for (Index l = 0; l < R; ++l) {
    PB(l) = k(1 + l, 0);
    for (Index r = 0; r < R; ++r) inner(l, r) = k(1 + l, 1 + r) + (l == r ? T(1) : T(0));
  }
  ssm::detail::solve_small(inner, PB);
  Complex<T> share = 0;
  for (Index r = 0; r < R; ++r) share += k(0, 1 + r) * PB(r);
  return share;
}

}  // namespace detail

/// The four (for rank R, (1+R)^2) Cauchy sums of S4's kernel, for one feature.
///
///     k(v)(g) = sum over all N modes of v_n / (g - Lambda_n),     v = left_n right_n,
///     left in {C~, conj Q_1, .., conj Q_R},   right in {B, P_1, .., P_R}
///
/// S4, arXiv:2111.00396, appendix C.3. A conjugate pair is summed at once in real arithmetic: with g = gamma + i tau,
/// Lambda = rho + i omega and alpha = gamma - rho,
///
///     v/(g - Lambda) + conj(v)/(g - conj Lambda) = 2 (Re v alpha - Im v omega + i Re v tau) / (X + i Y)
///     X = alpha^2 - (tau - omega)(tau + omega),   Y = 2 alpha tau
///
/// so all the sums share one reciprocal. fp64.
class CauchySums {
 public:
  static constexpr Index tile = 64;  ///< nodes that are summed side by side

  /// @param system    Lambda (M), P (M, R), B (M)
  /// @param C_tilde   C~ (M), see truncated_output
  CauchySums(const DplrSystem<double>& system, const RowVector<Complex<double>>& C_tilde)
      : rho_(system.modes()), omega_(system.modes()), width_(1 + system.rank()) {
    const Index M = system.modes();
    for (Index n = 0; n < M; ++n) {
      rho_(n) = system.Lambda(n).real();
      omega_(n) = system.Lambda(n).imag();
    }
    v_re_.resize(width_ * width_, M);
    v_im_.resize(width_ * width_, M);
    for (Index n = 0; n < M; ++n)
      for (Index a = 0; a < width_; ++a)
        for (Index b = 0; b < width_; ++b) {
          const Complex<double> v = detail::cauchy_numerator(system, C_tilde, n, a, b);
          v_re_(a * width_ + b, n) = v.real();
          v_im_(a * width_ + b, n) = v.imag();
        }
    sums_.resize(tile, width_ * width_);
  }

  /// 1 + R: the sums of one node are a matrix of this size.
  Index width() const noexcept { return width_; }

  /// The sums at up to `tile` nodes.
  /// @param g   nodes            (J)          J <= tile
  /// @return    row j: left-major (1+R)^2 sums at node j, valid until the next call.     O(N R^2 J), allocates nothing
  auto operator()(std::span<const Complex<double>> g) {
    const auto J = static_cast<Index>(g.size());
    std::array<double, tile> gamma{}, tau{}, alpha, x, y;
    gamma.fill(1);  // past the last node: anything that divides well
    for (Index j = 0; j < J; ++j) {
      gamma[at(j)] = g[at(j)].real();
      tau[at(j)] = g[at(j)].imag();
    }
    re_.assign(at(width_ * width_ * tile), 0.0);
    im_.assign(at(width_ * width_ * tile), 0.0);
    for (Index n = 0; n < rho_.size(); ++n) {
      const double rho = rho_(n), omega = omega_(n);
      for (std::size_t j = 0; j < at(tile); ++j) {
        alpha[j] = gamma[j] - rho;
        const double X = alpha[j] * alpha[j] - (tau[j] - omega) * (tau[j] + omega), Y = 2 * alpha[j] * tau[j];
        const double scale = 1 / (X * X + Y * Y);
        x[j] = X * scale;
        y[j] = Y * scale;
      }
      for (Index q = 0; q < width_ * width_; ++q) {
        const double vr = v_re_(q, n), vi_omega = v_im_(q, n) * omega;
        double* re = re_.data() + q * tile;
        double* im = im_.data() + q * tile;
        for (std::size_t j = 0; j < at(tile); ++j) {
          const double numerator_re = vr * alpha[j] - vi_omega, numerator_im = vr * tau[j];
          re[j] += numerator_re * x[j] + numerator_im * y[j];
          im[j] += numerator_im * x[j] - numerator_re * y[j];
        }
      }
    }
    for (Index q = 0; q < width_ * width_; ++q)
      for (Index j = 0; j < J; ++j) sums_(j, q) = {re_[at(q * tile + j)], im_[at(q * tile + j)]};
    return std::as_const(sums_).topRows(J);
  }

 private:
  static constexpr std::size_t at(Index i) { return static_cast<std::size_t>(i); }

  Vector<double> rho_, omega_;
  Index width_;
  Matrix<double> v_re_, v_im_;  // ((1+R)^2, M)
  std::vector<double> re_, im_;
  Matrix<Complex<double>> sums_;
};

/// The vector-Jacobian product of the Cauchy sums at one node.
///
///     dv = conj(p) dk + q conj(dk),   dLambda = conj(v p^2) dk + conj(v) q^2 conj(dk),   dg = -conj(v p^2 + conj(v)
///     q^2) dk   with p = 1/(g - Lambda), q = 1/(g - conj Lambda): a pair is a function of v and of conj v
///
/// @param system     Lambda (M), P and Q (M, R), B (M)
/// @param C_tilde    C~ (M)
/// @param g          the node
/// @param dsums      cotangents of the sums, left-major     (1+R)^2
/// @param dsystem    += cotangents of Lambda, P, Q where the system has one, and B
/// @param dC_tilde   += cotangent of C~                     (M)
/// @return           cotangent of g.     O(N R^2)
template <Fp64 S>
Complex<S> cauchy_vjp(const DplrSystem<S>& system, const RowVector<Complex<double>>& C_tilde, Complex<double> g,
                      std::span<const Complex<double>> dsums, DplrSystem<S>& dsystem, RowVector<Complex<S>>& dC_tilde) {
  const Index width = 1 + system.rank();
  Complex<S> dg = 0;
  for (Index n = 0; n < system.modes(); ++n) {
    const bool pair = multiplicity(n, system.states) == 2;
    const Complex<S> p = 1.0 / (g - system.Lambda(n)),
                     q = pair ? 1.0 / (g - std::conj(system.Lambda(n))) : Complex<S>(0);
    const auto left = [&](Index a) { return a == 0 ? C_tilde(n) : std::conj(system.right()(n, a - 1)); };
    const auto right = [&](Index b) { return b == 0 ? system.B(n) : system.P(n, b - 1); };
    for (Index a = 0; a < width; ++a)
      for (Index b = 0; b < width; ++b) {
        const Complex<S> dk = dsums[static_cast<std::size_t>(a * width + b)], v = left(a) * right(b);
        const Complex<S> dv = std::conj(p) * dk + q * std::conj(dk);
        dsystem.Lambda(n) += std::conj(v * p * p) * dk + std::conj(v) * q * q * std::conj(dk);
        dg -= std::conj(v * p * p + std::conj(v) * q * q) * dk;
        const Complex<S> dleft = std::conj(right(b)) * dv, dright = std::conj(left(a)) * dv;
        if (a == 0)
          dC_tilde(n) += dleft;
        else
          dsystem.right()(n, a - 1) += std::conj(dleft);
        if (b == 0)
          dsystem.B(n) += dright;
        else
          dsystem.P(n, b - 1) += dright;
      }
  }
  return dg;
}

}  // namespace ssm::kernel
