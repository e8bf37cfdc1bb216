#pragma once

#include "ssm/import/flax.hpp"
#include "ssm/import/imported.hpp"
#include "ssm/import/torch.hpp"
#include "ssm/layer/any_layer.hpp"
#include "ssm/layer/bidirectional.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/nn/stack.hpp"

namespace ssm::io {

namespace detail {

/// An S5 of another project in fp64.
struct S5Source {
  Index features = 0;
  Spectrum spectrum = Spectrum::half;
  std::vector<Complex<double>> Lambda, B, C, C_backward;  // (S), (S, H), (H, S), of two directions (H, S)
  std::vector<double> D, log_dt;
  ModalDiscretization discretization;
  double largest_real_part = std::numeric_limits<double>::infinity();
};

/// Returns its parameters in this library, for one direction.
template <Real T>
S5Parameters<T> s5_parameters(const S5Source& source, bool backward) {
  const auto S = std::ssize(source.Lambda);
  S5Parameters<T> made(source.features, source.spectrum == Spectrum::half ? 2 * S : S, source.spectrum);
  made.discretization = source.discretization;
  made.Lambda_re_max = static_cast<T>(source.largest_real_part);
  for (Index s = 0; s < S; ++s) {
    made.Lambda_re(s) = static_cast<T>(source.Lambda[static_cast<std::size_t>(s)].real());
    made.Lambda_im(s) = static_cast<T>(source.Lambda[static_cast<std::size_t>(s)].imag());
  }
  fill_array(made.B, source.B);
  fill_array(made.C, backward ? source.C_backward : source.C);
  if (!backward) fill_array(made.D, source.D);  // once for both directions
  fill_array(made.log_dt, source.log_dt);
  return made;
}
/// Returns its parameters in this library, for both directions where it has them.
template <Real T>
AnyParameters<T> any_s5(const S5Source& source) {
  if (source.C_backward.empty()) return AnyParameters<T>::template of<S5<T>>(s5_parameters<T>(source, false));
  using Both = Bidirectional<S5<T>>;
  return AnyParameters<T>::template of<Both>({s5_parameters<T>(source, false), s5_parameters<T>(source, true)});
}
/// Reads C of one direction, or of both from one array whose columns are halves.
inline void read_output(SourceArrays& arrays, const std::string& name, bool both, S5Source& made) {
  const Index H = made.features, S = std::ssize(made.Lambda);
  const auto C = arrays.complexes(name, {H, both ? 2 * S : S});
  if (!both) return void(made.C = C);
  for (auto row = C.begin(); row != C.end(); row += 2 * S) {
    made.C.insert(made.C.end(), row, row + S);
    made.C_backward.insert(made.C_backward.end(), row + S, row + 2 * S);
  }
}

}  // namespace detail

/// lindermanlab/S5: a tree of flax, flattened with '/', of BatchClassificationModel or RetrievalModel.
///
/// The configuration's names are those of its run_train.py: `activation_fn` as `activation`, `batchnorm`, `prenorm`,
/// `bidirectional`, `conj_sym`, `clip_eigs`, `discretization`, `mode`; `step_rescale`, 1 unless told.
///
/// Smith, Warrington, Linderman 2023, arXiv:2208.04933; github.com/lindermanlab/S5.
struct S5Flax {
  /// Name of the project in messages and programs.
  static constexpr const char* project = "s5";
  /// Reads a model.
  /// @param file     with `params/encoder/..`
  /// @param told     the configuration
  /// @param prefix   before the names: "" or "ema/"
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<nn::Stack<AnyLayer<T>>> read(const File& file, const Configuration& told, const std::string& prefix) {
    detail::SourceArrays arrays(file, prefix);
    const bool batch = told.yes("batchnorm"), before = told.yes("prenorm");
    const std::size_t activation = told.word("activation", {"full_glu", "half_glu1", "half_glu2", "gelu"});
    nn::StackParameters<AnyLayer<T>> weights;
    nn::StackShape& shape = weights.shape;
    const auto& kernel = arrays.shape("params/encoder/encoder/kernel", {2});
    shape.inputs = kernel[0];
    const Index H = shape.features = kernel[1];
    shape.pool = told.word("mode", {"pool", "last"}) == 0 ? nn::Pool::mean : nn::Pool::last;
    shape.log_softmax = true;
    shape.layers = 0;
    weights.encoder = detail::flax_dense<T>(arrays, "params/encoder/encoder", shape.inputs, H);
    nn::BlockShape block;
    block.norm = batch ? nn::NormKind::batch : nn::NormKind::layer;
    block.place = before ? nn::NormPlace::before : nn::NormPlace::after;
    block.epsilon = batch ? 1e-5 : 1e-6;
    block.activation = nn::Activation::tanh_gelu;
    block.mixing =
        std::array{nn::Mixing::glu, nn::Mixing::half_glu1, nn::Mixing::half_glu2, nn::Mixing::none}[activation];
    shape.block = block;
    for (;; ++shape.layers) {
      const std::string of = "encoder/layers_" + std::to_string(shape.layers) + "/", name = "params/" + of;
      if (!arrays.has(name + "seq/D")) break;
      nn::BlockParameters<AnyLayer<T>> made;
      made.shape = block;
      made.ssm = detail::any_s5<T>(source(arrays, name + "seq/", H, told));
      made.norm = detail::imported_norm<T>(block.norm, arrays.reals(name + "norm/scale", {H}),
                                           arrays.reals(name + "norm/bias", {H}));
      if (batch) {
        detail::fill_array(made.norm.running_mean, arrays.reals("batch_stats/" + of + "norm/mean", {H}));
        detail::fill_array(made.norm.running_var, arrays.reals("batch_stats/" + of + "norm/var", {H}));
      }
      if (activation != 3) {
        made.mix = detail::flax_dense<T>(arrays, name + "out2", H, H);
        if (activation == 0) made.mix = detail::above(detail::flax_dense<T>(arrays, name + "out1", H, H), made.mix);
      }
      weights.blocks.push_back(std::move(made));
    }
    if (shape.layers == 0) throw FormatError("params/encoder/layers_0/seq/D: expected in the file, is not there");
    shape.compare = arrays.has("params/decoder/layer1/kernel");
    const std::string last = shape.compare ? "params/decoder/layer2" : "params/decoder";
    shape.outputs = arrays.shape(last + "/kernel", {2})[1];
    if (shape.compare) weights.compare = detail::flax_dense<T>(arrays, "params/decoder/layer1", 4 * H, H);
    weights.decoder = detail::flax_dense<T>(arrays, last, H, shape.outputs);
    const double rate = told.has("step_rescale") ? told.number("step_rescale") : 1;
    Report report;
    arrays.complete(told, report);
    if (activation == 0) report.folded.push_back("out1 and out2 of every block: one map, one above the other");
    return {nn::Stack<AnyLayer<T>>(std::move(weights), {rate}), std::move(report)};
  }

