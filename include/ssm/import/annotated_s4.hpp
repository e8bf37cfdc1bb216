#pragma once

#include "ssm/import/flax.hpp"
#include "ssm/import/s4.hpp"

namespace ssm::io {

/// srush/annotated-s4: a tree of flax, flattened with '/', of BatchStackedModel with S4Layer or S4DLayer.
///
/// All N modes are kept there, y = Re(conj(C) x): here they are one each of 2 N in conjugate pairs, of half the C, and
/// the low-rank factor P, which must not join a mode with a conjugate, is (P, i P) / sqrt 2, of rank 2. The end of a
/// kernel of `l_max` steps is put back into C. S4DLayer's kernel has B = 1, whatever its B says. A model that predicts
/// the next step reads its input one step late, a 0 first, and divided by 255 where it is not embedded: the division is
/// folded into the encoder, the step is yours.
///
/// The configuration says `layer` (S4Layer, S4DLayer), `l_max`, `classification`, `prenorm`; `glu`, true unless told.
///
/// Rush, Karamcheti: The Annotated S4; github.com/srush/annotated-s4.
struct AnnotatedS4 {
  /// Name of the project in messages and programs.
  static constexpr const char* project = "annotated-s4";
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
    const bool low_rank = told.word("layer", {"S4Layer", "S4DLayer"}) == 0, classifies = told.yes("classification"),
               before = told.yes("prenorm"), gated = told.yes_or("glu", true);
    Report report;
    const auto& out = arrays.shape("params/decoder/kernel", {2});
    const Index H = shape.features = out[0];
    shape.outputs = out[1];
    shape.log_softmax = true;
    shape.pool = classifies ? nn::Pool::mean : nn::Pool::none;
    shape.layers = 0;
    weights.decoder = detail::flax_dense<T>(arrays, "params/decoder", H, shape.outputs);
    encoder(arrays, classifies, weights, report);
    nn::BlockShape block{.place = before ? nn::NormPlace::before : nn::NormPlace::after,
                         .epsilon = 1e-6,
                         .activation = nn::Activation::tanh_gelu,
                         .mixing = gated ? nn::Mixing::glu : nn::Mixing::linear};
    shape.block = block;
    for (;; ++shape.layers) {
      const std::string name = "params/layers_" + std::to_string(shape.layers) + "/";
      if (!arrays.has(name + "seq/D")) break;
      nn::BlockParameters<AnyLayer<T>> made;
      made.shape = block;
      made.ssm =
          detail::any_s4<T>(low_rank ? s4(arrays, name + "seq/", H, told) : s4d(arrays, name + "seq/", H, report));
      made.norm = detail::imported_norm<T>(nn::NormKind::layer, arrays.reals(name + "norm/scale", {H}),
                                           arrays.reals(name + "norm/bias", {H}));
      made.mix = detail::flax_dense<T>(arrays, name + "out", H, H);
      if (gated) made.mix = detail::above(made.mix, detail::flax_dense<T>(arrays, name + "out2", H, H));
      weights.blocks.push_back(std::move(made));
    }
    if (shape.layers == 0)
      throw FormatError(ssm::detail::message(prefix, "params/layers_0/seq/D: expected in the file, is not there"));
    if (gated) report.folded.push_back("out and out2 of every block: one map, one above the other");
    report.shifted = !classifies;
    arrays.complete(told, report);
    return {nn::Stack<AnyLayer<T>>(std::move(weights)), std::move(report)};
  }

