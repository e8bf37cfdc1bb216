#pragma once

#include "ssm/io/safetensors.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

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
      throw FormatError(ssm::detail::message("configuration: expected a JSON object, got ", error.what()));
    }
    if (!values_.is_object())
      throw FormatError(ssm::detail::message("configuration: expected a JSON object, got ", values_.type_name()));
  }
  /// Returns the object within it that has this name, as a configuration; messages name both.
  /// @throws FormatError that names it, if it is not there, or something else
  Configuration part(const std::string& name) const {
    const auto& value = need(name, "an object");
    if (!value.is_object()) fail(name, "an object", value);
    return {*this, value, within_ + name + '.'};
  }
  /// Returns whether there is an object by this name.
  bool has_part(const std::string& name) const { return has(name) && values_[name].is_object(); }
  /// Returns the objects that are listed by this name; one that stands alone is a list of one.
  /// @throws FormatError that names it, if it is not there, or something else
  std::vector<Configuration> parts(const std::string& name) const {
    const auto& value = need(name, "an object or a list of them");
    if (value.is_object()) return {part(name)};
    std::vector<Configuration> all;
    for (const auto& each : value) {
      if (!each.is_object()) fail(name, "objects in a list", value);
      all.push_back({*this, each, within_ + name + '.' + std::to_string(all.size()) + '.'});
    }
    if (all.empty()) fail(name, "an object or a list of them", value);
    return all;
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
    defaulted(name, otherwise ? "true" : "false");
    return otherwise;
  }
  /// Whether it is there and null, or "none".
  bool none(const std::string& name) const { return has(name) && (values_[name].is_null() || values_[name] == "none"); }
  /// Returns what was told, and which defaults stood in for what was not.
  std::vector<std::string> asked() const {
    std::vector<std::string> all(asked_->begin(), asked_->end());
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
  /// A whole number of things, at least 1.
  /// @param name   of the number
  /// @param most   the largest that makes sense
  /// @throws FormatError that names it, if it is not there, or something else
  Index count(const std::string& name, Index most) const {
    const std::string expected = "a whole number within 1 .. " + std::to_string(most);
    const auto& value = need(name, expected);
    if (!value.is_number() || !(value.get<double>() >= 1 && value.get<double>() <= static_cast<double>(most)) ||
        value.get<double>() != std::floor(value.get<double>()))
      fail(name, expected, value);
    return static_cast<Index>(value.get<double>());
  }
  /// A count; the project's default where it is not told, which `asked` says.
  Index count_or(const std::string& name, Index most, Index otherwise) const {
    if (has(name)) return count(name, most);
    defaulted(name, std::to_string(otherwise));
    return otherwise;
  }
  /// A number; the project's default where it is not told, which `asked` says.
  /// @throws FormatError that names it, if it is something else
  double number_or(const std::string& name, double otherwise) const {
    if (has(name)) return number(name);
    defaulted(name, ssm::detail::message(otherwise));
    return otherwise;
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

  /// One of some words, or an object whose `_name_` is one.
  /// @throws FormatError that names it and the words, if it is not there, or something else
  std::size_t named(const std::string& name, const std::vector<std::string>& words) const {
    return has_part(name) ? part(name).word("_name_", words) : word(name, words);
  }
  /// One of some words; the project's default where it is not told, which `asked` says.
  /// @throws FormatError that names it and the words, if it is something else
  std::size_t word_or(const std::string& name, const std::vector<std::string>& words,
                      const std::string& otherwise) const {
    if (has(name)) return word(name, words);
    defaulted(name, otherwise);
    return static_cast<std::size_t>(std::find(words.begin(), words.end(), otherwise) - words.begin());
  }

 private:
  Configuration(const Configuration& of, nlohmann::json values, std::string within)
      : values_(std::move(values)), within_(std::move(within)), asked_(of.asked_) {}
  void defaulted(const std::string& name, const std::string& value) const {
    asked_->insert(within_ + name + " = " + value + " (not told: the project's default)");
  }
  const nlohmann::json& need(const std::string& name, const std::string& values) const {
    const auto found = values_.find(name);
    if (found == values_.end())
      throw FormatError(ssm::detail::message("configuration '", within_, name, "': expected one of its values, ",
                                             values, ", which the arrays do not say; it is not there"));
    return *found;
  }
  [[noreturn]] void fail(const std::string& name, const std::string& expected, const nlohmann::json& got) const {
    throw FormatError(
        ssm::detail::message("configuration '", within_, name, "': expected ", expected, ", got ", got.dump()));
  }

  nlohmann::json values_ = nlohmann::json::object();
  std::string within_;  // names of the objects around
  std::shared_ptr<std::set<std::string>> asked_ = std::make_shared<std::set<std::string>>();  // defaults that were used
};

}  // namespace ssm::io
