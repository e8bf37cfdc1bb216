#pragma once

#include "ssm/core/index.hpp"

#include <charconv>
#include <complex>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iterator>
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

/// A text or a number of a message. It is small and keeps no text of its own, so that a message costs little code where
/// it is made.
class MessagePart {
 public:
  MessagePart(std::string_view text) : kind_(Kind::Text), size_(text.size()), text_(text.data()) {}
  MessagePart(const char& letter) : MessagePart(std::string_view(&letter, 1)) {}
  MessagePart(std::integral auto number)
      : kind_(Kind::Whole),
        negative_(is_negative(number)),
        whole_(negative_ ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number)) {}
  MessagePart(std::floating_point auto number) : kind_(Kind::Real), real_(static_cast<double>(number)) {}
  template <class T>
  MessagePart(const std::complex<T>& number)
      : kind_(Kind::Complex),
        imaginary_(static_cast<double>(number.imag())),
        real_(static_cast<double>(number.real())) {}

  void append_to(std::string& all) const {
    switch (kind_) {
      case Kind::Text:
        all.append(text_, size_);
        break;
      case Kind::Whole:
        if (negative_) all += '-';
        append(all, whole_);
        break;
      case Kind::Real:
        append(all, real_);
        break;
      case Kind::Complex:
        all += '(';
        append(all, real_);
        all += ',';
        append(all, imaginary_);
        all += ')';
    }
  }

 private:
  enum class Kind { Text, Whole, Real, Complex };

  static constexpr bool is_negative(std::signed_integral auto number) { return number < 0; }
  static constexpr bool is_negative(std::unsigned_integral auto) { return false; }

  template <class Number>
  static void append(std::string& all, Number number) {
    char digits[32];  // of a double: a sign, 17 significant digits, a point and an exponent are 24 at most
    if constexpr (std::floating_point<Number>)
      all.append(digits, std::to_chars(digits, std::end(digits), number, std::chars_format::general, 17).ptr);
    else
      all.append(digits, std::to_chars(digits, std::end(digits), number).ptr);
  }

  Kind kind_;
  union {
    std::size_t size_;
    bool negative_;
    double imaginary_;
  };
  union {
    const char* text_;
    std::uint64_t whole_;
    double real_;
  };
};

inline std::string message_of(std::initializer_list<MessagePart> parts) {
  std::string all;
  for (const MessagePart& part : parts) part.append_to(all);
  return all;
}

/// The parts, written one after the other: "expected 3 features, got 4". Numbers have up to 17 digits and a point, also
/// where the program's locale writes them otherwise.
template <class... Parts>
std::string message(const Parts&... parts) {
  return message_of({MessagePart(parts)...});
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
