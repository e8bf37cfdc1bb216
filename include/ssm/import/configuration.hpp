#pragma once

#include "ssm/io/safetensors.hpp"

#include <algorithm>

namespace ssm::io {

/// Names and values that only the configuration of a training knows of its weights, as the project they are from has
/// them. A value that is needed and not there is asked for by name, never guessed: two choices can fit the same
/// numbers.
class Configuration {
 public:
  Configuration() = default;
  /// Reads a JSON object: {"bidirectional": true, "activation": "half_glu1"}.
  /// @throws FormatError if it is none
  explicit Configuration(const std::string& json) {
    try {
      values_ = nlohmann::json::parse(json);
    } catch (const nlohmann::json::exception& error) {
      throw FormatError(std::string("configuration: expected a JSON object, got ") + error.what());
    }
    if (!values_.is_object())
      throw FormatError("configuration: expected a JSON object, got " + std::string(values_.type_name()));
  }

  /// Whether it says something by this name.
  bool has(const std::string& name) const { return values_.contains(name); }
  /// Yes or no.
  /// @throws FormatError that names it, if it is not there, or something else
  bool yes(const std::string& name) const {
    const auto& value = need(name, "true or false");
    if (!value.is_boolean()) fail(name, "true or false", value);
    return value.get<bool>();
  }
  /// Yes or no; the project's default where it is not told, which `asked` says.
  /// @throws FormatError that names it, if it is something else
  bool yes_or(const std::string& name, bool otherwise) const {
    if (has(name)) return yes(name);
    asked_.insert(name + " = " + (otherwise ? "true" : "false") + " (not told: the project's default)");
    return otherwise;
  }
  /// Whether it is there and null, or "none".
  bool none(const std::string& name) const { return has(name) && (values_[name].is_null() || values_[name] == "none"); }
  /// Returns what was told, and which defaults stood in for what was not.
  std::vector<std::string> asked() const {
    std::vector<std::string> all(asked_.begin(), asked_.end());
    for (const auto& [name, value] : values_.items()) all.push_back(name + " = " + value.dump());
    return all;
  }
  /// A number.
  /// @throws FormatError that names it, if it is not there, or something else
  double number(const std::string& name) const {
    const auto& value = need(name, "a number");
    if (!value.is_number()) fail(name, "a number", value);
    return value.get<double>();
  }
  /// One of some words; returns which.
  /// @throws FormatError that names it and the words, if it is not there, or something else
  std::size_t word(const std::string& name, const std::vector<std::string>& words) const {
    std::string all;
    for (const auto& each : words) all += (all.empty() ? "" : ", ") + each;
    const auto& value = need(name, all);
    if (value.is_string())
      for (std::size_t i = 0; i < words.size(); ++i)
        if (value.get<std::string>() == words[i]) return i;
    fail(name, all, value);
  }

  /// One of some words; the project's default where it is not told, which `asked` says.
  /// @throws FormatError that names it and the words, if it is something else
  std::size_t word_or(const std::string& name, const std::vector<std::string>& words,
                      const std::string& otherwise) const {
    if (has(name)) return word(name, words);
    asked_.insert(name + " = " + otherwise + " (not told: the project's default)");
    return static_cast<std::size_t>(std::find(words.begin(), words.end(), otherwise) - words.begin());
  }

 private:
  const nlohmann::json& need(const std::string& name, const std::string& values) const {
    const auto found = values_.find(name);
    if (found == values_.end())
      throw FormatError("configuration '" + name + "': expected one of its values, " + values +
                        ", which the arrays do not say; it is not there");
    return *found;
  }
  [[noreturn]] static void fail(const std::string& name, const std::string& expected, const nlohmann::json& got) {
    throw FormatError("configuration '" + name + "': expected " + expected + ", got " + got.dump());
  }

  nlohmann::json values_ = nlohmann::json::object();
  mutable std::set<std::string> asked_;  // defaults that were used
};

}  // namespace ssm::io
