#pragma once

#include "ssm/import/s4_sequence.hpp"

namespace ssm::io {

/// state-spaces/s4, version 3: the state dict of an S4 (models/s4/s4.py of that version), of the kernels nplr and diag;
/// or of a SequenceModel of such layers, which S4Sequence reads. A layer becomes a model of one block without a norm
/// and a residual, whose input and output are features.
///
/// The configuration's names are those of its constructor; what is not told has the project's default there, and the
/// report says so: `mode` nplr, `real_type` exp, `disc` bilinear, `activation` gelu, `postact` glu (null: a linear map
/// alone), `channels` 1, `bidirectional`, `transposed`. The end of a kernel of `L` steps is put back into C.
///
/// Gu, Goel, Re 2022, arXiv:2111.00396; github.com/state-spaces/s4, tag v3.
struct S4v3 {
  /// Name of the project in messages and programs.
  static constexpr const char* project = "s4-v3";
  /// Reads a block.
  /// @param file     a state dict
  /// @param told     the configuration
  /// @param prefix   before the names
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<nn::Stack<AnyLayer<T>>> read(const File& file, const Configuration& told, const std::string& prefix) {
    if (told.has_part("model")) return S4Sequence::read<T>(file, told, prefix);
    detail::SourceArrays arrays(file, prefix);
    Report report;
    report.axes = told.yes_or("transposed", true) ? Axes::batch_feature_time : Axes::batch_time_feature;
    auto block = detail::as_block(detail::s4_block<T>(arrays, "", told, detail::s4_version_3(), report));
    return detail::of_one_block<T>(std::move(block), arrays, told, std::move(report));
  }
  /// Reads the systems alone, without the activation and the linear map: the arrays of the kernel, and D.
  /// @param file     a state dict
  /// @param told     the configuration
  /// @param prefix   before the names
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<AnyParameters<T>> read_layer(const File& file, const Configuration& told, const std::string& prefix) {
    return detail::s4_layer<T>(file, told, prefix, detail::s4_version_3());
  }
};

/// state-spaces/s4, version 2 (February 2022), its standalone file, and forks of it: the state dict of an S4, or of
/// SSSD's S4Layer, whose names begin with s4_layer and norm_layer. It becomes a model of one block whose input and
/// output are features, S4Layer's with x + S4(x) and its layer norm. Where Q has numbers of its own, it keeps them.
///
/// The configuration's names are those of its constructor; what is not told has the project's default there, and the
/// report says so: `activation` gelu, `postact` (null: a linear map alone) glu, `channels` 1, `bidirectional`,
/// `transposed`; `layer_norm` of S4Layer; `fallback_sum` false: whether the kernel was made without its compiled sums,
/// over half of the modes, which is refused. The length of the kernel, which `omega` says, must be even. The end of a
/// kernel of that length is put back into C.
///
/// Gu, Goel, Re 2022, arXiv:2111.00396; github.com/state-spaces/s4, tag v2; github.com/AI4HealthUOL/SSSD.
struct S4v2 {
  /// Name of the project in messages and programs.
  static constexpr const char* project = "s4-v2";
  /// Reads a block.
  /// @param file     a state dict
  /// @param told     the configuration
  /// @param prefix   before the names
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<nn::Stack<AnyLayer<T>>> read(const File& file, const Configuration& told, const std::string& prefix) {
    detail::SourceArrays arrays(file, prefix);
    Report report;
    const bool sssd = arrays.has("s4_layer.D");
    report.axes = sssd                              ? Axes::time_batch_feature
                  : told.yes_or("transposed", true) ? Axes::batch_feature_time
                                                    : Axes::batch_time_feature;
    auto block =
        detail::as_block(detail::s4_block<T>(arrays, sssd ? "s4_layer." : "", told, detail::s4_version_2(), report));
    if (sssd) {
      block.shape.residual = nn::Residual::input;
      if (told.yes_or("layer_norm", true)) {
        const Index H = block.ssm.inputs() / block.shape.channels;
        block.shape.norm = nn::NormKind::layer;
        block.shape.place = nn::NormPlace::after;
        block.norm = detail::imported_norm<T>(nn::NormKind::layer, arrays.reals("norm_layer.weight", {H}),
                                              arrays.reals("norm_layer.bias", {H}));
      }
    }
    return detail::of_one_block<T>(std::move(block), arrays, told, std::move(report));
  }
  /// Reads the systems alone, without the activation and the linear map: the arrays of the kernel, and D.
  /// @param file     a state dict
  /// @param told     the configuration
  /// @param prefix   before the names
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<AnyParameters<T>> read_layer(const File& file, const Configuration& told, const std::string& prefix) {
    return detail::s4_layer<T>(file, told, prefix, detail::s4_version_2());
  }
};

}  // namespace ssm::io
