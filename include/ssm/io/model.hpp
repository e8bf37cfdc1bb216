#pragma once

#include "ssm/io/safetensors.hpp"
#include "ssm/layer/spectrum.hpp"
#include "ssm/nn/stack.hpp"

#include <set>

namespace ssm::io {

namespace detail {

inline const std::string& need(const File& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) throw FormatError("metadata '" + key + "': expected in the file, is not there");
  return found->second;
}
/// Words for the values of an enumeration, in their order; files hold them. @{
inline constexpr auto words_of(nn::Pool) {
  return std::to_array<std::string_view>({"mean", "last", "none", "first", "sum"});
}
inline constexpr auto words_of(nn::Encoder) {
  return std::to_array<std::string_view>({"linear", "none", "embedding", "one-hot"});
}
inline constexpr auto words_of(nn::NormKind) {
  return std::to_array<std::string_view>({"none", "layer", "batch", "rms", "scalar"});
}
inline constexpr auto words_of(nn::NormPlace) { return std::to_array<std::string_view>({"before", "after"}); }
inline constexpr auto words_of(nn::Residual) { return std::to_array<std::string_view>({"input", "normed", "none"}); }
inline constexpr auto words_of(nn::Mixing) {
  return std::to_array<std::string_view>({"none", "linear", "glu", "half glu 1", "half glu 2"});
}
inline constexpr auto words_of(nn::Activation) {
  return std::to_array<std::string_view>(
      {"identity", "gelu", "tanh gelu", "relu", "silu", "tanh", "sigmoid", "softplus", "glu"});
}
inline constexpr auto words_of(Spectrum) { return std::to_array<std::string_view>({"half", "full"}); }
/// @}
/// The value of an enumeration that a word of the metadata stands for.
template <class Enum>
Enum value_of_word(const File& file, const std::string& key) {
  constexpr auto words = words_of(Enum{});
  const std::string& word = need(file, key);
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (word == words[i]) return static_cast<Enum>(i);
    all += (i == 0 ? "'" : i + 1 == words.size() ? " or '" : ", '") + std::string(words[i]) + "'";
  }
  throw FormatError("metadata '" + key + "': expected " + all + ", got '" + word + "'");
}

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
      if (value < 0 || value >= static_cast<double>(words_of(Number{}).size())) fail("one of its kinds");
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