 private:
  static detail::S5Source source(detail::SourceArrays& arrays, const std::string& name, Index H,
                                 const Configuration& told) {
    detail::S5Source made;
    const bool both = told.yes("bidirectional");
    const Index S = arrays.shape(name + "Lambda_re", {1})[0];
    made.features = H;
    made.spectrum = told.yes("conj_sym") ? Spectrum::half : Spectrum::full;
    const auto re = arrays.reals(name + "Lambda_re", {S}), im = arrays.reals(name + "Lambda_im", {S});
    for (std::size_t s = 0; s < re.size(); ++s) made.Lambda.emplace_back(re[s], im[s]);
    if (told.yes("clip_eigs")) made.largest_real_part = -1e-4;
    made.B = arrays.complexes(name + "B", {S, H});
    if (both && arrays.has(name + "C1")) {
      made.C = arrays.complexes(name + "C1", {H, S});
      made.C_backward = arrays.complexes(name + "C2", {H, S});
    } else {
      detail::read_output(arrays, name + "C", both, made);
    }
    made.D = arrays.reals(name + "D", {H});
    made.log_dt = arrays.reals(name + "log_step", {S, 1});
    if (told.word("discretization", {"zoh", "bilinear"}) == 1) made.discretization = Bilinear{};
    return made;
  }
};

/// s5-pytorch 0.2.1: the state dict of an S5, an S5Block, or a Sequential of S5Blocks. All of the spectrum is kept,
/// under zero-order hold; `step_scale` is times of the samples: InLayerSteps with ReadBackwards::same.
///
/// The configuration's names are those of its constructors: `glu` of a block, true unless told; `bidir`, which the
/// arrays say too, and must agree. `liquid` and a `degree` other than 1 are refused: their step is another.
///
/// github.com/i404788/s5-pytorch.
struct S5Pytorch {
  /// Name of the project in messages and programs.
  static constexpr const char* project = "s5-pytorch";
  /// Reads one block, whose names begin with s5, attn_norm, ff_norm, ff_enc and ff_dec, or several, with a number
  /// before them. Input and output are features.
  /// @param file     a state dict
  /// @param told     the configuration
  /// @param prefix   before the names: "net.encoder."
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<nn::Stack<AnyLayer<T>>> read(const File& file, const Configuration& told, const std::string& prefix) {
    detail::SourceArrays arrays(file, prefix);
    nn::StackParameters<AnyLayer<T>> weights;
    nn::StackShape& shape = weights.shape;
    const bool gated = told.yes_or("glu", true), several = arrays.has("0.s5.seq.D");
    shape.layers = 0;
    Index H = 0;
    for (;; ++shape.layers) {
      const std::string name = several ? std::to_string(shape.layers) + "." : "";
      if (!arrays.has(name + "s5.seq.D") || (!several && shape.layers == 1)) break;
      const detail::S5Source own = source(arrays, name + "s5.seq.", told);
      if (H == 0) H = own.features;
      ssm::detail::require_size(prefix + name + "s5.seq.D", H, own.features);
      nn::BlockParameters<AnyLayer<T>> attention, forward;
      attention.shape = {.residual = nn::Residual::normed, .mixing = nn::Mixing::none};
      attention.ssm = detail::any_s5<T>(own);
      attention.norm = norm<T>(arrays, name + "attn_norm", H);
      const Index wide = arrays.shape(name + "ff_enc.weight", {2})[0], width = gated ? wide / 2 : wide;
      forward.shape = {.residual = nn::Residual::normed,
                       .layer = false,
                       .activation = nn::Activation::identity,
                       .mixing = gated ? nn::Mixing::glu : nn::Mixing::linear,
                       .width = width,
                       .bias = false};
      if (gated) forward.shape.gate = nn::Activation::gelu;
      forward.norm = norm<T>(arrays, name + "ff_norm", H);
      forward.mix = detail::torch_linear<T>(arrays, name + "ff_enc", H, wide, false);
      forward.project = detail::torch_linear<T>(arrays, name + "ff_dec", width, H, false);
      shape.block = attention.shape;
      shape.feed_forward = forward.shape;
      weights.blocks.push_back(std::move(attention));
      weights.blocks.push_back(std::move(forward));
    }
    if (shape.layers == 0)
      throw FormatError(ssm::detail::message(prefix, "s5.seq.D: expected in the file, is not there"));
    shape.inputs = shape.features = shape.outputs = H;
    shape.pool = nn::Pool::none;
    shape.encoder = nn::Encoder::none;
    shape.decoder = false;
    Report report;
    arrays.complete(told, report);
    return {nn::Stack<AnyLayer<T>>(std::move(weights)), std::move(report)};
  }
  /// Reads a single layer, whose names begin with seq.
  /// @param file     a state dict
  /// @param told     the configuration
  /// @param prefix   before the names
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<AnyParameters<T>> read_layer(const File& file, const Configuration& told, const std::string& prefix) {
    detail::SourceArrays arrays(file, prefix);
    auto made = detail::any_s5<T>(source(arrays, "seq.", told));
    Report report;
    arrays.complete(told, report);
    return {std::move(made), std::move(report)};
  }

