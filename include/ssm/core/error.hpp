#pragma once

#include "ssm/core/index.hpp"

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

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

/// The parts, written one after the other: "expected 3 features, got 4".
template <class... Parts>
std::string message(const Parts&... parts) {
  std::ostringstream text;
  text.precision(17);
  (text << ... << parts);
  return std::move(text).str();
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
