#pragma once

#include "ssm/io/layer.hpp"
#include "ssm/nn/stack.hpp"

#include <set>

namespace ssm::io {

namespace detail {

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

/// Writes the metadata of a stack's file.
template <class Layer>
void describe(File& file, const nn::StackParameters<Layer>& weights) {
  file.metadata["format"] = "ssm stack";
  file.metadata["version"] = version;
  file.metadata["transforms"] = transforms;
  each_choice(weights.shape, false, [&](const char* key, const auto& value) { put_value(file, key, value); });
  put_value(file, "blocks", std::ssize(weights.blocks));
  for (std::size_t i = 0; i < weights.blocks.size(); ++i) {
    const std::string folder = "block" + std::to_string(i) + "/";
    const auto& block = weights.blocks[i];
    each_block_choice(block.shape, [&](const char* key, const auto& value) { put_value(file, folder + key, value); });
    file.metadata[folder + "layer"] = block.shape.layer ? ssm::detail::kind_of<Layer>(block.ssm) : "none";
    if (block.shape.layer)
      Layer::Parameters::each_setting(
          block.ssm, [&](const std::string& key, const auto& value) { put_value(file, folder + "ssm/" + key, value); });
  }
}

/// A linear map of these sizes, which the file must have before anything is made; none of no outputs.
template <class T>
nn::Linear<T> sized_map(const File& file, const std::string& name, Index inputs, Index outputs, bool bias) {
  if (outputs == 0) return {};
  require_tensor(file, name + "/W", {outputs, inputs});
  return nn::Linear<T>(inputs, outputs, bias);
}
/// The shape of a block of versions 1 and 2, whose blocks were all alike.
inline nn::BlockShape old_block(const File& file) {
  nn::BlockShape shape;
  shape.place = number<bool>(file, "pre_norm") ? nn::NormPlace::before : nn::NormPlace::after;
  shape.norm = number<bool>(file, "batch_norm") ? nn::NormKind::batch : nn::NormKind::layer;
  return shape;
}

/// Parameters of the one kind of layer that a stack has; of any kind in one of AnyLayer.
template <class Layer>
struct LayersOf {
  typename Layer::Parameters operator()(const std::string& kind) const {
    if constexpr (requires { Layer::Parameters::kind; }) {
      if (const std::string own = ssm::detail::kind_of<Layer>(typename Layer::Parameters{}); kind != own)
        throw FormatError(ssm::detail::message("layer: expected ", own, ", got ", kind));
      return {};
    } else {
      return KindsOf<typename Layer::Parameters>{}(kind);
    }
  }
};
/// Whether a type is a stack, and of what layers.
template <class Model>
struct StackOf;
template <class Own>
struct StackOf<nn::Stack<Own>> {
  using Layer = Own;
};
template <class Model>
concept StackModel = requires {
  typename StackOf<Model>::Layer;
};

/// Arrays of the sizes that a file says, to be filled.
/// @param make   make(kind): parameters of such a layer, of no size
template <class Layer, class Make>
nn::StackParameters<Layer> sized(const File& file, Make make) {
  using T = typename Layer::Scalar;
  if (need(file, "format") != "ssm stack")
    throw FormatError(ssm::detail::message("format: expected 'ssm stack', got '", need(file, "format"), "'"));
  const std::string found = need(file, "version");
  if (found != "1" && found != "2" && found != version)
    throw FormatError(ssm::detail::message("version: expected 1, 2 or ", version, ", got ", found));
  const bool old = found != version;
  nn::StackParameters<Layer> weights;
  auto& shape = weights.shape;
  each_choice(shape, old, [&](const char* key, auto& value) {
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
    throw FormatError(ssm::detail::message("self_test/input: expected shape ", text({trial_steps, shape.inputs}),
                                           ", got ", text(trial->second.shape)));
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
      each_block_choice(block.shape, [&](const char* key, auto& value) { take_value(file, folder + key, value); });
      kind = need(file, folder + "layer");
    }
    if (block.shape.channels > 4096)
      throw FormatError(ssm::detail::message(folder, "channels: expected at most 4096, got ", block.shape.channels));
    block.shape.layer = kind != "none";
    if (block.shape.layer) {
      block.ssm = make(kind);
      size_layer(file, folder + "ssm/", found == "1", block.ssm);
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
  require_no_other(file, parameters_of(weights), "", {"self_test/input", "self_test/output"});
  require_finite(parameters_of(weights));
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
/// @tparam Model     nn::Stack<S4D<float>> or others; nn::Stack<AnyLayer<float>>, with io/any_layer.hpp, for whatever
///                   is in the file
/// @tparam Kinds     of layers that a file may name: io::AnyKinds with your own among them, where those are to be read
/// @param file       as `read` gives it, from a path or from memory
/// @param sampling   the rate multiplies every dt; the trial is at the rate it was saved at
/// @param metadata   becomes what the file says besides, where it is asked for
/// @throws           FormatError that names what was expected and what came
template <detail::StackModel Model, class Kinds = detail::LayersOf<typename detail::StackOf<Model>::Layer>>
Model load(const File& file, Sampling sampling = {}, std::map<std::string, std::string>* metadata = nullptr) {
  return detail::load_by<typename detail::StackOf<Model>::Layer>(file, sampling, metadata, Kinds{});
}
/// Reads a model from a file.
/// @param path       of the file
/// @param sampling   the rate multiplies every dt; the trial is at the rate it was saved at
/// @param metadata   becomes what the file says besides, where it is asked for
/// @throws           FormatError that names the file, what was expected and what came
template <detail::StackModel Model, class Kinds = detail::LayersOf<typename detail::StackOf<Model>::Layer>>
Model load(const std::filesystem::path& path, Sampling sampling = {},
           std::map<std::string, std::string>* metadata = nullptr) {
  return detail::load_from(path, [&](const File& file) { return load<Model, Kinds>(file, sampling, metadata); });
}
/// Reads a model from memory: one that is compiled into a program, or came over a network.
/// @param bytes      those of a file
/// @param sampling   the rate multiplies every dt; the trial is at the rate it was saved at
/// @param metadata   becomes what the file says besides, where it is asked for
/// @throws           FormatError that names what was expected and what came
template <detail::StackModel Model, class Kinds = detail::LayersOf<typename detail::StackOf<Model>::Layer>>
Model load(std::span<const std::byte> bytes, Sampling sampling = {},
           std::map<std::string, std::string>* metadata = nullptr) {
  return load<Model, Kinds>(read(bytes), sampling, metadata);
}

}  // namespace ssm::io
