#include "support/any_model.hpp"

template class ssm::nn::Stack<ssm::AnyLayer<float>>;
template class ssm::nn::Backpropagation<ssm::AnyLayer<float>>;
template class ssm::train::Trainer<ssm::AnyLayer<float>>;

namespace example {

namespace {

using namespace ssm;

template <class Layer, class Measure>
AnyModel made(Measure measure, const nn::StackShape& shape, Random& random) {
  const auto sizes = nn::layer_shape<Layer>(shape);
  return AnyModel(nn::StackParameters<AnyLayer<float>>(
      shape, random, [&](Index) { return AnyParameters<float>::of<Layer>(initial<Layer>(measure, sizes, random)); }));
}
template <class Layer, class Measure>
AnyModel made(Measure measure, const nn::StackShape& shape, bool both, Random& random) {
  return both ? made<Bidirectional<Layer>>(measure, shape, random) : made<Layer>(measure, shape, random);
}

}  // namespace

AnyModel make_any_model(const nn::StackShape& shape, const LayerChoice& choice, Random& random) {
  std::string kind = choice.kind;
  std::transform(kind.begin(), kind.end(), kind.begin(), [](unsigned char c) { return std::toupper(c); });
  if (kind == "S5") return made<S5<float>>(hippo::LegS{}, shape, choice.both, random);
  if (kind == "S4") return made<S4<float>>(hippo::LegS{}, shape, choice.both, random);
  if (choice.legs) return made<S4D<float>>(hippo::LegS{}, shape, choice.both, random);
  return made<S4D<float>>(diagonal::Linear{}, shape, choice.both, random);
}
AnyModel load_any_model(const std::filesystem::path& path, const std::string& task,
                        std::map<std::string, std::string>* metadata) {
  return load_model<AnyModel, AnyModelKinds>(path, task, {}, metadata);
}

}  // namespace example
