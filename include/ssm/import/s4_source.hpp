#pragma once

#include "ssm/import/imported.hpp"
#include "ssm/import/truncation.hpp"
#include "ssm/layer/any_layer.hpp"
#include "ssm/layer/bidirectional.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"

/// An S4 or S4D of another project, in fp64, and what it is in this library.
namespace ssm::io::detail {

/// Systems of M stored modes, one for each copy c and feature h, in the order c H + h.
struct S4Source {
  Index features = 0;                                     ///< H times copies
  Index modes = 0;                                        ///< M
  std::vector<Vector<Complex<double>>> Lambda, B;         ///< of each set; feature f uses set f mod sets        (M)
  std::vector<Matrix<Complex<double>>> P;                 ///< of each set, where there is a low-rank part       (M, R)
  std::vector<Matrix<Complex<double>>> Q;                 ///< of each set, where it is not P                    (M, R)
  std::vector<RowVector<Complex<double>>> C, C_backward;  ///< of each feature                                   (M)
  std::vector<double> D, dt;                              ///< of each feature
  ModalDiscretization discretization;                     ///< of S4D

  /// Q of a set, or P where they are one.
  const Matrix<Complex<double>>& right(std::size_t set) const { return Q.empty() ? P[set] : Q[set]; }
};

/// Returns its parameters in this library, for one direction.
template <class Parameters>
Parameters s4_parameters(const S4Source& source, bool backward) {
  using T = typename Parameters::Scalar;
  constexpr bool low_rank = requires(Parameters p) { p.P; };
  double bound = 0;  // that real parts stay below
  if (!source.Q.empty())
    for (const auto& Lambda : source.Lambda) bound = std::max(bound, 2 * Lambda.real().maxCoeff());
  const Index sets = std::ssize(source.Lambda), M = source.modes;
  Parameters made = [&] {
    if constexpr (low_rank)
      return Parameters(source.features, 2 * M, source.P.front().cols(), sets);
    else
      return Parameters(source.features, 2 * M, sets);
  }();
  if constexpr (low_rank) {
    if (!source.Q.empty()) made.Q = made.P;
    made.A_re_max = static_cast<T>(bound);
    bound = static_cast<double>(made.A_re_max);
  } else {
    made.discretization = source.discretization;
  }
  for (Index set = 0; set < sets; ++set)
    for (Index n = 0; n < M; ++n) {
      const auto i = static_cast<std::size_t>(set);
      const Complex<double> pole = source.Lambda[i](n);
      if (!(pole.real() < bound))
        throw FormatError(ssm::detail::message("eigenvalue ", n, " of set ", set,
                                               ": expected a negative real part, got ", pole.real()));
      made.A_re_log(set, n) = static_cast<T>(std::log(bound - pole.real()));
      made.A_im(set, n) = static_cast<T>(pole.imag());
      made.B(set, n) = Complex<T>(source.B[i](n));
      if constexpr (low_rank)
        for (Index r = 0; r < source.P[i].cols(); ++r) {
          made.P(set, n, r) = Complex<T>(source.P[i](n, r));
          if (!source.Q.empty()) made.Q(set, n, r) = Complex<T>(source.Q[i](n, r));
        }
    }
  for (Index f = 0; f < source.features; ++f) {
    const auto i = static_cast<std::size_t>(f);
    for (Index n = 0; n < M; ++n) made.C(f, n) = Complex<T>((backward ? source.C_backward : source.C)[i](n));
    if (!backward) made.D(f) = static_cast<T>(source.D[i]);  // once for both directions
    made.log_dt(f) = static_cast<T>(std::log(source.dt[i]));
  }
  return made;
}
/// Returns its parameters in this library, for both directions where it has them: the backward one a step late.
template <Real T>
AnyParameters<T> any_s4(const S4Source& source) {
  const auto made = [&]<class Layer>(std::type_identity<Layer>) {
    using Parameters = typename Layer::Parameters;
    if (source.C_backward.empty())
      return AnyParameters<T>::template of<Layer>(s4_parameters<Parameters>(source, false));
    using Both = ShiftedBidirectional<Layer>;
    return AnyParameters<T>::template of<Both>(
        {s4_parameters<Parameters>(source, false), s4_parameters<Parameters>(source, true)});
  };
  return source.P.empty() ? made(std::type_identity<S4D<T>>()) : made(std::type_identity<S4<T>>());
}

/// Returns two sources of the same modes as one: the features of a, then those of b; in each of `parts` where outputs
/// are gated by halves. Every feature has a set of its own.
inline S4Source beside(const S4Source& a, const S4Source& b, Index parts) {
  if (a.modes != b.modes || a.P.empty() != b.P.empty() || a.C_backward.empty() != b.C_backward.empty() ||
      a.discretization.index() != b.discretization.index())
    throw FormatError("two layers of one block: expected the same kind and states, got others");
  S4Source both;
  both.features = a.features + b.features;
  both.modes = a.modes;
  both.discretization = a.discretization;
  const bool free = !a.Q.empty() || !b.Q.empty();
  const auto add = [&](const S4Source& from, Index f) {
    const auto i = static_cast<std::size_t>(f), set = i % from.Lambda.size();
    both.Lambda.push_back(from.Lambda[set]);
    both.B.push_back(from.B[set]);
    if (!from.P.empty()) both.P.push_back(from.P[set]);
    if (free) both.Q.push_back(from.right(set));
    both.C.push_back(from.C[i]);
    if (!from.C_backward.empty()) both.C_backward.push_back(from.C_backward[i]);
    both.D.push_back(from.D[i]);
    both.dt.push_back(from.dt[i]);
  };
  for (Index part = 0; part < parts; ++part)
    for (const S4Source* from : {&a, &b})
      for (Index f = part * from->features / parts; f < (part + 1) * from->features / parts; ++f) add(*from, f);
  return both;
}

/// The arrays of a kernel as state-spaces/s4 has them, of any of its versions.
struct S4Arrays {
  Index features = 0;                     ///< H
  Index copies = 1;                       ///< Ch, of one direction
  Index sets = 0;                         ///< S; feature h uses set h mod S
  Index modes = 0;                        ///< M
  Index rank = 0;                         ///< R
  bool low_rank = false;                  ///< whether there is a low-rank part
  bool both = false;                      ///< whether C is of two directions
  std::vector<Complex<double>> poles, B;  ///< (S, M)
  std::vector<Complex<double>> P, Q;      ///< (R, S, M); A = diag - P Q*; no Q: it is P
  std::vector<Complex<double>> C;         ///< (1 or 2 times Ch, H, M)
  std::vector<double> D;                  ///< (Ch, H)
  std::vector<double> dt;                 ///< (H), or (H, M): one of every mode
  double undone = 0;                      ///< length whose end is missing in C
  std::optional<double> bandlimit = {};   ///< frequencies from half of it on are silent
  ModalDiscretization discretization;     ///< of a diagonal kernel

