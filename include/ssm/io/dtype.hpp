#pragma once

#include "ssm/core/error.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Models and checkpoints as files. Needs nlohmann/json (target ssm::io), so it is not in <ssm/ssm.hpp>.
namespace ssm::io {

/// A file that is not what was expected. The message names the file, what was expected and what came.
struct FormatError : Error {
  using Error::Error;
};

/// Numbers of a file, row-major.
struct Tensor {
  std::string type;          ///< F64, F32, F16, BF16, C64, I64 .. U8, BOOL
  std::vector<Index> shape;  ///< sizes
  std::string bytes;         ///< little-endian
};

namespace detail {

/// A type of numbers that files hold.
struct Dtype {
  enum Kind { floating, complex, integer, other };
  std::string_view name;
  Index bytes;
  Kind kind;
};
/// All types of the safetensors format whose numbers take whole bytes.
inline constexpr std::array<Dtype, 17> dtypes{{{"F64", 8, Dtype::floating},
                                               {"F32", 4, Dtype::floating},
                                               {"F16", 2, Dtype::floating},
                                               {"BF16", 2, Dtype::floating},
                                               {"C64", 8, Dtype::complex},
                                               {"I64", 8, Dtype::integer},
                                               {"I32", 4, Dtype::integer},
                                               {"I16", 2, Dtype::integer},
                                               {"I8", 1, Dtype::integer},
                                               {"U64", 8, Dtype::integer},
                                               {"U32", 4, Dtype::integer},
                                               {"U16", 2, Dtype::integer},
                                               {"U8", 1, Dtype::integer},
                                               {"BOOL", 1, Dtype::integer},
                                               {"F8_E4M3", 1, Dtype::other},
                                               {"F8_E5M2", 1, Dtype::other},
                                               {"F8_E8M0", 1, Dtype::other}}};
/// The type of this name, or none.
inline std::optional<Dtype> dtype(std::string_view name) {
  for (const Dtype& each : dtypes)
    if (each.name == name) return each;
  return {};
}

/// A number of half precision, IEEE 754's.
inline double from_half(std::uint16_t bits) noexcept {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023, sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31)
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25));
}

/// Number i of raw bytes as U.
template <class U>
U raw(const std::string& bytes, std::size_t i) noexcept {
  U value;
  std::memcpy(&value, bytes.data() + i * sizeof(U), sizeof(U));
  return value;
}

}  // namespace detail

/// Returns a tensor's numbers as fp64; those of C64 follow one another as (re, im).
///
/// @param name     what messages call it
/// @param tensor   of any type of safetensors that has whole bytes
/// @throws         FormatError if fp64 cannot hold a number exactly (a large integer), or the type is one of 8 bits
inline std::vector<double> numbers(const std::string& name, const Tensor& tensor) {
  using detail::raw;
  std::vector<double> all;
  const auto read = [&]<class U>(U, auto convert) {
    const std::size_t count = tensor.bytes.size() / sizeof(U);
    all.reserve(count);
    for (std::size_t i = 0; i < count; ++i) all.push_back(convert(raw<U>(tensor.bytes, i)));
  };
  const auto exactly = [&](auto value) {
    const auto wide = static_cast<double>(value);
    constexpr double limit = 9007199254740992.0;  // 2^53
    if (wide > limit || wide < -limit)
      throw FormatError(ssm::detail::message(name, ": expected integers that fp64 can hold, got ", value));
    return wide;
  };
  const auto plain = [](auto value) { return static_cast<double>(value); };
  const std::string& type = tensor.type;
  if (type == "F64")
    read(double{}, plain);
  else if (type == "F32" || type == "C64")
    read(float{}, plain);
  else if (type == "F16")
    read(std::uint16_t{}, detail::from_half);
  else if (type == "BF16")
    read(std::uint16_t{}, [](std::uint16_t bits) { return double(std::bit_cast<float>(std::uint32_t{bits} << 16)); });
  else if (type == "I64")
    read(std::int64_t{}, exactly);
  else if (type == "U64")
    read(std::uint64_t{}, exactly);
  else if (type == "I32")
    read(std::int32_t{}, plain);
  else if (type == "U32")
    read(std::uint32_t{}, plain);
  else if (type == "I16")
    read(std::int16_t{}, plain);
  else if (type == "U16")
    read(std::uint16_t{}, plain);
  else if (type == "I8")
    read(std::int8_t{}, plain);
  else if (type == "U8" || type == "BOOL")
    read(std::uint8_t{}, plain);
  else
    throw FormatError(ssm::detail::message(name, ": expected numbers that can be converted, got ", type));
  return all;
}

}  // namespace ssm::io
