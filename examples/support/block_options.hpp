#pragma once

#include <ssm/nn/words.hpp>

#include <CLI/CLI.hpp>

#include <map>
#include <string>
#include <vector>

namespace example {

/// Adds an option whose values are an enumeration's words.
template <class Enum>
CLI::Option* add_words(CLI::App& app, const std::string& name, Enum& of, const std::string& what) {
  std::map<std::string, Enum> all;
  const auto words = words_of(Enum{});
  for (std::size_t i = 0; i < words.size(); ++i) all.emplace(words[i], static_cast<Enum>(i));
  return app.add_option(name, of, what)
      ->transform(CLI::CheckedTransformer(all, CLI::ignore_case))
      ->default_str(std::string(words[static_cast<std::size_t>(of)]));
}
/// Adds options for what every block of a model is made of.
/// @return   the options
inline std::vector<CLI::Option*> add_block(CLI::App& app, ssm::nn::StackShape& shape) {
  auto& block = shape.block;
  return {add_words(app, "--norm", block.norm, "normalization of every block"),
          add_words(app, "--norm-place", block.place, "where it stands"),
          add_words(app, "--residual", block.residual, "what a block adds to its result"),
          add_words(app, "--activation", block.activation, "of a layer's output"),
          add_words(app, "--mixing", block.mixing, "what mixes the features of a block"),
          app.add_option_function<ssm::Index>(
                 "--width", [&block](ssm::Index width) { block.width = width; },
                 "numbers between the mixing and a projection back to the features; no projection unless told")
              ->check(CLI::Range(1, 4096)),
          app.add_option("--channels", block.channels, "outputs of a layer for each feature")
              ->check(CLI::Range(1, 16))
              ->capture_default_str(),
          add_words(app, "--final-norm", shape.norm, "normalization after the last block")};
}

}  // namespace example
