#pragma once

#include "ssm/import/s4_source.hpp"

/// The kernels of state-spaces/s4 as its versions store them.
namespace ssm::io::detail {

/// The functions by which state-spaces/s4 keeps numbers positive.
inline const std::vector<std::string> positive_functions{"exp", "softplus", "relu", "sigmoid", "none"};
/// The value of one of them.
/// @param floor   what relu adds
inline double positive(std::size_t which, double x, double floor = 1e-4) {
  switch (which) {
    case 0:
      return std::exp(x);
    case 1:
      return x > 30 ? x : std::log1p(std::exp(x));
    case 2:
      return std::max(x, 0.0) + floor;
    case 3:
      return 1 / (1 + std::exp(-x));
    default:
      return x;
  }
}
/// Sizes that an array of two must have: (S, M), S a divisor of the features.
inline void take_sizes(SourceArrays& arrays, const std::string& name, const Configuration& told, S4Arrays& made,
                       Index states_of_mode = 2) {
  const auto& shape = arrays.shape(name, {2, 3});
  made.sets = shape[0];
  made.modes = shape[1];
  arrays.agree(told, "n_ssm", made.sets);
  arrays.agree(told, "d_model", made.features);
  arrays.agree(told, "d_state", states_of_mode * made.modes);
  if (made.sets < 1 || made.features % made.sets != 0)
    throw FormatError(ssm::detail::message(name, ": expected a first size that divides the ", made.features,
                                           " features, got ", made.sets));
}

/// Version 4: `kernel.*` and `D`.
/// @param name     before "kernel." and "D"
/// @param copies   Ch
inline S4Arrays s4v4_arrays(SourceArrays& arrays, const std::string& name, const Configuration& told, Index copies) {
  const std::string kernel = name + "kernel.";
  S4Arrays made;
  made.copies = copies;
  made.both = told.yes_or("bidirectional", false);
  made.low_rank = told.word_or("mode", {"dplr", "nplr", "diag"}, "dplr") != 2;
  const bool real = told.yes_or("is_real", false), fast = told.yes_or("dt_fast", false);
  if (made.low_rank && real) throw FormatError("configuration 'is_real': expected false of mode dplr, got true");
  const std::size_t of_dt = told.word_or("dt_transform", positive_functions, "exp"),
                    of_real = told.word_or("real_transform", positive_functions, "exp"),
                    of_imag = told.word_or("imag_transform", positive_functions, "none");
  const auto& steps = arrays.shape(kernel + "inv_dt", {2});
  made.features = steps[0];
  take_sizes(arrays, kernel + "A_real", told, made, real ? 1 : 2);
  const Index H = made.features, S = made.sets, M = made.modes;
  if (steps[1] != 1 && steps[1] != M)
    throw FormatError(
        ssm::detail::message(kernel, "inv_dt: expected one number a feature, or one a mode, ", M, ", got ", steps[1]));
  for (const double x : arrays.reals(kernel + "inv_dt", steps))
    made.dt.push_back(positive(of_dt, fast ? std::sinh(x) : x));
  const auto A_real = arrays.reals(kernel + "A_real", {S, M});
  const auto A_imag = real ? std::vector<double>(A_real.size()) : arrays.reals(kernel + "A_imag", {S, M});
  for (std::size_t i = 0; i < A_real.size(); ++i)
    made.poles.emplace_back(-positive(of_real, A_real[i]), real           ? 0
                                                           : of_imag == 4 ? -A_imag[i]
                                                                          : -positive(of_imag, A_imag[i]));
  const auto complexes = [&](const char* of, const std::vector<Index>& shape) {
    if (!real) return arrays.complexes(kernel + of, shape);
    std::vector<Complex<double>> all;
    for (const double x : arrays.reals(kernel + of, shape)) all.emplace_back(x);
    return all;
  };
  made.B = complexes("B", {1, S, M});
  made.C = complexes("C", {(made.both ? 2 : 1) * copies, H, M});
  made.D = arrays.reals(name + "D", {copies, H});
  if (made.low_rank) {
    made.rank = arrays.shape(kernel + "P", {4, 3})[0];
    made.P = arrays.complexes(kernel + "P", {made.rank, S, M});
    made.undone = arrays.one_number(kernel + "l_kernel");
  }
  if (told.word_or("disc", {"zoh", "bilinear"}, made.low_rank ? "bilinear" : "zoh") == 1)
    made.discretization = Bilinear{};
  else if (made.low_rank)
    throw FormatError("configuration 'disc': expected bilinear of mode dplr, got zoh");
  if (told.has("bandlimit") && !told.none("bandlimit")) made.bandlimit = told.number("bandlimit");
  return made;
}

/// Reads what versions 2 and 3 have in common: D, `kernel.kernel.log_dt` and C, and the sizes.
/// @param poles   the array that has a row for every set, and a number for every mode
inline S4Arrays older_arrays(SourceArrays& arrays, const std::string& name, const Configuration& told, Index copies,
                             const std::string& poles) {
  const std::string kernel = name + "kernel.kernel.";
  S4Arrays made;
  made.copies = copies;
  made.both = told.yes_or("bidirectional", false);
  const auto& steps = arrays.shape(kernel + "log_dt", {1});
  made.features = steps[0];
  take_sizes(arrays, kernel + poles, told, made);
  for (const double x : arrays.reals(kernel + "log_dt", steps)) made.dt.push_back(std::exp(x));
  made.C = arrays.complexes(kernel + "C", {(made.both ? 2 : 1) * copies, made.features, made.modes});
  made.D = arrays.reals(name + "D", {copies, made.features});
  return made;
}

/// Version 3: `kernel.kernel.*` and `D`; eigenvalues are -f(inv_w_real) + i w_imag, f being `real_type`.
inline S4Arrays s4v3_arrays(SourceArrays& arrays, const std::string& name, const Configuration& told, Index copies) {
  const std::string kernel = name + "kernel.kernel.";
  const bool low_rank = told.word_or("mode", {"nplr", "diag"}, "nplr") == 0;
  const std::string real = low_rank ? "inv_w_real" : "inv_A_real", imaginary = low_rank ? "w_imag" : "A_imag";
  const std::size_t of_real = told.word_or("real_type", positive_functions, "exp");
  S4Arrays made = older_arrays(arrays, name, told, copies, real);
  const Index S = made.sets, M = made.modes;
  made.low_rank = low_rank;
  const auto re = arrays.reals(kernel + real, {S, M}), im = arrays.reals(kernel + imaginary, {S, M});
  for (std::size_t i = 0; i < re.size(); ++i)
    made.poles.emplace_back(-positive(of_real, re[i], low_rank ? 0 : 1e-4), im[i]);
  if (low_rank) {
    made.rank = arrays.shape(kernel + "P", {4, 3})[0];
    made.P = arrays.complexes(kernel + "P", {made.rank, S, M});
    made.B = arrays.complexes(kernel + "B", {1, S, M});
    made.undone = arrays.one_number(kernel + "L");
  } else {
    made.B = arrays.complexes(kernel + "B", {S, M});
    static_cast<void>(arrays.complexes(kernel + "A", {S, M}));
    arrays.leave(kernel + "A");  // where training began
    if (told.word_or("disc", {"bilinear", "zoh"}, "bilinear") == 0) made.discretization = Bilinear{};
  }
  return made;
}

/// Length of the kernel that a buffer of version 2 was made for: its second number is exp(-2 pi i / L).
/// @throws FormatError if L is odd, for which that version's kernel is not the system's
inline double length_of_nodes(SourceArrays& arrays, const std::string& name) {
  const Index nodes = arrays.shape(name, {2, 1})[0];
  const auto omega = arrays.complexes(name, {nodes});
  if (!arrays.good()) return 0;
  if (nodes < 2) throw FormatError(ssm::detail::message(name, ": expected at least 2 nodes, got ", nodes));
  const double length = std::round(2 * std::numbers::pi / std::abs(std::arg(omega[1])));
  if (static_cast<double>(nodes) != std::floor(length / 2) + 1)
    throw FormatError(ssm::detail::message(name, ": expected ", std::floor(length / 2) + 1, " nodes of a kernel of ",
                                           length, " steps, got ", nodes));
  if (std::fmod(length, 2) != 0)
    throw FormatError(ssm::detail::message(name, ": expected an even length, got ", length,
                                           ": version 2's kernel of an odd length is not that of its system"));
  return length;
}
/// Version 2, its standalone file and forks of it (SSSD): `kernel.kernel.*` and `D`; eigenvalues are
/// -exp(log_w_real) + i w_imag, or `w`, where Q has numbers of its own.
inline S4Arrays s4v2_arrays(SourceArrays& arrays, const std::string& name, const Configuration& told, Index copies) {
  if (told.yes_or("fallback_sum", false))
    throw FormatError(
        "configuration 'fallback_sum': expected false, got true: a kernel that was summed over half of "
        "the modes is not that of any system");
  const std::string kernel = name + "kernel.kernel.";
  const bool tied = arrays.has(kernel + "log_w_real");
  S4Arrays made = older_arrays(arrays, name, told, copies, tied ? "log_w_real" : "w");
  const Index S = made.sets, M = made.modes;
  made.low_rank = true;
  if (tied) {
    const auto re = arrays.reals(kernel + "log_w_real", {S, M}), im = arrays.reals(kernel + "w_imag", {S, M});
    for (std::size_t i = 0; i < re.size(); ++i) made.poles.emplace_back(-std::exp(re[i]), im[i]);
  } else {
    made.poles = arrays.complexes(kernel + "w", {S, M});
  }
  made.rank = arrays.shape(kernel + "P", {4, 3})[0];
  made.B = arrays.complexes(kernel + "B", {1, S, M});
  made.P = arrays.complexes(kernel + "P", {made.rank, S, M});
  if (!tied)  // there A = diag w - P Q^T
    for (const auto& value : arrays.complexes(kernel + "Q", {made.rank, S, M})) made.Q.push_back(std::conj(value));
  made.undone = length_of_nodes(arrays, kernel + "omega");
  arrays.leave(kernel + "z");  // made from omega
  return made;
}

}  // namespace ssm::io::detail
