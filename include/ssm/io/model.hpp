#pragma once

#include "ssm/io/safetensors.hpp"
#include "ssm/layer/s5_parameters.hpp"
#include "ssm/nn/stack.hpp"

#include <set>

namespace ssm::io {

namespace detail {

inline const std::string& need(const File& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) throw FormatError("metadata '" + key + "': expected in the file, is not there");
  return found->second;
}
/// The last kind of an enumeration that files hold.
inline nn::Pool last_of(nn::Pool) { return nn::Pool::none; }
inline Spectrum last_of(Spectrum) { return Spectrum::full; }
/// A number of the metadata, which must be one that Number has: whole where it counts, 0 or 1 where it says yes or no,
/// of an enumeration's where it is one.
template <class Number>
Number number(const File& file, const std::string& key) {
  const std::string& text = need(file, key);
  const auto fail = [&](const char* expected) {
    throw FormatError("metadata '" + key + "': expected " + expected + ", got '" + text + "'");
  };
  std::istringstream stream(text);
  double value = 0;
  if (text == "inf" || text == "-inf")
    value = (text[0] == '-' ? -1 : 1) * std::numeric_limits<double>::infinity();
  else if (!(stream >> value) || stream.peek() != std::istringstream::traits_type::eof())
    fail("a number");
  constexpr double largest = 9007199254740992.0;  // 2^53: what is larger is no size of anything
  if constexpr (!std::is_floating_point_v<Number>) {
    if (value != std::floor(value) || std::abs(value) > largest) fail("a whole number");
    if constexpr (std::is_same_v<Number, bool>)
      if (value != 0 && value != 1) fail("0 or 1");
    if constexpr (std::is_enum_v<Number>)
      if (value < 0 || value > static_cast<double>(last_of(Number{}))) fail("one of its kinds");
  }
  return static_cast<Number>(value);
}
template <class Number>
std::string text_of(Number value) {
  return ssm::detail::message(static_cast<double>(value));
}

/// Reads a discretization, which must be one that the variant has: "bilinear", "generalized bilinear 0.7".
template <class... Methods>
void read_method(const File& file, const std::string& key, std::variant<Methods...>& method) {
  const std::string& name = need(file, key);
  const auto matches = [&]<class Method>(Method candidate) {
    if constexpr (requires { candidate.alpha; }) {
      const std::string prefix = std::string(Method::name) + ' ';
      if (!name.starts_with(prefix)) return false;
      const char* const end = name.data() + name.size();
      const auto read = std::from_chars(name.data() + prefix.size(), end, candidate.alpha);
      if (read.ec != std::errc{} || read.ptr != end) return false;
    } else if (name != Method::name) {
      return false;
    }
    method = candidate;
    return true;
  };
  if (!(matches(Methods{}) || ...))
    throw FormatError("metadata '" + key + "': expected " + ssm::detail::names(method) + ", got '" + name + "'");
}

/// visit(key, number) for every size of a stack.
template <class Shape, class Visit>
void each_size(Shape& shape, Visit visit) {
  visit("inputs", shape.inputs);
  visit("symbols", shape.symbols);
  visit("features", shape.features);
  visit("states", shape.states);
  visit("layers", shape.layers);
  visit("outputs", shape.outputs);
  visit("pool", shape.pool);
  visit("pre_norm", shape.pre_norm);
  visit("batch_norm", shape.batch_norm);
  visit("dropout", shape.dropout);
  visit("dt_min", shape.dt_min);
  visit("dt_max", shape.dt_max);
}

/// A sequence that is the same for the same model, to try it with.
template <class Layer>
std::vector<typename Layer::Scalar> trial_input(const nn::StackShape& shape, Index steps) {
  Random random(20211030);  // of the day that S4 appeared
  std::vector<typename Layer::Scalar> u;
  for (Index i = 0; i < steps * shape.inputs; ++i)
    u.push_back(static_cast<typename Layer::Scalar>(
        shape.symbols > 0 ? std::floor(random.uniform() * static_cast<double>(shape.symbols)) : random.normal()));
  return u;
}
inline constexpr Index trial_steps = 64;
/// Returns the model's answer to it.
template <class Layer>
std::vector<typename Layer::Scalar> trial(const nn::Stack<Layer>& model, const std::vector<typename Layer::Scalar>& u) {
  using T = typename Layer::Scalar;
  const Index rows = model.answers(trial_steps);
  std::vector<T> answer(static_cast<std::size_t>(rows * model.shape().outputs));
  model.forward({u.data(), trial_steps, model.shape().inputs}, {answer.data(), rows, model.shape().outputs});
  return answer;
}

/// Writes the metadata of a stack's file.
template <class Layer>
void describe(File& file, const nn::StackParameters<Layer>& weights) {
  file.metadata["format"] = "ssm stack";
  file.metadata["version"] = "2";
  file.metadata["layer"] = Layer::Parameters::kind;
  file.metadata["transforms"] =
      "Lambda = -exp(A_re_log) + i A_im where stored so; dt = exp(log_dt); half of each conjugate pair";
  each_size(weights.shape, [&](const std::string& key, const auto& value) { file.metadata[key] = text_of(value); });
  for (std::size_t i = 0; i < weights.blocks.size(); ++i)
    Layer::Parameters::each_setting(weights.blocks[i].ssm, [&](const std::string& key, const auto& value) {
      std::string& text = file.metadata["block" + std::to_string(i) + "/ssm/" + key];
      if constexpr (requires { name_of(value); })
        text = name_of(value);
      else
        text = text_of(value);
    });
}

/// @throws FormatError unless the file has this tensor, of this shape (sizes of 1 at the end may be missing)
inline void require_tensor(const File& file, const std::string& name, std::vector<Index> shape) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) throw FormatError(name + ": expected in the file, is not there");
  while (shape.size() > 1 && shape.back() == 1) shape.pop_back();
  if (found->second.shape != shape)
    throw FormatError(name + ": expected shape " + text(shape) + ", got " + text(found->second.shape));
}

