#pragma once

#include "ssm/core/intervals.hpp"

#include <optional>

namespace ssm::nn {

/// How a deep model reads a sequence. Does not own.
///
///     model.forward(u, answer, {.intervals = InSeconds<float>{gaps, Seconds{0.01}}, .observed = mask});
template <Real T>
struct Reading {
  /// The time before each step, for layers that take it; none: a step of the layer     (L)
  Intervals<T> intervals = {};
  /// A step without an input has features of 0 before the first block, whatever is in its row (NaN too); the states of
  /// the layers move by its time, and it has an answer all the same. Empty: all have one.     (L)
  Observed observed = {};
  /// The first steps, which an answer is pooled from; those after them are padding, which layers read all the same.
  /// Nothing: all.     1 .. L
  std::optional<Index> counted = {};

  /// @param length   of the sequence
  /// @param least    steps that must be counted: 0 of a stretch of a longer sequence
  /// @throws         ShapeError if a size is not that of the sequence; DomainError if an interval is negative or not
  ///                 finite, or as many steps as are counted are not there
  void check(Index length, Index least = 1) const {
    if (!intervals.empty()) intervals.check(length);
    ssm::detail::check_observed(observed, length);
    if (counted && (*counted < least || *counted > length))
      throw DomainError(
          ssm::detail::message("counted steps: expected within ", least, "..", length, ", got ", *counted));
  }
};

namespace detail {

/// Returns the input itself, or a copy of it in `memory` with 0 in the rows that have no observation.
template <Real T>
ConstSequence<T> observed_rows(ConstSequence<T> u, Observed observed, std::vector<T>& memory) {
  if (observed.empty()) return u;
  memory.resize(static_cast<std::size_t>(u.length() * u.features()));
  const Sequence<T> rows(memory.data(), u.length(), u.features());
  for (Index k = 0; k < u.length(); ++k) std::copy_n(u.row(k).data(), u.features(), rows.row(k).data());
  ssm::detail::clear_unobserved<T>(observed, rows);
  return rows;
}

}  // namespace detail
}  // namespace ssm::nn
