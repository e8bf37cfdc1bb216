#pragma once

#include "ssm/discretize/method.hpp"
#include "ssm/io/safetensors.hpp"
#include "ssm/layer/spectrum.hpp"
#include "ssm/nn/words.hpp"

#include <charconv>

/// Sizes and choices as the metadata of a file has them: words and numbers.
namespace ssm::io::detail {

inline const std::string& need(const File& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end())
    throw FormatError(ssm::detail::message("metadata '", key, "': expected in the file, is not there"));
  return found->second;
}
/// The place, among the words of an enumeration, of the one that the metadata has.
inline std::size_t place_of_word(const File& file, const std::string& key, std::span<const std::string_view> words) {
  const std::string& word = need(file, key);
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (word == words[i]) return i;
    all += (i == 0 ? "'" : i + 1 == words.size() ? " or '" : ", '") + std::string(words[i]) + "'";
  }
  throw FormatError(ssm::detail::message("metadata '", key, "': expected ", all, ", got '", word, "'"));
}

[[noreturn]] inline void fail_number(const File& file, const std::string& key, const char* expected) {
  throw FormatError(ssm::detail::message("metadata '", key, "': expected ", expected, ", got '", need(file, key), "'"));
}
inline double any_number(const File& file, const std::string& key) {
  const std::string& text = need(file, key);
  if (text == "inf" || text == "-inf") return (text[0] == '-' ? -1 : 1) * std::numeric_limits<double>::infinity();
  std::istringstream stream(text);
  double value = 0;
  if (!(stream >> value) || stream.peek() != std::istringstream::traits_type::eof()) fail_number(file, key, "a number");
  return value;
}
inline double whole_number(const File& file, const std::string& key) {
  constexpr double largest = 9007199254740992.0;  // 2^53: what is larger is no size of anything
  const double value = any_number(file, key);
  if (value != std::floor(value) || std::abs(value) > largest) fail_number(file, key, "a whole number");
  return value;
}
/// A number of the metadata, which must be one that Number has: whole where it counts, 0 or 1 where it says yes or no,
/// of an enumeration's where it is one.
template <class Number>
Number number(const File& file, const std::string& key) {
  if constexpr (std::is_floating_point_v<Number>) {
    return static_cast<Number>(any_number(file, key));
  } else {
    const double value = whole_number(file, key);
    if constexpr (std::is_same_v<Number, bool>)
      if (value != 0 && value != 1) fail_number(file, key, "0 or 1");
    if constexpr (std::is_enum_v<Number>)
      if (value < 0 || value >= static_cast<double>(words_of(Number{}).size()))
        fail_number(file, key, "one of its kinds");
    return static_cast<Number>(value);
  }
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
    throw FormatError(
        ssm::detail::message("metadata '", key, "': expected ", ssm::detail::names(method), ", got '", name, "'"));
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
  visit("step_seconds", shape.step_seconds);
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
    constexpr auto words = words_of(Value{});
    value = static_cast<Value>(place_of_word(file, key, words));
  } else if constexpr (requires { name_of(value); }) {
    read_method(file, key, value);
  } else {
    value = number<Value>(file, key);
  }
}

}  // namespace ssm::io::detail