 private:
  template <Real T>
  static void encoder(detail::SourceArrays& arrays, bool classifies, nn::StackParameters<AnyLayer<T>>& weights,
                      Report& report) {
    auto& shape = weights.shape;
    const Index H = shape.features;
    if (arrays.has("params/encoder/Embed_0/embedding")) {
      const auto& table = arrays.shape("params/encoder/Embed_0/embedding", {2});
      shape.encoder = nn::Encoder::embedding;
      shape.inputs = 1;
      shape.symbols = table[0];
      shape.zero_symbol = 0;
      weights.encoder.W = detail::table_of<T>(arrays, "params/encoder/Embed_0/embedding", shape.symbols, H);
      if (!arrays.has("params/encoder/embedding")) return;
      static_cast<void>(arrays.reals("params/encoder/embedding", {shape.symbols, H}));
      arrays.leave("params/encoder/embedding");  // is never used there
      return;
    }
    const auto& kernel = arrays.shape("params/encoder/kernel", {2});
    shape.inputs = kernel[0];
    weights.encoder = detail::flax_dense<T>(arrays, "params/encoder", shape.inputs, H);
    if (classifies) return;
    for (T& each : weights.encoder.W) each /= 255;
    report.folded.push_back("the input's division by 255: in params/encoder/kernel");
  }
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  /// Reads the part that S4Layer and S4DLayer have in common; `real` and `imaginary` name their eigenvalues.
  static detail::S4Source modes(detail::SourceArrays& arrays, const std::string& name, Index H, const char* real,
                                const char* imaginary) {
    const Index N = arrays.shape(name + real, {2})[0];
    const auto re = arrays.reals(name + real, {N, H}), im = arrays.reals(name + imaginary, {N, H});
    detail::S4Source made;
    made.features = H;
    made.modes = N;
    made.D = arrays.reals(name + "D", {1, H});
    for (const double x : arrays.reals(name + "log_step", {1, H})) made.dt.push_back(std::exp(x));
    const auto C = arrays.complexes(name + "C", {N, H});
    for (Index h = 0; h < H; ++h) {
      Vector<Complex<double>> Lambda(N);
      RowVector<Complex<double>> row(N);
      for (Index n = 0; n < N; ++n) {
        Lambda(n) = {std::min(re[at(n * H + h)], -1e-4), im[at(n * H + h)]};
        row(n) = C[at(n * H + h)];
      }
      made.Lambda.push_back(Lambda);
      made.C.push_back(row);
    }
    return made;
  }
  static detail::S4Source s4d(detail::SourceArrays& arrays, const std::string& name, Index H, Report& report) {
    detail::S4Source made = modes(arrays, name, H, "A_re", "A_im");
    for (const char* unused : {"B_re", "B_im"}) {
      static_cast<void>(arrays.reals(name + unused, {made.modes, H}));
      arrays.leave(name + unused);
    }
    report.folded.push_back(name + "B: its kernel has B = 1");
    for (auto& row : made.C) {
      made.B.push_back(Vector<Complex<double>>::Ones(made.modes));
      row /= 2;
    }
    return made;
  }
  static detail::S4Source s4(detail::SourceArrays& arrays, const std::string& name, Index H,
                             const Configuration& told) {
    detail::S4Source made = modes(arrays, name, H, "Lambda_re", "Lambda_im");
    const Index N = made.modes;
    const auto P = arrays.complexes(name + "P", {N, H}), B = arrays.complexes(name + "B", {N, H});
    const auto length = static_cast<double>(told.count("l_max", Index{1} << 40U));
    for (Index h = 0; h < H; ++h) {
      Matrix<Complex<double>> factor(N, 1);
      Vector<Complex<double>> input(N);
      for (Index n = 0; n < N; ++n) {
        factor(n, 0) = P[at(n * H + h)];
        input(n) = B[at(n * H + h)];
      }
      const RowVector<Complex<double>> stored = made.C[at(h)].conjugate();
      if (arrays.good())
        made.C[at(h)] =
            detail::truncation_undone<double>({made.Lambda[at(h)], factor, factor}, stored, made.dt[at(h)], length).C /
            2;
      Matrix<Complex<double>> apart(N, 2);
      apart << factor, Complex<double>(0, 1) * factor;
      made.P.push_back(apart / std::sqrt(2.0));
      made.B.push_back(input);
    }
    return made;
  }
};

}  // namespace ssm::io
