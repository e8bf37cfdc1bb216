#pragma once

#include "ssm/import/s4_arrays.hpp"
#include "ssm/import/torch.hpp"
#include "ssm/nn/stack.hpp"

/// The blocks of state-spaces/s4 around its kernels: activation, linear map, and what follows it.
namespace ssm::io::detail {

/// A version of state-spaces/s4, by the names that its blocks have.
struct S4Version {
  S4Arrays (*arrays)(SourceArrays&, const std::string&, const Configuration&, Index);  ///< reads a kernel
  const char* kernel;                                                                  ///< before "kernel." and "D"
  const char* last;                     ///< in the configuration: what follows the linear map
  std::vector<const char*> impossible;  ///< in the configuration: what no weights can be of
  bool linear_stays;                    ///< whether there is a linear map where nothing follows it
};
/// Version 4.
inline S4Version s4_version_4() { return {s4v4_arrays, "layer.", "final_act", {"gate", "bottleneck"}, false}; }
/// Version 3.
inline S4Version s4_version_3() { return {s4v3_arrays, "", "postact", {"gate", "bottleneck", "hyper_act"}, true}; }
/// Version 2.
inline S4Version s4_version_2() { return {s4v2_arrays, "", "postact", {"hyper_act"}, true}; }

/// A block before it is one of this library: several may come together.
template <Real T>
struct S4Block {
  S4Source source;         ///< its systems
  Index features = 0;      ///< H
  nn::BlockShape shape;    ///< activation and mixing
  nn::Linear<T> mix = {};  ///< empty without a mixing
};

/// Halves that an activation joins: 2 of a GLU, else 1.
inline Index halves_of(nn::Activation activation) { return activation == nn::Activation::glu ? 2 : 1; }

/// The activation of a block, and copies of its input, as a configuration has them.
struct S4Output {
  nn::Activation activation;  ///< of the systems' outputs
  Index channels;             ///< copies of the features that come out of it
};
inline S4Output s4_output(const Configuration& told) {
  using nn::Activation;
  const std::size_t activation =
      told.none("activation")
          ? 0
          : told.word_or("activation",
                         {"id", "gelu", "tanh_gelu", "relu", "silu", "tanh", "sigmoid", "softplus", "glu", "swish"},
                         "gelu");
  return {std::array{Activation::identity, Activation::gelu, Activation::tanh_gelu, Activation::relu, Activation::silu,
                     Activation::tanh, Activation::sigmoid, Activation::softplus, Activation::glu,
                     Activation::silu}[activation],
          told.count_or("channels", 1024, 1)};
}

/// Says that a kernel is cut there after some steps, where the configuration has it so: here none is.
inline void note_cut(const Configuration& told, const std::string& name, Report& report) {
  if (told.has("l_max") && !told.none("l_max"))
    report.folded.push_back(ssm::detail::message(
        name, "kernel: of longer sequences than l_max = ", told.number("l_max"), " it is cut there, and not here"));
}

/// Reads the systems alone, whose inputs are the features, as often as there are channels.
template <Real T>
Imported<AnyParameters<T>> s4_layer(const File& file, const Configuration& told, const std::string& prefix,
                                    const S4Version& own) {
  SourceArrays arrays(file, prefix);
  Report report;
  const S4Output output = s4_output(told);
  const S4Arrays kernel = own.arrays(arrays, "", told, halves_of(output.activation) * output.channels);
  auto made = any_s4<T>(s4_source(kernel, arrays.good(), prefix, report));
  note_cut(told, prefix, report);
  arrays.complete(told, report);
  return {std::move(made), std::move(report)};
}

/// Reads a block of a version.
/// @param name     before the block's arrays
/// @param report   what was folded is added
template <Real T>
S4Block<T> s4_block(SourceArrays& arrays, const std::string& name, const Configuration& told, const S4Version& own,
                    Report& report) {
  using nn::Activation, nn::Mixing;
  for (const char* choice : own.impossible)
    if (told.has(choice) && !told.none(choice))
      throw FormatError(ssm::detail::message("configuration '", choice,
                                             "': expected none: the project's own code cannot make such weights"));
  const S4Output output = s4_output(told);
  S4Block<T> made;
  made.shape.norm = nn::NormKind::none;
  made.shape.residual = nn::Residual::none;
  made.shape.activation = output.activation;
  made.shape.channels = halves_of(output.activation) * output.channels;
  const S4Arrays kernel = own.arrays(arrays, name + own.kernel, told, made.shape.channels);
  made.source =
      s4_source(kernel, arrays.good(), name + own.kernel + (own.linear_stays ? "kernel.kernel." : "kernel."), report);
  note_cut(told, name + own.kernel, report);
  const Index H = made.features = kernel.features, active = output.channels * H;
  const std::string last = own.last, linear = name + "output_linear";
  made.shape.mixing = Mixing::linear;
  if (told.none(last)) {
    if (own.linear_stays)
      made.mix = torch_linear<T>(arrays, linear, active, H);
    else
      made.shape.mixing = Mixing::none;
    return made;
  }
  const std::size_t then = told.word_or(last, {"glu", "id", "gelu", "relu", "silu", "tanh", "sigmoid"}, "glu");
  if (then == 0) made.shape.mixing = Mixing::glu;
  if (then > 1)
    made.shape.gate = std::array{Activation::gelu, Activation::relu, Activation::silu, Activation::tanh,
                                 Activation::sigmoid}[then - 2];
  made.mix = torch_linear<T>(arrays, linear + ".0", active, then == 0 ? 2 * H : H);
  if (told.yes_or("swap_channels", false)) {  // there the channel is fastest, here the feature
    const nn::Linear<T> given = made.mix;
    for (Index o = 0; o < given.outputs(); ++o)
      for (Index c = 0; c < output.channels; ++c)
        for (Index h = 0; h < H; ++h) made.mix.W(o, c * H + h) = given.W(o, h * output.channels + c);
    report.folded.push_back(linear + ".0.weight: columns in the order of this library");
  }
  return made;
}
/// Returns it as a block of this library, without a norm and a residual.
template <Real T>
nn::BlockParameters<AnyLayer<T>> as_block(S4Block<T> from) {
  nn::BlockParameters<AnyLayer<T>> made;
  made.shape = from.shape;
  made.ssm = any_s4<T>(from.source);
  made.mix = std::move(from.mix);
  return made;
}
/// Joins two blocks that hear the same input, and whose outputs stand side by side before a linear map.
/// @throws FormatError unless both are of the same choices and sizes
template <Real T>
nn::BlockParameters<AnyLayer<T>> two_as_block(const S4Block<T>& a, const S4Block<T>& b, nn::Linear<T> join) {
  if (a.features != b.features || a.shape != b.shape)
    throw FormatError(ssm::detail::message("two layers of one block: expected the same choices and sizes, got ",
                                           a.features, " features and ", b.features, ", ", a.shape.channels,
                                           " channels and ", b.shape.channels));
  nn::BlockParameters<AnyLayer<T>> made;
  made.shape = a.shape;
  made.shape.channels = a.shape.channels + b.shape.channels;
  made.ssm = any_s4<T>(beside(a.source, b.source, halves_of(a.shape.activation)));
  if (a.shape.mixing == nn::Mixing::none) {
    made.shape.mixing = nn::Mixing::linear;
    made.mix = std::move(join);
    return made;
  }
  const Index out = a.mix.outputs(), in = a.mix.inputs(), gates = a.shape.mixing == nn::Mixing::glu ? 2 : 1;
  made.shape.width = 2 * out / gates;
  made.mix = nn::Linear<T>(2 * in, 2 * out, true);
  for (Index half = 0; half < gates; ++half)  // values of both, then gates of both
    for (Index which = 0; which < 2; ++which) {
      const nn::Linear<T>& from = which == 0 ? a.mix : b.mix;
      for (Index o = 0; o < out / gates; ++o) {
        const Index row = half * out / gates + o, to = (2 * half + which) * out / gates + o;
        for (Index i = 0; i < in; ++i) made.mix.W(to, which * in + i) = from.W(row, i);
        made.mix.b(to) = from.b(row);
      }
    }
  made.project = std::move(join);
  return made;
}

/// The minimal S4D of models/s4/s4d.py: `kernel.*`, `D`, `output_linear.0.*`.
template <Real T>
nn::BlockParameters<AnyLayer<T>> minimal_s4d(SourceArrays& arrays, const std::string& name) {
  const auto& shape = arrays.shape(name + "kernel.log_A_real", {2});
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
        arrays.wrong(
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

/// Makes a model of one block whose input and output are features; what came beside the weights begins with `io.`.
template <Real T>
Imported<nn::Stack<AnyLayer<T>>> of_one_block(nn::BlockParameters<AnyLayer<T>> block, SourceArrays& arrays,
                                              const Configuration& told, Report report) {
  arrays.complete(told, report);
  nn::StackParameters<AnyLayer<T>> weights;
  auto& shape = weights.shape;
  shape.inputs = shape.features = shape.outputs = block.ssm.inputs() / block.shape.channels;
  shape.layers = 1;
  shape.pool = nn::Pool::none;
  shape.encoder = nn::Encoder::none;
  shape.decoder = false;
  shape.block = block.shape;
  weights.blocks.push_back(std::move(block));
  return {nn::Stack<AnyLayer<T>>(std::move(weights)), std::move(report)};
}

}  // namespace ssm::io::detail