 private:
  static detail::S5Source source(detail::SourceArrays& arrays, const std::string& name, const Configuration& told) {
    if (told.has("liquid") && told.yes("liquid"))
      throw FormatError("configuration 'liquid': expected false, got true: such a layer's step depends on its input");
    if (told.has("degree") && told.number("degree") != 1)
      throw FormatError(ssm::detail::message("configuration 'degree': expected 1, got ", told.number("degree")));
    detail::S5Source made;
    const Index H = made.features = arrays.shape(name + "D", {1})[0], S = arrays.shape(name + "log_step", {1})[0];
    made.spectrum = Spectrum::full;
    made.Lambda = arrays.complexes(name + "Lambda", {S});
    made.B = arrays.complexes(name + "B", {S, H});
    const auto& columns = arrays.shape(name + "C", {2, 3});
    const bool both = columns.size() > 1 && S > 0 && columns[1] == 2 * S;  // the arrays say it
    if (told.has("bidir") && told.yes("bidir") != both)
      throw FormatError(ssm::detail::message(name, "C: expected ", both ? "one" : "two",
                                             " columns for each state, as the configuration's 'bidir' says, got shape ",
                                             detail::text(columns)));
    detail::read_output(arrays, name + "C", both, made);
    made.D = arrays.reals(name + "D", {H});
    made.log_dt = arrays.reals(name + "log_step", {S});
    return made;
  }
  template <Real T>
  static nn::Norm<T> norm(detail::SourceArrays& arrays, const std::string& name, Index H) {
    return detail::imported_norm<T>(nn::NormKind::layer, arrays.reals(name + ".weight", {H}),
                                    arrays.reals(name + ".bias", {H}));
  }
};

}  // namespace ssm::io