  /// Whether every mode has a time step of its own.
  bool step_per_mode() const noexcept { return std::ssize(dt) > features; }
  /// The time step of a mode.
  double step(Index h, Index n) const { return dt[static_cast<std::size_t>(step_per_mode() ? h * modes + n : h)]; }
};

/// Returns its systems. A time step of every mode goes into the numbers of the mode: then each feature has a set of its
/// own, and a step of 1. The end of a kernel that is missing in C is put back, in fp64.
/// @param good     whether the numbers are those of a file; where others stand in for them, nothing is put back
/// @param name     of the arrays, for the report
/// @param report   what was folded is added
inline S4Source s4_source(const S4Arrays& from, bool good, const std::string& name, Report& report) {
  const auto at = [](auto i) { return static_cast<std::size_t>(i); };
  const bool fold = from.step_per_mode();
  const Index H = from.features, M = from.modes, sets = fold ? H : from.sets;
  S4Source made;
  made.features = from.copies * H;
  made.modes = M;
  made.discretization = from.discretization;
  for (Index set = 0; set < sets; ++set) {
    const Index stored = set % from.sets;
    Vector<Complex<double>> Lambda(M), B(M);
    Matrix<Complex<double>> P(M, from.rank), Q(M, from.rank);
    for (Index n = 0; n < M; ++n) {
      const double dt = fold ? from.step(set, n) : 1, root = from.low_rank ? std::sqrt(dt) : dt;
      Lambda(n) = dt * from.poles[at(stored * M + n)];
      B(n) = root * from.B[at(stored * M + n)];
      for (Index r = 0; r < from.rank; ++r) {
        P(n, r) = root * from.P[at((r * from.sets + stored) * M + n)];
        if (!from.Q.empty()) Q(n, r) = root * from.Q[at((r * from.sets + stored) * M + n)];
      }
    }
    made.Lambda.push_back(Lambda);
    made.B.push_back(B);
    if (from.low_rank) made.P.push_back(P);
    if (!from.Q.empty()) made.Q.push_back(Q);
  }
  double worst = 1;
  for (Index half = 0; half < (from.both ? 2 : 1); ++half)
    for (Index c = 0; c < from.copies; ++c)
      for (Index h = 0; h < H; ++h) {
        RowVector<Complex<double>> C(M);
        for (Index n = 0; n < M; ++n) {
          const double dt = from.step(h, n);
          const double turns = dt * std::abs(from.poles[at(h % from.sets * M + n)].imag()) / (2 * std::numbers::pi);
          C(n) = from.C[at(((half * from.copies + c) * H + h) * M + n)];
          if (fold && from.low_rank) C(n) *= std::sqrt(dt);
          if (from.bandlimit && !(turns < *from.bandlimit / 2)) C(n) = 0;
        }
        const double dt = fold ? 1 : from.step(h, 0);
        if (from.undone > 0 && good) {
          const auto set = at(h % sets);
          const auto restored = truncation_of_pairs_undone(
              AllModes<double>::of_pairs(made.Lambda[set], made.P[set], made.right(set)), C, dt, from.undone);
          C = restored.C;
          worst = std::min(worst, restored.condition);
        }
        (half == 0 ? made.C : made.C_backward).push_back(C);
        if (half > 0) continue;
        made.dt.push_back(dt);
        made.D.push_back(from.D[at(c * H + h)]);
      }
  if (from.undone > 0)
    report.folded.push_back(ssm::detail::message(name, "C: the end of a kernel of ", from.undone,
                                                 " steps is put back (reciprocal condition ", worst, " or better)"));
  if (fold) report.folded.push_back(name + "inv_dt: a step for every mode, in the numbers of the mode");
  if (from.bandlimit)
    report.folded.push_back(ssm::detail::message(name, "C: 0 from the band limit ", *from.bandlimit, " on"));
  return made;
}

}  // namespace ssm::io::detail