/// Arrays of the sizes that a file says, to be filled.
template <class Layer>
nn::StackParameters<Layer> sized(const File& file) {
  using T = typename Layer::Scalar;
  if (need(file, "format") != "ssm stack")
    throw FormatError("format: expected 'ssm stack', got '" + need(file, "format") + "'");
  const std::string version = need(file, "version");
  if (version != "1" && version != "2") throw FormatError("version: expected 1 or 2, got " + version);
  if (need(file, "layer") != Layer::Parameters::kind)
    throw FormatError(std::string("layer: expected ") + Layer::Parameters::kind + ", got " + need(file, "layer"));
  nn::StackParameters<Layer> weights;
  auto& shape = weights.shape;
  each_size(shape, [&](const std::string& key, auto& value) {
    value = number<std::remove_reference_t<decltype(value)>>(file, key);
  });
  shape.check();
  if (shape.layers > 4096) throw FormatError(ssm::detail::message("layers: expected at most 4096, got ", shape.layers));
  // what is made below is as large as these: they must be in the file before anything is made
  const Index H = shape.features;
  require_tensor(file, "encoder/W", shape.symbols > 0 ? std::vector{shape.symbols, H} : std::vector{H, shape.inputs});
  require_tensor(file, "decoder/W", {shape.outputs, H});
  for (Index i = 0; i < shape.layers; ++i) require_tensor(file, "block" + std::to_string(i) + "/mix/W", {2 * H, H});
  if (shape.symbols > 0)
    weights.encoder.W = Array<T>(shape.symbols, shape.features);
  else
    weights.encoder = nn::Linear<T>(shape.inputs, shape.features);
  for (Index i = 0; i < shape.layers; ++i) {
    const std::string folder = "block" + std::to_string(i) + "/ssm/";
    typename Layer::Parameters ssm;
    Layer::Parameters::each_setting(ssm, [&](const std::string& key, auto& value) {
      if constexpr (requires { name_of(value); }) {
        if (version != "1") read_method(file, folder + key, value);  // in version 1 each kind had one method
      } else {
        using Number = std::remove_reference_t<decltype(value)>;
        if constexpr (std::is_same_v<Number, Index>)
          if (version == "1" && key == "states" && file.tensors.contains(folder + "B")) {  // of a dense system
            const auto& sizes = file.tensors.at(folder + "B").shape;  // in version 1 its N is nowhere else
            if (sizes.size() != 2) throw FormatError(folder + "B: expected two sizes, got " + text(sizes));
            value = sizes[1];
            return;
          }
        value = number<Number>(file, folder + key);
      }
    });
    Layer::Parameters::each(ssm, [&](const std::string& name, auto& array, Role) {
      using Number = std::remove_cvref_t<decltype(*array.begin())>;
      constexpr bool is_complex = !std::is_floating_point_v<Number>;
      const auto found = file.tensors.find(folder + name + (is_complex ? "_ri" : ""));
      if (found == file.tensors.end()) throw FormatError(folder + name + ": expected in the file, is not there");
      auto sizes = found->second.shape;
      if (is_complex && !sizes.empty() && sizes.back() == 2) sizes.pop_back();
      if (sizes.size() > 3) throw FormatError(folder + name + ": expected at most three sizes, got " + text(sizes));
      sizes.resize(3, 1);
      array = std::remove_reference_t<decltype(array)>(sizes[0], sizes[1], sizes[2]);
    });
    weights.blocks.push_back({nn::Norm<T>(shape.features, shape.batch_norm), std::move(ssm),
                              nn::Linear<T>(shape.features, 2 * shape.features)});
  }
  weights.decoder = nn::Linear<T>(shape.features, shape.outputs);
  return weights;
}

}  // namespace detail

