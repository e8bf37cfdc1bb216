#pragma once

#include "ssm/import/source_arrays.hpp"
#include "ssm/nn/norm.hpp"

namespace ssm::io {

/// Weights of somebody else's, as a model of this library, and what became of them.
/// @tparam Model   nn::Stack<AnyLayer<float>>, or AnyParameters<float> of a single layer
template <class Model>
struct Imported {
  Model model;    ///< ready to run
  Report report;  ///< what was read
};

/// Reads weights that were trained elsewhere, strictly: every array there, of its shape, finite, and none besides.
///
///     const io::Configuration told(R"({"bidirectional": true, "activation": "half_glu1", ...})");
///     const auto imported = io::import_from<io::S5Flax>(io::read("s5.safetensors"), told);
///     imported.model.forward(u, answer);
///
/// @tparam Source         whose they are: S5Flax, S5Pytorch, S4v4, S4Minimal, S4Example, AnnotatedS4
/// @tparam T              scalar of the model
/// @param file            as `io::read` gives it
/// @param configuration   what the arrays do not say
/// @param prefix          before the names of the arrays, where the model is part of a larger one
/// @throws                FormatError that names the array or the choice, what was expected and what came
template <class Source, Real T = float>
auto import_from(const File& file, const Configuration& configuration, const std::string& prefix = "") try {
  return Source::template read<T>(file, configuration, prefix);
} catch (const FormatError&) {
  throw;
} catch (const Error& error) {
  throw FormatError(error.what());
}
/// Reads the parameters of a single layer that was trained elsewhere; see import_from.
/// @param file            as `io::read` gives it
/// @param configuration   what the arrays do not say
/// @param prefix          before the names of the arrays
/// @throws                FormatError that names the array or the choice, what was expected and what came
template <class Source, Real T = float>
auto import_layer_from(const File& file, const Configuration& configuration, const std::string& prefix = "") try {
  return Source::template read_layer<T>(file, configuration, prefix);
} catch (const FormatError&) {
  throw;
} catch (const Error& error) {
  throw FormatError(error.what());
}

namespace detail {

/// A norm's scale and shift.
template <Real T>
nn::Norm<T> imported_norm(nn::NormKind kind, const std::vector<double>& weight, const std::vector<double>& bias) {
  nn::Norm<T> norm(std::ssize(weight), kind);
  fill_array(norm.weight, weight);
  fill_array(norm.bias, bias);
  return norm;
}

}  // namespace detail
}  // namespace ssm::io
