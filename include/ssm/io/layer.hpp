#pragma once

#include "ssm/io/settings.hpp"
#include "ssm/layer/trainable.hpp"
#include "ssm/nn/parameter.hpp"

#include <set>

namespace ssm::io {

namespace detail {

inline constexpr const char* version = "3";
inline constexpr const char* transforms =
    "Lambda = A_re_max - exp(A_re_log) + i A_im where stored so, A_re_max being 0 unless it is there; dt = "
    "exp(log_dt); half of each conjugate pair";

/// @throws FormatError unless the file has this tensor, of this shape (sizes of 1 at the end may be missing)
inline void require_tensor(const File& file, const std::string& name, std::vector<Index> shape) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end())
    throw FormatError(ssm::detail::message(name, ": expected in the file, is not there"));
  while (shape.size() > 1 && shape.back() == 1) shape.pop_back();
  if (found->second.shape != shape)
    throw FormatError(
        ssm::detail::message(name, ": expected shape ", text(shape), ", got ", text(found->second.shape)));
}
/// Reads the settings of a layer's parameters, and makes their arrays as large as the file's.
/// @param old   whether the file is of version 1, where each kind had one method
template <class Parameters>
void size_layer(const File& file, const std::string& folder, bool old, Parameters& ssm) {
  Parameters::each_setting(ssm, [&](const std::string& key, auto& value) {
    using Value = std::remove_reference_t<decltype(value)>;
    for (const char* later : {"free_Q", "A_re_max"})  // what S4 got after version 3: no, and 0
      if (key.ends_with(later) && !file.metadata.contains(folder + key)) return;
    if constexpr (requires { name_of(value); }) {
      if (!old) take_value(file, folder + key, value);
    } else {
      if constexpr (std::is_same_v<Value, Index>)
        if (old && key == "states" && file.tensors.contains(folder + "B")) {  // of a dense system
          const auto& sizes = file.tensors.at(folder + "B").shape;            // in version 1 its N is nowhere else
          if (sizes.size() != 2)
            throw FormatError(ssm::detail::message(folder, "B: expected two sizes, got ", text(sizes)));
          value = sizes[1];
          return;
        }
      if constexpr (std::is_enum_v<Value>)
        if (const std::string word = need(file, folder + key); !word.empty() && word[0] >= '0' && word[0] <= '9') {
          value = number<Value>(file, folder + key);  // of version 1 and 2
          return;
        }
      take_value(file, folder + key, value);
    }
  });
  Parameters::each(ssm, [&](const std::string& name, auto& array, Role) {
    using Number = std::remove_cvref_t<decltype(*array.begin())>;
    constexpr bool is_complex = !std::is_floating_point_v<Number>;
    const auto found = file.tensors.find(folder + name + (is_complex ? "_ri" : ""));
    if (found == file.tensors.end())
      throw FormatError(ssm::detail::message(folder, name, ": expected in the file, is not there"));
    auto sizes = found->second.shape;
    if (is_complex && !sizes.empty() && sizes.back() == 2) sizes.pop_back();
    if (sizes.size() > 3)
      throw FormatError(ssm::detail::message(folder, name, ": expected at most three sizes, got ", text(sizes)));
    sizes.resize(3, 1);
    array = std::remove_reference_t<decltype(array)>(sizes[0], sizes[1], sizes[2]);
  });
}
/// @throws FormatError unless all arrays are finite
template <class T>
void require_finite(const std::vector<Parameter<T>>& arrays) {
  for (const auto& each : arrays)
    for (const auto value : each.values)
      if (!std::isfinite(value))
        throw FormatError(ssm::detail::message(each.name, ": expected finite numbers, got ", value));
}
/// @throws FormatError that names an array of the file that none of these is
template <class T>
void require_no_other(const File& file, const std::vector<Parameter<T>>& arrays, const std::string& folder = "",
                      std::set<std::string> known = {}) {
  for (const auto& each : arrays) known.insert(folder + each.name);
  for (const auto& [name, tensor] : file.tensors)
    if (!known.contains(name)) throw FormatError(ssm::detail::message(name, ": expected no such array"));
}
/// load(file), with the path before what is wrong.
template <class Load>
auto load_from(const std::filesystem::path& path, Load load_file) {
  const File file = read(path);
  try {
    return load_file(file);
  } catch (const FormatError& error) {
    throw FormatError(ssm::detail::message(path.string(), ": ", error.what()));
  }
}

}  // namespace detail

