#pragma once

#include "ssm/import/parity.hpp"
#include "ssm/io/layer.hpp"
#include "ssm/nn/norm.hpp"

namespace ssm::io {

/// Weights of somebody else's, as a model of this library, and what became of them.
/// @tparam Model   nn::Stack<AnyLayer<float>>, or AnyParameters<float> of a single layer
template <class Model>
struct Imported {
  Model model;    ///< ready to run
  Report report;  ///< what was read
};

/// Whose weights they are: a name, and what reads them.
template <class S>
concept WeightsSource = requires(const File& file, const Configuration& told, const std::string& prefix) {
  { S::project } -> std::convertible_to<std::string>;
  S::template read<float>(file, told, prefix);
};

namespace detail {

/// Names of arrays that only one source has, and its name.
inline std::string looks_like(const File& file, const std::string& prefix) {
  struct Sign {
    const char* part;
    const char* source;
  };
  constexpr std::array<Sign, 10> signs{{{"encoder/layers_0/seq/Lambda_re", "s5"},
                                        {"params/layers_0/seq/", "annotated-s4"},
                                        {"model.layers.0.", "s4-sequence"},
                                        {"s4_layers.0.", "s4-example"},
                                        {"kernel.kernel.omega", "s4-v2"},
                                        {"kernel.kernel.", "s4-v3"},
                                        {"kernel.log_A_real", "s4d-minimal"},
                                        {"layer.kernel.A_real", "s4"},
                                        {"seq.Lambda", "s5-pytorch"},
                                        {"self_test/input", "this library"}}};
  for (const auto& [part, source] : signs)
    for (const auto& [name, tensor] : file.tensors)
      if (name.starts_with(prefix) && name.find(part) != std::string::npos) return source;
  return "";
}
/// read(), and what is wrong as a FormatError, which says whose names the file's look like, if another's.
template <class Read>
auto refused_as(const char* source, const File& file, const std::string& prefix, Read read) {
  const auto whose = [&](const std::string& said) {
    const std::string found = looks_like(file, prefix);
    return found.empty() || found == source ? said : said + " (the names of its arrays are those of " + found + ")";
  };
  try {
    return read();
  } catch (const Error& error) {
    throw FormatError(whose(error.what()));
  }
}

}  // namespace detail

/// Reads weights that were trained elsewhere, strictly: every array there, of its shape, finite, and none besides.
/// Where an input and its answer stand beside them (see Examples), the model's own answer is compared: `report.parity`.
///
///     const io::Configuration told(R"({"bidirectional": true, "activation": "half_glu1", ...})");
///     const auto imported = io::import_from<io::S5Flax>(io::read("s5.safetensors"), told);
///     imported.model.forward(u, answer);
///
/// @tparam Source         whose they are: S4v4, S4v3, S4v2, S4Minimal, S4Example, S4Sequence, AnnotatedS4, S5Flax,
///                        S5Pytorch
/// @tparam T              scalar of the model
/// @param file            as `io::read` gives it
/// @param configuration   what the arrays do not say
/// @param prefix          before the names of the arrays, where the model is part of a larger one
/// @throws                FormatError that names the array or the choice, what was expected and what came
template <WeightsSource Source, Real T = float>
auto import_from(const File& file, const Configuration& configuration, const std::string& prefix = "") {
  return detail::refused_as(Source::project, file, prefix, [&] {
    Imported<nn::Stack<AnyLayer<T>>> imported = Source::template read<T>(file, configuration, prefix);
    if (Examples<T>::are_in(file, prefix))
      imported.report.parity =
          parity_of(imported.model, imported.report, Examples<T>(file, prefix, imported.report.axes));
    return imported;
  });
}
/// Reads a file on disk, which messages name.
template <WeightsSource Source, Real T = float>
auto import_from(const std::filesystem::path& path, const Configuration& configuration,
                 const std::string& prefix = "") {
  return detail::load_from(path, [&](const File& file) { return import_from<Source, T>(file, configuration, prefix); });
}
/// Reads the parameters of a single layer that was trained elsewhere, without what stands around it; see import_from.
/// @tparam Source         S4v4, S4v3, S4v2 (`kernel.*` and `D`), S5Pytorch (`seq.*`)
/// @param file            as `io::read` gives it
/// @param configuration   what the arrays do not say
/// @param prefix          before the names of the arrays
/// @throws                FormatError that names the array or the choice, what was expected and what came
template <WeightsSource Source, Real T = float>
auto import_layer_from(const File& file, const Configuration& configuration, const std::string& prefix = "") {
  return detail::refused_as(Source::project, file, prefix, [&] {
    Imported<AnyParameters<T>> imported = Source::template read_layer<T>(file, configuration, prefix);
    if (Examples<T>::are_in(file, prefix))
      imported.report.parity =
          parity_of(AnyLayer<T>(imported.model), imported.report, Examples<T>(file, prefix, imported.report.axes));
    return imported;
  });
}
/// Reads a file on disk, which messages name.
template <WeightsSource Source, Real T = float>
auto import_layer_from(const std::filesystem::path& path, const Configuration& configuration,
                       const std::string& prefix = "") {
  return detail::load_from(path,
                           [&](const File& file) { return import_layer_from<Source, T>(file, configuration, prefix); });
}
/// Returns the prefixes in a file that a pattern stands for, in which `*` is one name between dots or slashes: numbers
/// in their order, words in the alphabet's.
///
///     for (const auto& prefix : io::prefixes_in(file, "net.layers.*.s4."))
///       layers.push_back(io::import_layer_from<io::S4v4>(file, told, prefix).model);
///
/// @throws FormatError if there is none
inline std::vector<std::string> prefixes_in(const File& file, const std::string& pattern) {
  const auto by_number = [](const std::string& a, const std::string& b) {
    return a.size() != b.size() && std::ranges::all_of(a + b, [](char c) { return c >= '0' && c <= '9'; })
               ? a.size() < b.size()
               : a < b;
  };
  std::vector<std::string> found{""};
  for (std::size_t from = 0; from <= pattern.size();) {
    const std::size_t star = std::min(pattern.find('*', from), pattern.size());
    std::vector<std::string> next;
    for (const std::string& begun : found) {
      const std::string before = begun + pattern.substr(from, star - from);
      std::set<std::string, decltype(by_number)> names(by_number);
      for (const auto& [name, tensor] : file.tensors)
        if (name.starts_with(before))
          names.insert(name.substr(before.size(), name.find_first_of("./", before.size()) - before.size()));
      if (star == pattern.size()) {
        if (!names.empty()) next.push_back(before);
      } else {
        for (const std::string& name : names) next.push_back(before + name);
      }
    }
    found = std::move(next);
    from = star + 1;
  }
  if (found.empty())
    throw FormatError(ssm::detail::message(pattern, ": expected arrays whose names begin so, found none"));
  return found;
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
