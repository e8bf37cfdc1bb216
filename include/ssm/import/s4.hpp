#pragma once

#include "ssm/import/imported.hpp"
#include "ssm/import/torch.hpp"
#include "ssm/import/truncation.hpp"
#include "ssm/layer/any_layer.hpp"
#include "ssm/layer/bidirectional.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/nn/stack.hpp"

namespace ssm::io {

namespace detail {

/// An S4 or S4D of another project in fp64: systems of M stored modes, one for each copy c and feature h, in the order
/// c H + h.
struct S4Source {
  Index features = 0;                                     ///< H times copies
  Index modes = 0;                                        ///< M
  std::vector<Vector<Complex<double>>> Lambda, B;         ///< of each set; feature f uses set f mod sets     (M)
  std::vector<Matrix<Complex<double>>> P;                 ///< of each set, where there is a low-rank part    (M, R)
  std::vector<RowVector<Complex<double>>> C, C_backward;  ///< of each feature                                (M)
  std::vector<double> D, dt;                              ///< of each feature
  ModalDiscretization discretization;                     ///< of S4D
};

/// Returns its parameters in this library, for one direction.
template <class Parameters>
Parameters s4_parameters(const S4Source& source, bool backward) {
  using T = typename Parameters::Scalar;
  const Index sets = std::ssize(source.Lambda), M = source.modes;
  Parameters made = [&] {
    if constexpr (requires(Parameters p) { p.P; })
      return Parameters(source.features, 2 * M, source.P.front().cols(), sets);
    else
      return Parameters(source.features, 2 * M, sets);
  }();
  if constexpr (!requires(Parameters p) { p.P; }) made.discretization = source.discretization;
  for (Index set = 0; set < sets; ++set)
    for (Index n = 0; n < M; ++n) {
      const auto i = static_cast<std::size_t>(set);
      const Complex<double> pole = source.Lambda[i](n);
      if (!(pole.real() < 0))
        throw FormatError(ssm::detail::message("eigenvalue ", n, " of set ", set,
                                               ": expected a negative real part, got ", pole.real()));
      made.A_re_log(set, n) = static_cast<T>(std::log(-pole.real()));
      made.A_im(set, n) = static_cast<T>(pole.imag());
      made.B(set, n) = Complex<T>(source.B[i](n));
      if constexpr (requires(Parameters p) { p.P; })
        for (Index r = 0; r < source.P[i].cols(); ++r) made.P(set, n, r) = Complex<T>(source.P[i](n, r));
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

/// The functions by which state-spaces/s4 keeps numbers positive.
inline double positive(std::size_t transform, double x) {
  switch (transform) {
    case 0:
      return std::exp(x);
    case 1:
      return x > 30 ? x : std::log1p(std::exp(x));
    case 2:
      return std::max(x, 0.0) + 1e-4;
    case 3:
      return 1 / (1 + std::exp(-x));
    default:
      return x;
  }
}

/// The kernel of an S4Block: `layer.kernel.*` and `layer.D`.
/// @param name   before "kernel." and "D"
inline S4Source s4_block_source(SourceArrays& arrays, const std::string& name, const Configuration& told, Index copies,
                                bool both) {
  const std::string kernel = name + "kernel.";
  const bool low_rank = told.word_or("mode", {"dplr", "diag"}, "dplr") == 0, real = told.yes_or("is_real", false);
  if (low_rank && real) throw FormatError("configuration 'is_real': expected false of mode dplr, got true");
  const std::vector<std::string> transforms{"exp", "softplus", "relu", "sigmoid", "none"};  // as `positive` has them
  const std::size_t of_dt = told.word_or("dt_transform", transforms, "exp"),
                    of_real = told.word_or("real_transform", transforms, "exp"),
                    of_imag = told.word_or("imag_transform", transforms, "none");
  const bool fast = told.yes_or("dt_fast", false);
  const auto &A_shape = arrays.shape(kernel + "A_real"), &dt_shape = arrays.shape(kernel + "inv_dt");
  if (A_shape.size() != 2 || dt_shape.size() != 2)
    throw FormatError(kernel + "A_real, inv_dt: expected two sizes each, got " + text(A_shape) + " and " +
                      text(dt_shape));
  const Index sets = A_shape[0], M = A_shape[1], H = dt_shape[0], each = dt_shape[1];
  if (sets < 1 || H % sets != 0)
    throw FormatError(ssm::detail::message(kernel, "A_real: expected a divisor of the ", H, " features, got ", sets));
  const auto A_real = arrays.reals(kernel + "A_real", {sets, M}), inv_dt = arrays.reals(kernel + "inv_dt", {H, each});
  const auto A_imag = real ? std::vector<double>(A_real.size()) : arrays.reals(kernel + "A_imag", {sets, M});
  if (each != 1 && each != M)
    throw FormatError(
        ssm::detail::message(kernel, "inv_dt: expected one number a feature, or one a mode, ", M, ", got ", each));
  const auto numbers_of = [&](const std::string& of, std::vector<Index> shape) {
    if (!real) return arrays.complexes(kernel + of, shape);
    std::vector<Complex<double>> all;
    for (const double x : arrays.reals(kernel + of, shape)) all.emplace_back(x);
    return all;
  };
  const auto B = numbers_of("B", {1, sets, M});
  const Index halves = both ? 2 : 1;
  const auto C = numbers_of("C", {halves * copies, H, M});
  const auto D = arrays.reals(name + "D", {copies, H});
  std::vector<Complex<double>> P;
  Index rank = 0;
  double undone = 0;  // length whose end was folded into C
  if (low_rank) {
    const auto& shape = arrays.shape(kernel + "P");
    rank = shape.empty() ? 0 : shape[0];
    P = arrays.complexes(kernel + "P", {rank, sets, M});
    undone = arrays.one_number(kernel + "l_kernel");
  }
  const double band = told.has("bandlimit") ? told.number("bandlimit") : 0;
  const bool fold = each == M && M > 1;
  S4Source made;
  made.features = copies * H;
  made.modes = M;
  const std::size_t disc = told.word_or("disc", {"zoh", "bilinear"}, low_rank ? "bilinear" : "zoh");
  if (disc == 1) made.discretization = Bilinear{};
  const auto at = [](auto i) { return static_cast<std::size_t>(i); };
  const auto step = [&](Index h, Index n) {
    const double x = inv_dt[at(h * each + (each == 1 ? 0 : n))];
    return positive(of_dt, fast ? std::sinh(x) : x);
  };
  const auto pole = [&](Index set, Index n) {
    const std::size_t i = at(set * M + n);
    return Complex<double>(-positive(of_real, A_real[i]), real           ? 0
                                                          : of_imag == 4 ? -A_imag[i]
                                                                         : -positive(of_imag, A_imag[i]));
  };
  // a step for every mode goes into the numbers themselves: then each feature has a set of its own, and a step of 1
  const Index kept_sets = fold ? H : sets;
  for (Index set = 0; set < kept_sets; ++set) {
    Vector<Complex<double>> Lambda(M), input(M);
    Matrix<Complex<double>> factor(M, rank);
    for (Index n = 0; n < M; ++n) {
      const Index from = set % sets;
      const double dt = fold ? step(set, n) : 1, root = low_rank ? std::sqrt(dt) : dt;
      Lambda(n) = dt * pole(from, n);
      input(n) = root * B[at(from * M + n)];
      for (Index r = 0; r < rank; ++r) factor(n, r) = root * P[at((r * sets + from) * M + n)];
    }
    made.Lambda.push_back(Lambda);
    made.B.push_back(input);
    if (low_rank) made.P.push_back(factor);
  }
  for (Index half = 0; half < halves; ++half)
    for (Index c = 0; c < copies; ++c)
      for (Index h = 0; h < H; ++h) {
        RowVector<Complex<double>> row(M);
        for (Index n = 0; n < M; ++n) {
          const double dt = step(h, n), turns = dt * std::abs(pole(h % sets, n).imag()) / (2 * std::numbers::pi);
          row(n) = C[at(((half * copies + c) * H + h) * M + n)];
          if (fold && low_rank) row(n) *= std::sqrt(dt);
          if (told.has("bandlimit") && !(turns < band / 2)) row(n) = 0;
        }
        const double dt = fold ? 1 : step(h, 0);
        if (undone > 0) {
          const auto set = at(h % kept_sets);
          row = truncation_of_pairs_undone(made.Lambda[set], made.P[set], row, dt, undone);
        }
        (half == 0 ? made.C : made.C_backward).push_back(row);
        if (half > 0) continue;
        made.dt.push_back(dt);
        made.D.push_back(D[at(c * H + h)]);
      }
  return made;
}

/// An S4Block as a block without a norm and without a residual: `layer.*` and `output_linear.*`.
template <Real T>
nn::BlockParameters<AnyLayer<T>> s4_block(SourceArrays& arrays, const std::string& name, const Configuration& told) {
  using nn::Activation, nn::Mixing;
  const std::size_t activation = told.word_or(
      "activation", {"id", "gelu", "tanh_gelu", "relu", "silu", "tanh", "sigmoid", "softplus", "glu", "swish"}, "gelu");
  const bool halves = activation == 8;
  const Index channels = told.has("channels") ? static_cast<Index>(told.number("channels")) : 1;
  if (channels < 1)
    throw FormatError(ssm::detail::message("configuration 'channels': expected at least 1, got ", channels));
  for (const char* name_of_gate : {"gate", "bottleneck"})
    if (told.has(name_of_gate) && !told.none(name_of_gate))
      throw FormatError(std::string("configuration '") + name_of_gate +
                        "': expected none: the project's own code cannot make such weights");
  const Index copies = halves ? 2 * channels : channels;
  nn::BlockParameters<AnyLayer<T>> made;
  const S4Source source = s4_block_source(arrays, name + "layer.", told, copies, told.yes_or("bidirectional", false));
  const Index H = source.features / copies;
  made.ssm = any_s4<T>(source);
  made.shape = {.norm = nn::NormKind::none,
                .residual = nn::Residual::none,
                .channels = copies,
                .activation = std::array{Activation::identity, Activation::gelu, Activation::tanh_gelu,
                                         Activation::relu, Activation::silu, Activation::tanh, Activation::sigmoid,
                                         Activation::softplus, Activation::glu, Activation::silu}[activation],
                .mixing = Mixing::none};
  const std::size_t last =
      told.none("final_act") ? 0 : 1 + told.word_or("final_act", {"glu", "id", "gelu", "relu", "silu"}, "glu");
  if (last == 0) return made;
  made.shape.mixing = last == 1 ? Mixing::glu : Mixing::linear;
  if (last > 2) made.shape.gate = std::array{Activation::gelu, Activation::relu, Activation::silu}[last - 3];
  made.mix = torch_linear<T>(arrays, name + "output_linear.0", channels * H, last == 1 ? 2 * H : H);
  if (told.yes_or("swap_channels", false)) {  // there the channel is fastest, here the feature
    const nn::Linear<T> given = made.mix;
    for (Index o = 0; o < given.outputs(); ++o)
      for (Index c = 0; c < channels; ++c)
        for (Index h = 0; h < H; ++h) made.mix.W(o, c * H + h) = given.W(o, h * channels + c);
  }
  return made;
}
/// The minimal S4D of models/s4/s4d.py: `kernel.*`, `D`, `output_linear.0.*`.
template <Real T>
nn::BlockParameters<AnyLayer<T>> minimal_s4d(SourceArrays& arrays, const std::string& name) {
  const auto& shape = arrays.shape(name + "kernel.log_A_real");
  if (shape.size() != 2) throw FormatError(name + "kernel.log_A_real: expected two sizes, got " + text(shape));
  const Index H = shape[0], M = shape[1];
  const auto re = arrays.reals(name + "kernel.log_A_real", {H, M}), im = arrays.reals(name + "kernel.A_imag", {H, M});
  const auto C = arrays.complexes(name + "kernel.C", {H, M});
  S4Source source;
  source.features = H;
  source.modes = M;
  source.D = arrays.reals(name + "D", {H});
  for (const double x : arrays.reals(name + "kernel.log_dt", {H})) source.dt.push_back(std::exp(x));
  for (Index h = 0; h < H; ++h) {
    Vector<Complex<double>> Lambda(M);
    RowVector<Complex<double>> row(M);
    for (Index n = 0; n < M; ++n) {
      const auto i = static_cast<std::size_t>(h * M + n);
      Lambda(n) = {-std::exp(re[i]), im[i]};
      row(n) = C[i];
      if (!std::isfinite(Lambda(n).real()))
        throw FormatError(
            ssm::detail::message(name, "kernel.log_A_real: expected numbers whose exponential is finite, got ", re[i]));
    }
    source.Lambda.push_back(Lambda);
    source.B.push_back(Vector<Complex<double>>::Ones(M));
    source.C.push_back(row);
  }
  nn::BlockParameters<AnyLayer<T>> made;
  made.ssm = any_s4<T>(source);
  made.shape = {.norm = nn::NormKind::none, .residual = nn::Residual::none};
  made.mix = torch_linear<T>(arrays, name + "output_linear.0", H, 2 * H);
  return made;
}

/// A model of one block whose input and output are features.
template <Real T>
Imported<nn::Stack<AnyLayer<T>>> of_one_block(nn::BlockParameters<AnyLayer<T>> block, const SourceArrays& arrays,
                                              const Configuration& told, Index H) {
  arrays.require_none_left([](const std::string& name) { return name.starts_with("io."); });
  nn::StackParameters<AnyLayer<T>> weights;
  auto& shape = weights.shape;
  shape.inputs = shape.features = shape.outputs = H;
  shape.layers = 1;
  shape.pool = nn::Pool::none;
  shape.encoder = nn::Encoder::none;
  shape.decoder = false;
  shape.block = block.shape;
  weights.blocks.push_back(std::move(block));
  return {nn::Stack<AnyLayer<T>>(std::move(weights)), {arrays.read(), {}, told.asked()}};
}

}  // namespace detail

/// state-spaces/s4, version 4: the state dict of an S4Block (models/s4/s4.py), of the kernels SSMKernelDPLR and
/// SSMKernelDiag. It becomes a model of one block without a norm and a residual, whose input and output are features.
///
/// The configuration's names are those of its constructor; what is not told has the project's default there, and the
/// report says so: `mode` dplr, `activation` gelu, `final_act` glu (null: no linear map at all), `disc`, `dt_transform`
/// exp, `real_transform` exp, `imag_transform` none, `dt_fast`, `is_real`, `bidirectional`, `channels` 1,
/// `swap_channels`, `bandlimit`. A low-rank C is stored with the end of a kernel of `l_kernel` steps taken off; that is
/// undone in fp64. A time step of every mode goes into the numbers of the mode.
///
/// Gu, Goel, Re 2022, arXiv:2111.00396; github.com/state-spaces/s4.
struct S4v4 {
  /// Reads a block.
  /// @param file     a state dict or a tree
  /// @param told     the configuration
  /// @param prefix   before the names
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<nn::Stack<AnyLayer<T>>> read(const File& file, const Configuration& told, const std::string& prefix) {
    detail::SourceArrays arrays(file, prefix);
    auto block = detail::s4_block<T>(arrays, "", told);
    const Index H = block.ssm.inputs() / block.shape.channels;
    return detail::of_one_block<T>(std::move(block), arrays, told, H);
  }
};
/// state-spaces/s4: the state dict of the minimal S4D (models/s4/s4d.py). It becomes a model of one block without a
/// norm and a residual, whose input and output are features.
struct S4Minimal {
  /// Reads a block.
  /// @param file     a state dict
  /// @param told     the configuration: nothing is asked for
  /// @param prefix   before the names
  /// @throws         FormatError that names the array, what was expected and what came
  template <Real T>
  static Imported<nn::Stack<AnyLayer<T>>> read(const File& file, const Configuration& told, const std::string& prefix) {
    detail::SourceArrays arrays(file, prefix);
    auto block = detail::minimal_s4d<T>(arrays, "");
    const Index H = block.ssm.inputs();
    return detail::of_one_block<T>(std::move(block), arrays, told, H);
  }
};
/// state-spaces/s4: the model of its example.py, of S4Block or the minimal S4D: linear, blocks with layer norm, the
/// mean over time, linear. The configuration says `prenorm`, and for S4Block the same as S4v4.
struct S4Example {
  /// Reads a model.
  /// @param file     a state dict or a tree
  /// @param told     the configuration
  /// @param prefix   before the names
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<nn::Stack<AnyLayer<T>>> read(const File& file, const Configuration& told, const std::string& prefix) {
    detail::SourceArrays arrays(file, prefix);
    nn::StackParameters<AnyLayer<T>> weights;
    auto& shape = weights.shape;
    const auto &in = arrays.shape("encoder.weight"), &out = arrays.shape("decoder.weight");
    if (in.size() != 2 || out.size() != 2)
      throw FormatError("encoder.weight, decoder.weight: expected two sizes each, got " + detail::text(in) + " and " +
                        detail::text(out));
    const Index H = shape.features = in[0];
    shape.inputs = in[1];
    shape.outputs = out[0];
    shape.layers = 0;
    weights.encoder = detail::torch_linear<T>(arrays, "encoder", shape.inputs, H);
    weights.decoder = detail::torch_linear<T>(arrays, "decoder", H, shape.outputs);
    const bool before = told.yes("prenorm");
    for (;; ++shape.layers) {
      const std::string i = std::to_string(shape.layers), name = "s4_layers." + i + ".";
      const bool minimal = arrays.has(name + "kernel.log_A_real");
      if (!minimal && !arrays.has(name + "layer.D")) break;
      auto block = minimal ? detail::minimal_s4d<T>(arrays, name) : detail::s4_block<T>(arrays, name, told);
      block.shape.norm = nn::NormKind::layer;
      block.shape.place = before ? nn::NormPlace::before : nn::NormPlace::after;
      block.shape.residual = nn::Residual::input;
      block.norm = detail::imported_norm<T>(nn::NormKind::layer, arrays.reals("norms." + i + ".weight", {H}),
                                            arrays.reals("norms." + i + ".bias", {H}));
      shape.block = block.shape;
      weights.blocks.push_back(std::move(block));
    }
    if (shape.layers == 0) throw FormatError(prefix + "s4_layers.0: expected in the file, is not there");
    arrays.require_none_left([](const std::string& name) { return name.starts_with("io."); });
    return {nn::Stack<AnyLayer<T>>(std::move(weights)), {arrays.read(), {}, told.asked()}};
  }
};

}  // namespace ssm::io
