#pragma once

#include "ssm/core/error.hpp"

#include <Eigen/Core>

#include <concepts>
#include <span>
#include <type_traits>

namespace ssm {

namespace detail {

template <class E>
concept EigenDense = requires(const std::remove_cvref_t<E>& e) {
  []<class D>(const Eigen::DenseBase<D>&) {}(e);
};

/// An Eigen object whose memory can be seen as (length, features) rows as it lies: row-major with contiguous rows, or a
/// column vector (one feature).
template <class E>
concept EigenTimeMajor = EigenDense<E> && bool(std::remove_cvref_t<E>::Flags& Eigen::DirectAccessBit) &&
                         (std::remove_cvref_t<E>::ColsAtCompileTime == 1 ||
                          (bool(std::remove_cvref_t<E>::IsRowMajor) &&
                           std::remove_cvref_t<E>::InnerStrideAtCompileTime == 1));

template <class E>
concept EigenOwner =
    EigenDense<E> && std::derived_from<std::remove_cvref_t<E>, Eigen::PlainObjectBase<std::remove_cvref_t<E>>>;

/// Says what is wrong with the sizes of a view. A function of its own, so that making a view stays a few instructions.
[[noreturn]] inline void refuse_sizes(Index length, Index features, Index stride) {
  require_at_least("sequence length", 0, length);
  require_at_least("sequence features", 0, features);
  throw ShapeError(message("sequence stride: expected at least the ", features, " features, got ", stride));
}

}  // namespace detail

/// A view of numbers over time: row k is step k, and its features lie next to one another.
///
/// Does not own, allocate or copy. Made from a pointer and sizes, from a span, or from an Eigen object that already
/// lies in this order; one that would have to be copied (column-major, an expression) does not compile.
///
///     element (k, h) is at data[k * stride + h],   0 <= k < length,   0 <= h < features
template <class T>
class SequenceView {
 public:
  /// Scalar type of inputs and outputs.
  using Scalar = std::remove_const_t<T>;

  /// @param data      first element
  /// @param length    steps                          >= 0
  /// @param features  numbers per step               >= 0
  /// @param stride    elements from a step to the next
  /// @throws          DomainError if a size is negative; ShapeError if rows would overlap (0 < stride < features)
  SequenceView(T* data, Index length, Index features, Index stride)
      : data_(data), length_(length), features_(features), stride_(stride) {
    if (length < 0 || features < 0 || stride < features) detail::refuse_sizes(length, features, stride);
  }
  /// Rows follow one another without a gap.
  SequenceView(T* data, Index length, Index features) : SequenceView(data, length, features, features) {}

  /// @throws ShapeError if the span's size is not a multiple of `features`
  SequenceView(std::span<T> values, Index features)
      : SequenceView(values.data(), features > 0 ? static_cast<Index>(values.size()) / features : 0, features) {
    if (length_ * features_ != static_cast<Index>(values.size()))
      throw ShapeError(detail::message("sequence: expected a multiple of ", features, " values, got ", values.size()));
  }

  /// A view of what may be written is also a view of what may be read.
  template <class U>
  requires(std::is_const_v<T>&& std::same_as<U, Scalar>) SequenceView(const SequenceView<U>& other)
  noexcept : data_(other.data()), length_(other.length()), features_(other.features()), stride_(other.stride()) {}

  /// Rows of an Eigen object are steps.
  template <detail::EigenTimeMajor E>
  requires requires(E& e) {
    { e.data() } -> std::convertible_to<T*>;
  } &&(std::is_const_v<T> || std::is_lvalue_reference_v<E> || !detail::EigenOwner<E>)SequenceView(E&& e)
      : SequenceView(e.data(), e.rows(), e.cols(),
                     std::remove_cvref_t<E>::IsVectorAtCompileTime && std::remove_cvref_t<E>::ColsAtCompileTime == 1
                         ? e.innerStride()
                         : e.outerStride()) {
  }

  /// Column-major matrices and expressions would have to be copied: use a row-major matrix.
  template <detail::EigenDense E>
  requires(!detail::EigenTimeMajor<E>) SequenceView(E&& e)
  = delete;

  /// The first element.
  T* data() const noexcept { return data_; }
  /// Steps.
  Index length() const noexcept { return length_; }
  /// H
  Index features() const noexcept { return features_; }
  /// Elements from a step to the next.
  Index stride() const noexcept { return stride_; }

  /// Element (step, feature).
  T& operator()(Index step, Index feature) const noexcept { return data_[step * stride_ + feature]; }

  /// The features of one step.
  std::span<T> row(Index step) const noexcept { return {data_ + step * stride_, static_cast<std::size_t>(features_)}; }
  /// Returns one feature over time.
  SequenceView column(Index feature) const { return {beside(feature), length_, 1, stride_ < 1 ? 1 : stride_}; }
  /// Features first .. first + count - 1 over time.
  /// @throws ShapeError if they are not all there
  SequenceView columns(Index first, Index count) const {
    if (first < 0 || count < 0 || first + count > features_)
      throw ShapeError(detail::message("sequence columns: expected features within 0..", features_, ", got ", first,
                                       "..", first + count));
    return {beside(first), length_, count, stride_};
  }
  /// Steps first .. first + count - 1.
  /// @throws ShapeError if they are not all there
  SequenceView block(Index first, Index count) const {
    if (first < 0 || count < 0 || first + count > length_)
      throw ShapeError(
          detail::message("sequence block: expected steps within 0..", length_, ", got ", first, "..", first + count));
    return {data_ + first * stride_, count, features_, stride_};
  }

 private:
  /// First element of a feature. A sequence of no steps may have no memory, from which nothing is counted on.
  T* beside(Index feature) const noexcept { return length_ == 0 ? data_ : data_ + feature; }

  T* data_;
  Index length_, features_, stride_;
};

/// A sequence to be written, (length, features).
template <class T>
using Sequence = SequenceView<T>;
/// A sequence to be read, (length, features).
template <class T>
using ConstSequence = SequenceView<const T>;

namespace detail {

/// @throws ShapeError unless u and y are both (length, features) with the features given
template <class T>
void require_same_shape(ConstSequence<T> u, ConstSequence<T> y, Index features) {
  require_size("features of u", features, u.features());
  require_size("features of y", features, y.features());
  require_size("length of y (that of u is expected)", u.length(), y.length());
}

}  // namespace detail
}  // namespace ssm