/// visit(key, value) for all that a file says of a stack but for its blocks; an old one, of version 1 or 2, says less.
template <class Shape, class Visit>
void each_choice(Shape& shape, bool old, Visit visit) {
  visit("inputs", shape.inputs);
  visit("symbols", shape.symbols);
  visit("features", shape.features);
  visit("states", shape.states);
  visit("layers", shape.layers);
  visit("outputs", shape.outputs);
  visit("pool", shape.pool);
  visit("dropout", shape.dropout);
  visit("dt_min", shape.dt_min);
  visit("dt_max", shape.dt_max);
  if (old) return;
  visit("dropout_shared", shape.dropout_shared);
  visit("encoder", shape.encoder);
  visit("zero_symbol", shape.zero_symbol);
  visit("norm", shape.norm);
  visit("epsilon", shape.epsilon);
  visit("momentum", shape.momentum);
  visit("decoder", shape.decoder);
  visit("log_softmax", shape.log_softmax);
  visit("compare", shape.compare);
  visit("compare_activation", shape.compare_activation);
}
/// visit(key, value) for all that a file says of a block but for its layer.
template <class Shape, class Visit>
void each_block_choice(Shape& shape, Visit visit) {
  visit("norm", shape.norm);
  visit("place", shape.place);
  visit("epsilon", shape.epsilon);
  visit("momentum", shape.momentum);
  visit("residual", shape.residual);
  visit("channels", shape.channels);
  visit("activation", shape.activation);
  visit("mixing", shape.mixing);
  visit("gate", shape.gate);
  visit("width", shape.width);
  visit("bias", shape.bias);
}
/// Writes a value into the metadata: a word, a number, or nothing where it is not set.
template <class Value>
void put_value(File& file, const std::string& key, const Value& value) {
  if constexpr (requires { value.has_value(); }) {
    if (value) put_value(file, key, *value);
  } else if constexpr (std::is_enum_v<Value>) {
    file.metadata[key] = words_of(value)[static_cast<std::size_t>(value)];
  } else if constexpr (requires { name_of(value); }) {
    file.metadata[key] = name_of(value);
  } else {
    file.metadata[key] = text_of(value);
  }
}
/// Reads what `put_value` wrote.
template <class Value>
void take_value(const File& file, const std::string& key, Value& value) {
  if constexpr (requires { value.has_value(); }) {
    value.reset();
    if (file.metadata.contains(key)) take_value(file, key, value.emplace());
  } else if constexpr (std::is_enum_v<Value>) {
    value = value_of_word<Value>(file, key);
  } else if constexpr (requires { name_of(value); }) {
    read_method(file, key, value);
  } else {
    value = number<Value>(file, key);
  }
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
/// Rows of the answer to it.
template <class Layer>
Index trial_rows(const nn::Stack<Layer>& model) {
  return model.shape().compare ? 1 : model.answers(trial_steps);
}
/// Returns the model's answer to it; of a model that compares, to its two halves.
template <class Layer>
std::vector<typename Layer::Scalar> trial(const nn::Stack<Layer>& model, const std::vector<typename Layer::Scalar>& u) {
  using T = typename Layer::Scalar;
  const Index rows = trial_rows(model), inputs = model.shape().inputs, half = trial_steps / 2;
  std::vector<T> answer(static_cast<std::size_t>(rows * model.shape().outputs));
  const Sequence<T> to(answer.data(), rows, model.shape().outputs);
  if (model.shape().compare)
    model.forward({u.data(), half, inputs}, {u.data() + half * inputs, half, inputs}, to);
  else
    model.forward({u.data(), trial_steps, inputs}, to);
  return answer;
}

/// Name of the kind of layer that parameters are of.
template <class Parameters>
std::string kind_of(const Parameters& parameters) {
  if constexpr (requires { parameters.kind(); })
    return parameters.kind();
  else
    return Parameters::kind;
}
/// Parameters of the one kind of layer that a type knows.
template <class Layer>
struct OneKind {
  typename Layer::Parameters operator()(const std::string& kind) const {
    if (kind != Layer::Parameters::kind)
      throw FormatError("layer: expected " + std::string(Layer::Parameters::kind) + ", got " + kind);
    return {};
  }
};

/// Writes the metadata of a stack's file.
template <class Layer>
void describe(File& file, const nn::StackParameters<Layer>& weights) {
  file.metadata["format"] = "ssm stack";
  file.metadata["version"] = "3";
  file.metadata["transforms"] =
      "Lambda = -exp(A_re_log) + i A_im where stored so; dt = exp(log_dt); half of each conjugate pair";
  each_choice(weights.shape, false, [&](const std::string& key, const auto& value) { put_value(file, key, value); });
  put_value(file, "blocks", std::ssize(weights.blocks));
  for (std::size_t i = 0; i < weights.blocks.size(); ++i) {
    const std::string folder = "block" + std::to_string(i) + "/";
    const auto& block = weights.blocks[i];
    each_block_choice(block.shape,
                      [&](const std::string& key, const auto& value) { put_value(file, folder + key, value); });
    file.metadata[folder + "layer"] = block.shape.layer ? kind_of(block.ssm) : "none";
    if (block.shape.layer)
      Layer::Parameters::each_setting(
          block.ssm, [&](const std::string& key, const auto& value) { put_value(file, folder + "ssm/" + key, value); });
  }
}

/// @throws FormatError unless the file has this tensor, of this shape (sizes of 1 at the end may be missing)
inline void require_tensor(const File& file, const std::string& name, std::vector<Index> shape) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) throw FormatError(name + ": expected in the file, is not there");
  while (shape.size() > 1 && shape.back() == 1) shape.pop_back();
  if (found->second.shape != shape)
    throw FormatError(name + ": expected shape " + text(shape) + ", got " + text(found->second.shape));
}
/// A linear map of these sizes, which the file must have before anything is made; none of no outputs.
template <class T>
nn::Linear<T> sized_map(const File& file, const std::string& name, Index inputs, Index outputs, bool bias) {
  if (outputs == 0) return {};
  require_tensor(file, name + "/W", {outputs, inputs});
  return nn::Linear<T>(inputs, outputs, bias);
}
/// Reads the settings of a layer's parameters, and makes their arrays as large as the file's.
/// @param old   whether the file is of version 1, where each kind had one method
template <class Parameters>
void size_layer(const File& file, const std::string& folder, bool old, Parameters& ssm) {
  Parameters::each_setting(ssm, [&](const std::string& key, auto& value) {
    using Value = std::remove_reference_t<decltype(value)>;
    if constexpr (requires { name_of(value); }) {
      if (!old) take_value(file, folder + key, value);
    } else {
      if constexpr (std::is_same_v<Value, Index>)
        if (old && key == "states" && file.tensors.contains(folder + "B")) {  // of a dense system
          const auto& sizes = file.tensors.at(folder + "B").shape;            // in version 1 its N is nowhere else
          if (sizes.size() != 2) throw FormatError(folder + "B: expected two sizes, got " + text(sizes));
          value = sizes[1];
          return;
        }
      if constexpr (std::is_enum_v<Value>)
        if (const std::string& word = need(file, folder + key); !word.empty() && word[0] >= '0' && word[0] <= '9') {
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
    if (found == file.tensors.end()) throw FormatError(folder + name + ": expected in the file, is not there");
    auto sizes = found->second.shape;
    if (is_complex && !sizes.empty() && sizes.back() == 2) sizes.pop_back();
    if (sizes.size() > 3) throw FormatError(folder + name + ": expected at most three sizes, got " + text(sizes));
    sizes.resize(3, 1);
    array = std::remove_reference_t<decltype(array)>(sizes[0], sizes[1], sizes[2]);
  });
}
/// The shape of a block of versions 1 and 2, whose blocks were all alike.
inline nn::BlockShape old_block(const File& file) {
  nn::BlockShape shape;
  shape.place = number<bool>(file, "pre_norm") ? nn::NormPlace::before : nn::NormPlace::after;
  shape.norm = number<bool>(file, "batch_norm") ? nn::NormKind::batch : nn::NormKind::layer;
  return shape;
}

/// Arrays of the sizes that a file says, to be filled.
/// @param make   make(kind): parameters of such a layer, of no size
template <class Layer, class Make>
nn::StackParameters<Layer> sized(const File& file, Make make) {
  using T = typename Layer::Scalar;
  if (need(file, "format") != "ssm stack")
    throw FormatError("format: expected 'ssm stack', got '" + need(file, "format") + "'");
  const std::string version = need(file, "version");
  if (version != "1" && version != "2" && version != "3")
    throw FormatError("version: expected 1, 2 or 3, got " + version);
  const bool old = version != "3";
  nn::StackParameters<Layer> weights;
  auto& shape = weights.shape;
  each_choice(shape, old, [&](const std::string& key, auto& value) {
    using Value = std::remove_reference_t<decltype(value)>;
    if constexpr (std::is_enum_v<Value>)
      if (old) return void(value = number<Value>(file, key));
    take_value(file, key, value);
  });
  if (old && shape.symbols > 0) shape.encoder = nn::Encoder::embedding;
  shape.check();
  const Index H = shape.features, blocks = old ? shape.layers : number<Index>(file, "blocks");
  if (shape.layers > 4096) throw FormatError(ssm::detail::message("layers: expected at most 4096, got ", shape.layers));
  if (blocks < 0 || blocks > 8192)
    throw FormatError(ssm::detail::message("blocks: expected within 0..8192, got ", blocks));
  // what is made is as large as the file says: it must be in the file before anything is made
  const auto trial = file.tensors.find("self_test/input");
  if (trial == file.tensors.end()) throw FormatError("self_test/input: expected in the file, is not there");
  if (trial->second.shape != std::vector<Index>{trial_steps, shape.inputs})
    throw FormatError("self_test/input: expected shape " + text({trial_steps, shape.inputs}) + ", got " +
                      text(trial->second.shape));
  if (shape.has_symbols()) {
    require_tensor(file, "encoder/W", {shape.symbols, H});
    weights.encoder.W = Array<T>(shape.symbols, H);
    if (shape.encoder == nn::Encoder::one_hot) weights.encoder.b = Array<T>(H);
  } else if (shape.encoder == nn::Encoder::linear) {
    weights.encoder = sized_map<T>(file, "encoder", shape.inputs, H, true);
  }
  if (shape.decoder) weights.decoder = sized_map<T>(file, "decoder", H, shape.outputs, true);
  if (shape.compare) weights.compare = sized_map<T>(file, "compare", 4 * H, H, true);
  for (Index i = 0; i < blocks; ++i) {
    const std::string folder = "block" + std::to_string(i) + "/";
    nn::BlockParameters<Layer> block;
    std::string kind;
    if (old) {
      block.shape = old_block(file);
      kind = need(file, "layer");
    } else {
      each_block_choice(block.shape,
                        [&](const std::string& key, auto& value) { take_value(file, folder + key, value); });
      kind = need(file, folder + "layer");
    }
    if (block.shape.channels > 4096)
      throw FormatError(ssm::detail::message(folder, "channels: expected at most 4096, got ", block.shape.channels));
    block.shape.layer = kind != "none";
    if (block.shape.layer) {
      block.ssm = make(kind);
      size_layer(file, folder + "ssm/", version == "1", block.ssm);
    }
    const nn::BlockSizes sizes = block.sizes(H);
    if (block.shape.norm != nn::NormKind::none)
      require_tensor(file, folder + "norm/weight", {block.shape.norm == nn::NormKind::scalar ? 1 : H});
    block.norm = nn::Norm<T>(H, block.shape.norm);
    block.mix = sized_map<T>(file, folder + "mix", sizes.active, sizes.wide, block.shape.bias);
    if (block.shape.width) block.project = sized_map<T>(file, folder + "project", sizes.mixed, H, block.shape.bias);
    if (i == 0) shape.block = block.shape;
    weights.blocks.push_back(std::move(block));
  }
  if (shape.norm != nn::NormKind::none)
    require_tensor(file, "norm/weight", {shape.norm == nn::NormKind::scalar ? 1 : H});
  weights.norm = nn::Norm<T>(H, shape.norm);
  return weights;
}

/// Reads a model whose layers `make` makes by their names.
template <class Layer, class Make>
nn::Stack<Layer> load_by(const File& file, Sampling sampling, std::map<std::string, std::string>* metadata,
                         Make make) try {
  using T = typename Layer::Scalar;
  auto weights = sized<Layer>(file, make);
  take(file, parameters_of(weights));
  std::set<std::string> known{"self_test/input", "self_test/output"};
  for (const auto& each : parameters_of(weights)) known.insert(each.name);
  for (const auto& [name, tensor] : file.tensors)
    if (!known.contains(name)) throw FormatError(name + ": expected no such array");
  for (const auto& each : parameters_of(weights))
    for (const auto value : each.values)
      if (!std::isfinite(value))
        throw FormatError(ssm::detail::message(each.name, ": expected finite numbers, got ", value));
  const nn::Stack<Layer> trained(weights, {number<double>(file, "rate")});
  std::vector<T> u(static_cast<std::size_t>(trial_steps * trained.shape().inputs));
  const Index rows = trial_rows(trained);
  std::vector<T> answer(static_cast<std::size_t>(rows * trained.shape().outputs));
  take<T>(file, {{"self_test/input", {trial_steps, trained.shape().inputs}, u, Role::statistic},
                 {"self_test/output", {rows, trained.shape().outputs}, answer, Role::statistic}});
  const auto got = trial(trained, u);
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
  return nn::Stack<Layer>(std::move(weights), sampling);
} catch (const FormatError&) {
  throw;
} catch (const Error& error) {
  throw FormatError(error.what());
}
/// load(file), with the path before what is wrong.
template <class Load>
auto load_from(const std::filesystem::path& path, Load load_file) {
  const File file = read(path);
  try {
    return load_file(file);
  } catch (const FormatError& error) {
    throw FormatError(path.string() + ": " + error.what());
  }
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
  put<T>(file, {{"self_test/input", {detail::trial_steps, model.shape().inputs}, u, Role::statistic},
                {"self_test/output", {detail::trial_rows(model), model.shape().outputs}, answer, Role::statistic}});
  write(path, file);
}

/// Reads a model. Strict: the architecture must be this one, every array there, of its size and type, and none besides;
/// and the model must answer the file's trial as it did when it was saved.
/// @param file       as `read` gives it, from a path or from memory
/// @param sampling   the rate multiplies every dt; the trial is at the rate it was saved at
/// @param metadata   becomes what the file says besides, where it is asked for
/// @throws           FormatError that names what was expected and what came
template <class Model>
Model load(const File& file, Sampling sampling = {}, std::map<std::string, std::string>* metadata = nullptr) {
  return [&]<class Layer>(const nn::Stack<Layer>*) {
    return detail::load_by<Layer>(file, sampling, metadata, detail::OneKind<Layer>{});
  }(static_cast<const Model*>(nullptr));
}

/// Reads a model from a file.
/// @param path       of the file
/// @param sampling   the rate multiplies every dt; the trial is at the rate it was saved at
/// @param metadata   becomes what the file says besides, where it is asked for
/// @throws           FormatError that names the file, what was expected and what came
template <class Model>
Model load(const std::filesystem::path& path, Sampling sampling = {},
           std::map<std::string, std::string>* metadata = nullptr) {
  return detail::load_from(path, [&](const File& file) { return load<Model>(file, sampling, metadata); });
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
