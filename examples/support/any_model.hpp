#pragma once

#include "support/block_options.hpp"
#include "support/training.hpp"

#include <ssm/io/any_layer.hpp>

namespace example {

/// A model whose layers are chosen when a program runs.
using AnyModel = ssm::nn::Stack<ssm::AnyLayer<float>>;
/// The kinds of layers that programs know.
using AnyModelKinds =
    ssm::io::Kinds<float, ssm::S4D<float>, ssm::S4<float>, ssm::S5<float>, ssm::Bidirectional<ssm::S4D<float>>,
                   ssm::Bidirectional<ssm::S4<float>>, ssm::Bidirectional<ssm::S5<float>>>;

/// Choices of a model's layers.
struct LayerChoice {
  std::string kind = "S4D";  ///< S4D, S4 or S5
  bool both = false;         ///< two of it, in both directions, added up
  bool legs = false;         ///< S4D begins with HiPPO's LegS, as S4 and S5 do, instead of S4D-Lin
};

/// Makes a model of a shape and a layer.
/// @throws ssm::DomainError if parts of it cannot go together
AnyModel make_any_model(const ssm::nn::StackShape& shape, const LayerChoice& choice, ssm::Random& random);
/// Reads one; `metadata` becomes what its file says besides.
/// @throws std::runtime_error that names the file if it is of another task; io::FormatError if it is no model
AnyModel load_any_model(const std::filesystem::path& path, const std::string& task,
                        std::map<std::string, std::string>* metadata = nullptr);

/// Adds options for the layers of a model.
/// @return   the options
inline std::vector<CLI::Option*> add_layer(CLI::App& app, LayerChoice& choice) {
  return {app.add_option("--layer", choice.kind, "kind of the layers")
              ->check(CLI::IsMember({"S4D", "S4", "S5"}, CLI::ignore_case))
              ->capture_default_str(),
          app.add_flag("--bidirectional", choice.both, "layers in both directions: no stream then"),
          app.add_flag("--legs", choice.legs, "S4D begins with HiPPO's LegS")};
}

}  // namespace example

/// Made once, in any_model.cpp: compiling it takes longer than a program.
extern template class ssm::nn::Stack<ssm::AnyLayer<float>>;
extern template class ssm::nn::Backpropagation<ssm::AnyLayer<float>>;
extern template class ssm::train::Trainer<ssm::AnyLayer<float>>;
