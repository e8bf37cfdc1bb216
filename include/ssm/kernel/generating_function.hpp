#pragma once

#include "ssm/discretize/bilinear.hpp"
#include "ssm/fft/eigen.hpp"
#include "ssm/fft/length.hpp"
#include "ssm/kernel/cauchy.hpp"
#include "ssm/kernel/thin_factors.hpp"

#include <numbers>

namespace ssm::kernel {

/// The points z at which S4's truncated generating function is evaluated: `length` of them, evenly round a circle.
///
///     z_j = r e^(-2 pi i j / L),   r^L = damping
///
/// With damping 1 they are the paper's roots of unity. On the unit circle a mode that hardly decays comes as near to a
/// node as it likes, and C~ = C (I - A_bar^L) loses the digits that the Cauchy sums divide by; at damping 1/4 no node
/// is nearer to a pole than 1.4 / L and nothing cancels, for the price of growing errors late in the kernel fourfold.
struct Circle {
  Index length;           ///< L           >= 1
  double damping = 0.25;  ///< r^L         0 < damping <= 1

  /// r
  double radius() const { return std::exp(std::log(damping) / static_cast<double>(length)); }
};

/// C~ = C (I - damping A_bar^L), which makes the infinite generating function the truncated one.
///
/// S4, arXiv:2111.00396, Lemma C.1. By repeated squaring of the real dense A_bar, in fp64.
///
/// @param system    discrete diagonal plus low rank, M modes
/// @param circle    L and damping
/// @return          C~ (M)
/// @note            O(N^3 log L) time, 3 N^2 numbers of memory
template <Fp64 S>
RowVector<Complex<S>> truncated_output(const DiscreteDplrSystem<S>& system, Circle circle) {
  const DiscreteDenseSystem<S> real = dense(system);
  const Index M = system.modes(), odd = system.states % 2;
  const Index N = system.states;
  RowVector<S> row = real.C, next(N);
  Matrix<S> power = real.A_bar, square(N, N);
  for (Index bits = circle.length; bits > 0; bits >>= 1) {
    if (bits & 1) {
      for (Index n = 0; n < N; ++n) {
        next(n) = 0;
        for (Index m = 0; m < N; ++m) next(n) += row(m) * power(m, n);
      }
      row.swap(next);
    }
    if (bits > 1) {
      square.setZero();
      add_product(power, power, square);
      power.swap(square);
    }
  }
  for (Index n = 0; n < N; ++n) row(n) = real.C(0, n) - circle.damping * row(n);
  RowVector<Complex<S>> C_tilde(M);  // back from (2 Re, -2 Im)
  for (Index n = 0; n < M; ++n)
    C_tilde(n) = n < odd ? Complex<S>(row(n)) : Complex<S>(row(n) / 2, -row(M - odd + n) / 2);
  return C_tilde;
}

/// Cotangents of a discrete system from that of its C~.
///
/// Through the repeated squaring in reverse, row <- row P_i and P_(i+1) = P_i^2:
///
///     dP_i = row^T drow + dP_(i+1) P_i^T + P_i^T dP_(i+1),   drow <- drow P_i^T
///
/// @param system     discrete diagonal plus low rank, M modes
/// @param circle     L and damping
/// @param dC_tilde   cotangent of C~                                       (M)
/// @param dsystem    += cotangents of Delta, P_bar, Q_bar and C
/// @note             O(N^3 log L) time, O(N^2 log L) memory
template <Fp64 S>
void truncated_output_vjp(const DiscreteDplrSystem<S>& system, Circle circle,
                          const RowVector<Complex<double>>& dC_tilde, DiscreteDplrSystem<S>& dsystem) {
  const DiscreteDenseSystem<S> real = dense(system);
  const Index M = system.modes(), odd = system.states % 2, N = system.states;
  RowVector<S> drow(N);
  for (Index n = 0; n < M; ++n) {
    drow(n) = n < odd ? dC_tilde(n).real() : dC_tilde(n).real() / 2;
    if (n >= odd) drow(M - odd + n) = -dC_tilde(n).imag() / 2;
  }
  const auto in_length = [&](std::size_t bit) { return (circle.length >> bit & 1) != 0; };
  std::vector<Matrix<S>> powers{real.A_bar};  // A_bar^(2^i)
  std::vector<RowVector<S>> rows{real.C};     // C times those of the lower bits of L
  for (std::size_t i = 0; circle.length >> (i + 1) > 0; ++i) {
    rows.push_back(in_length(i) ? RowVector<S>(rows[i].lazyProduct(powers[i])) : rows[i]);
    powers.push_back(Matrix<S>::Zero(N, N));
    add_product(powers[i], powers[i], powers[i + 1]);
  }
  DiscreteDenseSystem<S> ddense{Matrix<S>::Zero(N, N), Matrix<S>::Zero(N, 1), drow};
  Matrix<S>& dpower = ddense.A_bar;
  RowVector<S> along = -circle.damping * drow;
  for (std::size_t i = powers.size(); i-- > 0;) {
    const Matrix<S> turned = powers[i].transpose(), above = dpower;
    dpower.setZero();
    add_product(above, turned, dpower);
    add_product(turned, above, dpower);
    if (in_length(i)) {
      dpower += rows[i].transpose().lazyProduct(along);
      along = RowVector<S>(along.lazyProduct(turned));
    }
  }
  ddense.C += along;
  dense_vjp(system, ddense, dsystem);
}

namespace detail {

/// Returns the point at which the generating function is summed, for point j of a circle.
struct Node {
  Complex<double> g;       ///< (2/dt) (1-z)/(1+z); anything at z = -1
  Complex<double> factor;  ///< 2/(1+z); 0 at z = -1
};
inline Node node(Circle circle, double dt, Index j) {
  // 1 -+ z = e^(-i theta/2) (e^(i theta/2) -+ r e^(-i theta/2)), z = r e^(-i theta): accurate also near z = +-1
  const double half = std::numbers::pi * static_cast<double>(j) / static_cast<double>(circle.length);
  const double radius = circle.radius();
  const double c = 2 * j == circle.length ? 0.0 : std::cos(half), s = std::sin(half);
  const Complex<double> minus((1 - radius) * c, (1 + radius) * s), plus((1 + radius) * c, (1 - radius) * s);
  if (plus == Complex<double>(0)) return {1, 0};
  return {2 / dt * minus / plus, 2.0 * Complex<double>(c, s) / plus};
}
/// Returns whether the last of its points is z = -1.
inline bool meets_minus_one(Circle circle) { return circle.length % 2 == 0 && circle.radius() == 1; }

}  // namespace detail

/// Generating function of a DPLR system's truncated kernel at the points of a circle, by Cauchy sums and Woodbury's
/// identity.
///
///     K^(z) = sum_(k < L) K_k z^k = 2/(1+z) [ k(C~ B) - k(C~ P) (I + k(Q* P))^-1 k(Q* B) ]   at g = (2/dt) (1-z)/(1+z)
///
/// S4, arXiv:2111.00396, section 3.3 and appendix C.3. Where z = -1 the value is its limit, dt/2 C~ B.
///
/// @param system     continuous system, M modes, rank R
/// @param C_tilde    truncated_output of its discretization        (M)
/// @param dt         time step                                     s, > 0
/// @param circle     L and damping
/// @param spectrum   K^ at z_0 .. z_(L/2)                          (L/2 + 1); the rest are conjugates
/// @note             O(N R^2 L) time, O(N R^2) memory
template <Fp64 S>
void generating_function(const DplrSystem<S>& system, const RowVector<Complex<double>>& C_tilde, double dt,
                         Circle circle, std::span<Complex<double>> spectrum) {
  ssm::detail::require_size("bins of the spectrum", circle.length / 2 + 1, static_cast<Index>(spectrum.size()));
  CauchySums cauchy(system, C_tilde);
  const Index R = system.rank(), width = cauchy.width(), bins = circle.length / 2 + 1;
  std::array<Complex<S>, CauchySums::tile> nodes, factors;
  for (Index first = 0; first < bins; first += CauchySums::tile) {
    const Index count = std::min(CauchySums::tile, bins - first);
    for (Index j = 0; j < count; ++j) {
      const auto [g, factor] = detail::node(circle, dt, first + j);
      nodes[static_cast<std::size_t>(j)] = g;
      factors[static_cast<std::size_t>(j)] = factor;
    }
    const auto sums = cauchy(std::span(nodes).first(static_cast<std::size_t>(count)));
    for (Index j = 0; j < count; ++j) {
      Complex<S> value = sums(j, 0);
      if (R == 1) {
        value -= sums(j, 1) * sums(j, 2) / (1.0 + sums(j, 3));
      } else if (R > 1) {
        value -=
            detail::low_rank_share<double>(R, [&](Index left, Index right) { return sums(j, left * width + right); });
      }
      spectrum[static_cast<std::size_t>(first + j)] = factors[static_cast<std::size_t>(j)] * value;
    }
  }
  if (detail::meets_minus_one(circle)) {
    double CB = 0;
    for (Index n = 0; n < system.modes(); ++n)
      CB += static_cast<double>(multiplicity(n, system.states)) * (C_tilde(n) * system.B(n)).real();
    spectrum.back() = dt / 2 * CB;
  }
}

/// Its vector-Jacobian product, Woodbury's identity and the Cauchy sums in reverse.
///
/// With S the sums, X = (I + k(Q* P))^-1, a = k(C~ P) X and b = X k(Q* B), all holomorphic in S:
///
///     dk(C~ B) = dK^',   dk(C~ P) = -conj(b) dK^',   dk(Q* B) = -conj(a) dK^',   dk(Q* P) = conj(a) conj(b) dK^'
///
/// where dK^' = conj(2/(1+z)) dK^.
///
/// @param system      as above
/// @param C_tilde     as above                                (M)
/// @param dt          time step                               s, > 0
/// @param circle      L and damping
/// @param dspectrum   cotangents of K^ at z_0 .. z_(L/2)      (L/2 + 1)
/// @param dsystem     += cotangents of Lambda, P, Q and B; those of C come from dC_tilde
/// @param dC_tilde    += cotangent of C~                      (M)
/// @param ddt         += cotangent of dt where the nodes are made
/// @throws            ShapeError if the sizes disagree
/// @note              O(N R^2 L) time
template <Fp64 S>
void generating_function_vjp(const DplrSystem<S>& system, const RowVector<Complex<double>>& C_tilde, double dt,
                             Circle circle, std::span<const Complex<double>> dspectrum, DplrSystem<S>& dsystem,
                             RowVector<Complex<S>>& dC_tilde, double& ddt) {
  ssm::detail::require_size("bins of the spectrum", circle.length / 2 + 1, static_cast<Index>(dspectrum.size()));
  CauchySums cauchy(system, C_tilde);
  const Index R = system.rank(), width = cauchy.width(), bins = circle.length / 2 + 1;
  std::vector<Complex<S>> dsums(static_cast<std::size_t>(width * width));
  for (Index j = 0; j < bins; ++j) {
    const auto [g, factor] = detail::node(circle, dt, j);
    const auto sums = cauchy({&g, 1});
    const auto sum = [&](Index left, Index right) { return sums(0, left * width + right); };
    RankMatrix<Complex<S>> inner(R, R);
    RankVector<Complex<S>> b(R), a(R);
    for (Index l = 0; l < R; ++l) {
      b(l) = sum(1 + l, 0);
      a(l) = sum(0, 1 + l);
      for (Index r = 0; r < R; ++r) inner(l, r) = sum(1 + l, 1 + r) + (l == r ? 1.0 : 0.0);
    }
    RankMatrix<Complex<S>> turned = inner.transpose();
    ssm::detail::solve_small(inner, b);
    ssm::detail::solve_small(turned, a);
    const Complex<S> dvalue = std::conj(factor) * dspectrum[static_cast<std::size_t>(j)];
    dsums[0] = dvalue;
    for (Index l = 0; l < R; ++l) {
      dsums[static_cast<std::size_t>(1 + l)] = -std::conj(b(l)) * dvalue;
      dsums[static_cast<std::size_t>((1 + l) * width)] = -std::conj(a(l)) * dvalue;
      for (Index r = 0; r < R; ++r)
        dsums[static_cast<std::size_t>((1 + l) * width + 1 + r)] = std::conj(a(l) * b(r)) * dvalue;
    }
    const Complex<S> dg = cauchy_vjp(system, C_tilde, g, dsums, dsystem, dC_tilde);
    ddt -= (dg.real() * g.real() + dg.imag() * g.imag()) / dt;
  }
  if (detail::meets_minus_one(circle)) {
    const double dvalue = dspectrum.back().real();
    for (Index n = 0; n < system.modes(); ++n) {
      const auto count = static_cast<double>(multiplicity(n, system.states));
      ddt += dvalue / 2 * count * (C_tilde(n) * system.B(n)).real();
      dC_tilde(n) += dt / 2 * dvalue * count * std::conj(system.B(n));
      dsystem.B(n) += dt / 2 * dvalue * count * std::conj(C_tilde(n));
    }
  }
}

/// Impulse response of a DPLR system by S4's algorithm: truncated generating function, Cauchy sums, Woodbury, inverse
/// FFT.
///
///     K_k = C A_bar^k B_bar,   0 <= k < length,   A_bar and B_bar the bilinear discretization at dt
///
/// S4, arXiv:2111.00396, Algorithm 1. Works in fp64 whatever T is: the result is what is rounded.
///
/// @param system   continuous system, M modes, rank R
/// @param dt       time step                        s, > 0
/// @param length   L                                >= 0, any: the transform takes the next fast length
/// @return         K (L), equal to krylov of the dense system to 1e-10 of its peak (1e-5 for float)
/// @throws         ShapeError if the sizes disagree; DomainError if dt is not positive and finite or the length
/// negative
/// @note           O(N R^2 L + L log L + N^3 log L) time, O(N^2 + L) memory
template <class T, fft::Backend<double> Backend = fft::EigenBackend>
Vector<T> generating_function(const DplrSystem<T>& system, T dt, Index length) {
  ssm::detail::require_at_least("length of the kernel", 0, length);
  const DplrSystem<double> wide{system.states,
                                system.Lambda.template cast<Complex<double>>(),
                                system.P.template cast<Complex<double>>(),
                                system.B.template cast<Complex<double>>(),
                                system.C.template cast<Complex<double>>(),
                                system.Q.template cast<Complex<double>>()};
  const auto step = static_cast<double>(dt);
  const DiscreteDplrSystem<double> discrete = discretize(Bilinear{}, wide, step);
  if (length == 0) return Vector<T>(0);
  const Circle circle{fft::fast_length(length)};
  std::vector<Complex<double>> spectrum(static_cast<std::size_t>(circle.length / 2 + 1));
  generating_function(wide, truncated_output(discrete, circle), step, circle, spectrum);
  std::vector<double> samples(static_cast<std::size_t>(circle.length));
  typename Backend::template Plan<double> plan(circle.length);
  plan.inverse(spectrum, samples);
  Vector<T> K(length);
  const double growth = std::log(circle.damping) / static_cast<double>(circle.length);
  for (Index k = 0; k < length; ++k)
    K(k) = static_cast<T>(samples[static_cast<std::size_t>(k)] * std::exp(-growth * static_cast<double>(k)));
  return K;
}

/// Its vector-Jacobian product: FFT, Woodbury, Cauchy sums and the truncated output in reverse.
/// @param system    continuous system, M modes, rank R
/// @param dt        time step                                 s, > 0
/// @param dK        cotangent of the kernel                   (L)
/// @param dsystem   += cotangents of Lambda, P, Q where the system has one, B and C
/// @param ddt       += cotangent of dt
/// @throws          ShapeError if the sizes disagree; DomainError if dt is not positive and finite
/// @note            O(N R^2 L + L log L + N^3 log L) time, O(N^2 log L + L) memory
template <fft::Backend<double> Backend = fft::EigenBackend, Fp64 S>
void generating_function_vjp(const DplrSystem<S>& system, double dt, const Vector<double>& dK, DplrSystem<S>& dsystem,
                             double& ddt) {
  const DiscreteDplrSystem<S> discrete = discretize(Bilinear{}, system, dt);
  dsystem.check();
  ssm::detail::require_size("modes of the cotangent", system.modes(), dsystem.modes());
  ssm::detail::require_size("rank of the cotangent", system.rank(), dsystem.rank());
  ssm::detail::require_size("rows of the cotangent of Q", system.Q.rows(), dsystem.Q.rows());
  if (dK.size() == 0) return;
  const Circle circle{fft::fast_length(dK.size())};
  std::vector<double> samples(static_cast<std::size_t>(circle.length));
  const double growth = std::log(circle.damping) / static_cast<double>(circle.length);
  for (Index k = 0; k < dK.size(); ++k)
    samples[static_cast<std::size_t>(k)] =
        dK(k) * std::exp(-growth * static_cast<double>(k)) / static_cast<double>(circle.length);
  std::vector<Complex<double>> dspectrum(static_cast<std::size_t>(circle.length / 2 + 1));
  typename Backend::template Plan<double>(circle.length).forward(samples, dspectrum);
  for (std::size_t j = 1; 2 * j < samples.size(); ++j) dspectrum[j] *= 2;  // each stands for its conjugate too
  const RowVector<Complex<S>> C_tilde = truncated_output(discrete, circle);
  RowVector<Complex<S>> dC_tilde = RowVector<Complex<S>>::Zero(system.modes());
  generating_function_vjp(system, C_tilde, dt, circle, dspectrum, dsystem, dC_tilde, ddt);
  DiscreteDplrSystem<S> ddiscrete = discrete.zeros();
  truncated_output_vjp(discrete, circle, dC_tilde, ddiscrete);
  discretize_vjp(Bilinear{}, system, dt, ddiscrete, dsystem, ddt);
}

}  // namespace ssm::kernel
