#pragma once

#include "ssm/core/index.hpp"

#include <charconv>
#include <concepts>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>

namespace ssm {

/// Base of everything the library throws.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Two sizes that must agree do not. The message names both.
struct ShapeError : Error {
  using Error::Error;
};

/// A value outside its domain: a time step that is not positive, a rate that is not finite, a length below zero.
struct DomainError : Error {
  using Error::Error;
};

namespace detail {

/// A text or a number of a message. It is small, so that a message costs little code where it is made.
using MessagePart = std::variant<std::string_view, long long, unsigned long long, double, std::complex<double>>;

inline std::string message_of(std::initializer_list<MessagePart> parts) {
  std::string all;
  const auto append = [&](auto number, auto... format) {
    char digits[32];  // of a double: a sign, 17 significant digits, a point and an exponent are 24 at most
    all.append(digits, std::to_chars(digits, std::end(digits), number, format...).ptr);
  };
  const auto append_double = [&](double number) { append(number, std::chars_format::general, 17); };
  for (const MessagePart& part : parts)
    if (const auto* const text = std::get_if<std::string_view>(&part))
      all += *text;
    else if (const auto* const whole = std::get_if<long long>(&part))
      append(*whole);
    else if (const auto* const natural = std::get_if<unsigned long long>(&part))
      append(*natural);
    else if (const auto* const number = std::get_if<double>(&part))
      append_double(*number);
    else if (const auto* const z = std::get_if<std::complex<double>>(&part)) {
      all += '(';
      append_double(z->real());
      all += ',';
      append_double(z->imag());
      all += ')';
    }
  return all;
}

inline MessagePart message_part(std::string_view text) { return text; }
template <class Number>
requires std::is_arithmetic_v<Number> MessagePart message_part(const Number& number) {
  if constexpr (std::same_as<Number, char>)
    return std::string_view(&number, 1);
  else if constexpr (std::signed_integral<Number>)
    return static_cast<long long>(number);
  else if constexpr (std::unsigned_integral<Number>)
    return static_cast<unsigned long long>(number);
  else
    return static_cast<double>(number);
}
template <class T>
MessagePart message_part(const std::complex<T>& number) {
  return std::complex<double>(number);
}

/// The parts, written one after the other: "expected 3 features, got 4". Numbers have up to 17 digits and a point, also
/// where the program's locale writes them otherwise.
template <class... Parts>
std::string message(const Parts&... parts) {
  return message_of({message_part(parts)...});
}

/// @throws ShapeError "what: expected E, got G" unless expected == got
inline void require_size(std::string_view what, Index expected, Index got) {
  if (expected != got) throw ShapeError(message(what, ": expected ", expected, ", got ", got));
}

/// @throws DomainError unless got >= least
inline void require_at_least(std::string_view what, Index least, Index got) {
  if (got < least) throw DomainError(message(what, ": expected at least ", least, ", got ", got));
}

/// @throws DomainError unless value is positive and finite
template <class T>
void require_positive(std::string_view what, T value) {
  if (!(value > T(0)) || !(value - value == T(0)))
    throw DomainError(message(what, ": expected a positive finite number, got ", value));
}

/// @throws DomainError unless 0 < low <= high, both finite
template <class T>
void require_range(std::string_view what, T low, T high) {
  require_positive(what, low);
  require_positive(what, high);
  if (!(high >= low)) throw DomainError(message(what, ": expected a range, got ", low, "..", high));
}

}  // namespace detail
}  // namespace ssm
