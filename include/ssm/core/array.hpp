#pragma once

#include "ssm/core/aligned.hpp"
#include "ssm/core/error.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace ssm {

/// Owned numbers in row-major order with up to three sizes, beginning at a cache line; what parameters, states and
/// layers are made of.
///
/// Not an Eigen matrix: those have two sizes, and a layout and allocation that depend on the instruction set a
/// translation unit is compiled for. States, parameters and layers may cross.
template <class T>
class Array {
 public:
  Array() = default;

  /// Makes zeros of shape (rows, columns, depth).
  /// @throws DomainError if a size is negative
  explicit Array(Index rows, Index columns = 1, Index depth = 1) : shape_{rows, columns, depth} {
    for (const Index size : shape_) detail::require_at_least("Array size", 0, size);
    values_.resize(static_cast<std::size_t>(rows * columns * depth));
  }

  /// First size.
  Index rows() const noexcept { return shape_[0]; }
  /// Second size.
  Index columns() const noexcept { return shape_[1]; }
  /// Third size.
  Index depth() const noexcept { return shape_[2]; }
  /// Number of all elements.
  Index size() const noexcept { return static_cast<Index>(values_.size()); }
  /// (rows, columns, depth)
  const std::array<Index, 3>& shape() const noexcept { return shape_; }

  /// Returns all numbers in order.
  std::span<T> values() noexcept { return values_; }
  /// Returns all numbers in order.
  std::span<const T> values() const noexcept { return values_; }
  /// The first number.
  T* data() noexcept { return values_.data(); }
  /// The first number.
  const T* data() const noexcept { return values_.data(); }
  /// Iterators over all numbers.
  auto begin() noexcept { return values_.begin(); }
  /// Iterators over all numbers.
  auto begin() const noexcept { return values_.begin(); }
  /// Past the last number.
  auto end() noexcept { return values_.end(); }
  /// Past the last number.
  auto end() const noexcept { return values_.end(); }

  /// Element (row, column, layer).
  T& operator()(Index row, Index column = 0, Index layer = 0) noexcept {
    return values_[static_cast<std::size_t>((row * shape_[1] + column) * shape_[2] + layer)];
  }
  /// Element (row, column, layer).
  const T& operator()(Index row, Index column = 0, Index layer = 0) const noexcept {
    return values_[static_cast<std::size_t>((row * shape_[1] + column) * shape_[2] + layer)];
  }

  /// Returns all values of one row, (columns * depth) of them.
  std::span<T> row(Index row) noexcept { return {data() + row * row_size(), static_cast<std::size_t>(row_size())}; }
  /// Returns all values of one row, (columns * depth) of them.
  std::span<const T> row(Index row) const noexcept {
    return {data() + row * row_size(), static_cast<std::size_t>(row_size())};
  }

  /// Compares by value.
  friend bool operator==(const Array&, const Array&) = default;

 private:
  Index row_size() const noexcept { return shape_[1] * shape_[2]; }

  std::array<Index, 3> shape_{0, 1, 1};
  std::vector<T, detail::AlignedAllocator<T>> values_;
};

namespace detail {

/// to += from, number by number; both of one shape.
template <class T>
void add(Array<T>& to, const Array<T>& from) noexcept {
  for (Index i = 0; i < to.size(); ++i) to.data()[i] += from.data()[i];
}

/// A value that consists of arrays: `arrays()` is a tuple of pointers to these members.
template <class Value>
concept ConsistsOfArrays = requires {
  std::tuple_size<decltype(Value::arrays())>::value;
};
/// Adds another value, array by array; all of one shape.
template <ConsistsOfArrays Value>
Value& operator+=(Value& sum, const Value& other) noexcept {
  std::apply([&](auto... member) { (add(sum.*member, other.*member), ...); }, Value::arrays());
  return sum;
}

/// The memory of all arrays, in order.
template <ConsistsOfArrays Value>
std::vector<std::span<std::byte>> parts(Value& value) {
  return std::apply(
      [&](auto... member) {
        return std::vector<std::span<std::byte>>{std::as_writable_bytes((value.*member).values())...};
      },
      Value::arrays());
}

/// @throws ShapeError that names both shapes unless `array` has the shape (rows, columns, depth)
template <class T>
void require_shape(std::string_view what, const Array<T>& array, Index rows, Index columns = 1, Index depth = 1) {
  const auto& got = array.shape();
  if (got != std::array<Index, 3>{rows, columns, depth})
    throw ShapeError(message(what, ": expected shape (", rows, ", ", columns, ", ", depth, "), got (", got[0], ", ",
                             got[1], ", ", got[2], ")"));
}

/// @throws DomainError that names the first number which is not finite
template <class Number>
void require_finite(std::string_view what, const Array<Number>& array) {
  for (const auto& value : array)
    if (!std::isfinite(std::real(value)) || !std::isfinite(std::imag(value)))
      throw DomainError(message(what, ": expected finite numbers, got ", value));
}

}  // namespace detail
}  // namespace ssm