/// Writes a model, whole or not at all: its arrays, what it is, and a trial that `load` repeats.
/// @param path       of the file
/// @param model      any stack
/// @param metadata   what else the file is to say: labels, a rate
/// @throws           Error if it cannot be written
template <class Layer>
void save(const std::filesystem::path& path, const nn::Stack<Layer>& model,
          const std::map<std::string, std::string>& metadata = {}) {
  using T = typename Layer::Scalar;
  File file;
  file.metadata = metadata;
  detail::describe<Layer>(file, model.weights());
  file.metadata["rate"] = detail::text_of(model.rate());
  put(file, parameters_of(model.weights()));
  auto u = detail::trial_input<Layer>(model.shape(), detail::trial_steps);
  auto answer = detail::trial(model, u);
  put<T>(file,
         {{"self_test/input", {detail::trial_steps, model.shape().inputs}, u, Role::statistic},
          {"self_test/output", {model.answers(detail::trial_steps), model.shape().outputs}, answer, Role::statistic}});
  write(path, file);
}

/// Reads a model. Strict: the architecture must be this one, every array there, of its size and type, and none besides;
/// and the model must answer the file's trial as it did when it was saved.
/// @param file       as `read` gives it, from a path or from memory
/// @param sampling   the rate multiplies every dt; the trial is at the rate it was saved at
/// @param metadata   becomes what the file says besides, where it is asked for
/// @throws           FormatError that names what was expected and what came
template <class Model>
Model load(const File& file, Sampling sampling = {}, std::map<std::string, std::string>* metadata = nullptr) try {
  auto weights = [&]<class Layer>(const nn::Stack<Layer>*) {
    auto result = detail::sized<Layer>(file);
    take(file, parameters_of(result));
    return result;
  }(static_cast<const Model*>(nullptr));
  std::set<std::string> known{"self_test/input", "self_test/output"};
  for (const auto& each : parameters_of(weights)) known.insert(each.name);
  for (const auto& [name, tensor] : file.tensors)
    if (!known.contains(name)) throw FormatError(name + ": expected no such array");
  for (const auto& each : parameters_of(weights))
    for (const auto value : each.values)
      if (!std::isfinite(value))
        throw FormatError(ssm::detail::message(each.name, ": expected finite numbers, got ", value));
  const Model trained(weights, {detail::number<double>(file, "rate")});
  using T = typename Model::Scalar;
  std::vector<T> u(static_cast<std::size_t>(detail::trial_steps * trained.shape().inputs));
  std::vector<T> answer(static_cast<std::size_t>(trained.answers(detail::trial_steps) * trained.shape().outputs));
  take<T>(
      file,
      {{"self_test/input", {detail::trial_steps, trained.shape().inputs}, u, Role::statistic},
       {"self_test/output", {trained.answers(detail::trial_steps), trained.shape().outputs}, answer, Role::statistic}});
  const auto got = detail::trial(trained, u);
  double peak = 0, error = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    peak = std::max(peak, std::abs(static_cast<double>(answer[i])));
    const double off = std::abs(static_cast<double>(got[i]) - static_cast<double>(answer[i]));
    error = std::isnan(error) || off <= error ? error : off;  // NaN stays
  }
  if (!(error <= (sizeof(T) == 4 ? 1e-4 : 1e-9) * peak))
    throw FormatError(ssm::detail::message("self-test: expected the answer in the file, got one ", error,
                                           " away from it, of ", peak));
  if (metadata != nullptr) *metadata = file.metadata;
  return Model(std::move(weights), sampling);
} catch (const FormatError&) {
  throw;
} catch (const Error& error) {
  throw FormatError(error.what());
}

/// Reads a model from a file.
/// @param path       of the file
/// @param sampling   the rate multiplies every dt; the trial is at the rate it was saved at
/// @param metadata   becomes what the file says besides, where it is asked for
/// @throws           FormatError that names the file, what was expected and what came
template <class Model>
Model load(const std::filesystem::path& path, Sampling sampling = {},
           std::map<std::string, std::string>* metadata = nullptr) {
  const File file = read(path);
  try {
    return load<Model>(file, sampling, metadata);
  } catch (const FormatError& error) {
    throw FormatError(path.string() + ": " + error.what());
  }
}
/// Reads a model from memory: one that is compiled into a program, or came over a network.
/// @param bytes      those of a file
/// @param sampling   the rate multiplies every dt; the trial is at the rate it was saved at
/// @param metadata   becomes what the file says besides, where it is asked for
/// @throws           FormatError that names what was expected and what came
template <class Model>
Model load(std::span<const std::byte> bytes, Sampling sampling = {},
           std::map<std::string, std::string>* metadata = nullptr) {
  return load<Model>(read(bytes), sampling, metadata);
}

}  // namespace ssm::io
