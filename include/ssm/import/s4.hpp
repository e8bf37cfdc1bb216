#pragma once

#include "ssm/import/s4_block.hpp"

namespace ssm::io {

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
  /// Name of the project in messages and programs.
  static constexpr const char* project = "s4";
  /// Reads a block.
  /// @param file     a state dict or a tree
  /// @param told     the configuration
  /// @param prefix   before the names
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<nn::Stack<AnyLayer<T>>> read(const File& file, const Configuration& told, const std::string& prefix) {
    detail::SourceArrays arrays(file, prefix);
    Report report;
    auto block = detail::as_block(detail::s4_block<T>(arrays, "", told, detail::s4_version_4(), report));
    return detail::of_one_block<T>(std::move(block), arrays, told, std::move(report));
  }
  /// Reads the systems alone, without the activation and the linear map: the arrays of the kernel, and D.
  /// @param file     a state dict
  /// @param told     the configuration
  /// @param prefix   before the names
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<AnyParameters<T>> read_layer(const File& file, const Configuration& told, const std::string& prefix) {
    return detail::s4_layer<T>(file, told, prefix, detail::s4_version_4());
  }
};
/// state-spaces/s4: the state dict of the minimal S4D (models/s4/s4d.py). It becomes a model of one block without a
/// norm and a residual, whose input and output are features.
struct S4Minimal {
  /// Name of the project in messages and programs.
  static constexpr const char* project = "s4d-minimal";
  /// Reads a block.
  /// @param file     a state dict
  /// @param told     the configuration: nothing is asked for
  /// @param prefix   before the names
  /// @throws         FormatError that names the array, what was expected and what came
  template <Real T>
  static Imported<nn::Stack<AnyLayer<T>>> read(const File& file, const Configuration& told, const std::string& prefix) {
    detail::SourceArrays arrays(file, prefix);
    return detail::of_one_block<T>(detail::minimal_s4d<T>(arrays, ""), arrays, told,
                                   {.axes = Axes::batch_feature_time});
  }
};
/// state-spaces/s4: the model of its example.py, of S4Block or the minimal S4D: linear, blocks with layer norm, the
/// mean over time, linear. The configuration says `prenorm`, and for S4Block the same as S4v4.
struct S4Example {
  /// Name of the project in messages and programs.
  static constexpr const char* project = "s4-example";
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
    const auto &in = arrays.shape("encoder.weight", {2}), &out = arrays.shape("decoder.weight", {2});
    const Index H = shape.features = in[0];
    shape.inputs = in[1];
    shape.outputs = out[0];
    shape.layers = 0;
    weights.encoder = detail::torch_linear<T>(arrays, "encoder", shape.inputs, H);
    weights.decoder = detail::torch_linear<T>(arrays, "decoder", H, shape.outputs);
    const bool before = told.yes("prenorm");
    Report report;
    for (;; ++shape.layers) {
      const std::string i = std::to_string(shape.layers), name = "s4_layers." + i + ".";
      const bool minimal = arrays.has(name + "kernel.log_A_real");
      if (!minimal && !arrays.has(name + "layer.D")) break;
      auto block = minimal ? detail::minimal_s4d<T>(arrays, name)
                           : detail::as_block(detail::s4_block<T>(arrays, name, told, detail::s4_version_4(), report));
      block.shape.norm = nn::NormKind::layer;
      block.shape.place = before ? nn::NormPlace::before : nn::NormPlace::after;
      block.shape.residual = nn::Residual::input;
      block.norm = detail::imported_norm<T>(nn::NormKind::layer, arrays.reals("norms." + i + ".weight", {H}),
                                            arrays.reals("norms." + i + ".bias", {H}));
      shape.block = block.shape;
      weights.blocks.push_back(std::move(block));
    }
    if (shape.layers == 0)
      throw FormatError(ssm::detail::message(prefix, "s4_layers.0: expected in the file, is not there"));
    arrays.complete(told, report);
    return {nn::Stack<AnyLayer<T>>(std::move(weights)), std::move(report)};
  }
};

}  // namespace ssm::io