/// Parameters of a layer: what has settings and arrays, and a kind.
template <class P>
concept LayerParameters = requires(P& parameters, const P& same) {
  P::each(parameters, [](const auto&, auto&, Role) {});
  P::each_setting(parameters, [](const auto&, auto&) {});
  inputs_of(same);
};

namespace detail {

/// What makes parameters, of no size, of a layer of a kind that a file names. AnyParameters' are in io/any_layer.hpp.
template <class Parameters>
struct KindsOf {
  Parameters operator()(const std::string& kind) const {
    if (kind != Parameters::kind)
      throw FormatError(ssm::detail::message("layer: expected ", Parameters::kind, ", got ", kind));
    return {};
  }
};

}  // namespace detail

/// Writes the parameters of a single layer, whole or not at all: what it is, its settings and its arrays.
///
///     io::save("filter.safetensors", layer.parameters());
///     const S4D<float> again(io::load<S4DParameters<float>>("filter.safetensors"));
///
/// @param path         of the file
/// @param parameters   of any layer that the library has, or of your own with a `kind`; AnyParameters
/// @param metadata     what else the file is to say
/// @throws             Error if it cannot be written
template <LayerParameters Parameters>
void save(const std::filesystem::path& path, const Parameters& parameters,
          const std::map<std::string, std::string>& metadata = {}) {
  File file;
  file.metadata = metadata;
  file.metadata["format"] = "ssm layer";
  file.metadata["version"] = detail::version;
  file.metadata["transforms"] = detail::transforms;
  if constexpr (requires { parameters.kind(); })
    file.metadata["layer"] = parameters.kind();
  else
    file.metadata["layer"] = Parameters::kind;
  Parameters::each_setting(
      parameters, [&](const std::string& key, const auto& value) { detail::put_value(file, "ssm/" + key, value); });
  put(file, parameters_of(parameters), "ssm/");
  write(path, file);
}
/// Reads the parameters of a single layer. Strict: the kind must be this one, every array there, of its size and type,
/// finite, and none besides.
/// @tparam Parameters   S4DParameters<float> or others; AnyParameters<float>, with io/any_layer.hpp, for any kind
/// @param file          as `read` gives it, from a path or from memory
/// @param metadata      becomes what the file says besides, where it is asked for
/// @throws              FormatError that names what was expected and what came
template <LayerParameters Parameters, class Kinds = detail::KindsOf<Parameters>>
Parameters load(const File& file, std::map<std::string, std::string>* metadata = nullptr) try {
  if (const std::string format = detail::need(file, "format"); format != "ssm layer")
    throw FormatError(ssm::detail::message("format: expected 'ssm layer', got '", format, "'"));
  if (const std::string found = detail::need(file, "version"); found != detail::version)
    throw FormatError(ssm::detail::message("version: expected ", detail::version, ", got ", found));
  Parameters parameters = Kinds{}(detail::need(file, "layer"));
  detail::size_layer(file, "ssm/", false, parameters);
  const auto arrays = parameters_of(parameters);
  detail::require_no_other(file, arrays, "ssm/");
  take(file, arrays, "ssm/");
  detail::require_finite(arrays);
  if constexpr (requires { parameters.check(); }) parameters.check();
  if (metadata != nullptr) *metadata = file.metadata;
  return parameters;
} catch (const FormatError&) {
  throw;
} catch (const Error& error) {
  throw FormatError(error.what());
}
/// Reads them from a file.
/// @throws FormatError that names the file, what was expected and what came
template <LayerParameters Parameters, class Kinds = detail::KindsOf<Parameters>>
Parameters load(const std::filesystem::path& path, std::map<std::string, std::string>* metadata = nullptr) {
  return detail::load_from(path, [&](const File& file) { return load<Parameters, Kinds>(file, metadata); });
}

}  // namespace ssm::io
