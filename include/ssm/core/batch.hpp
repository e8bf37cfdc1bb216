#pragma once

#include "ssm/core/sequence.hpp"

namespace ssm {

/// A view of several sequences that lie one after the other, padded to one length; each may have a length of its own.
///
///     element (b, k, h) is at data[(b * length + k) * stride + h]
///
/// Does not own, allocate or copy; `lengths` must outlive it.
template <class T>
class BatchView {
 public:
  /// Scalar type of inputs and outputs.
  using Scalar = std::remove_const_t<T>;

  /// @param data      first element                       (batch, length, features)
  /// @param batch     number of sequences                 >= 0
  /// @param length    steps of each, padding included     >= 0
  /// @param features  numbers per step                    >= 0
  /// @throws          DomainError if a size is negative
  BatchView(T* data, Index batch, Index length, Index features)
      : data_(data), batch_(batch), length_(length), features_(features), stride_(features) {
    detail::require_at_least("sequences of a batch", 0, batch);
    detail::require_at_least("batch length", 0, length);
    detail::require_at_least("batch features", 0, features);
  }

  /// @param data      first element                       (batch, length, features)
  /// @param batch     number of sequences                 >= 0
  /// @param length    steps of each, padding included     >= 0
  /// @param features  numbers per step                    >= 0
  /// @param lengths   steps that count, of each sequence  (batch)     0 .. length
  /// @throws          ShapeError if there is not one for each; DomainError if one is outside
  BatchView(T* data, Index batch, Index length, Index features, std::span<const Index> lengths)
      : BatchView(data, batch, length, features) {
    detail::require_size("lengths of a batch", batch, static_cast<Index>(lengths.size()));
    for (const Index each : lengths)
      if (each < 0 || each > length)
        throw DomainError(
            detail::message("length of a sequence in a batch: expected within 0..", length, ", got ", each));
    lengths_ = lengths;
  }

  /// A batch of one.
  explicit BatchView(SequenceView<T> sequence) noexcept
      : data_(sequence.data()),
        batch_(1),
        length_(sequence.length()),
        features_(sequence.features()),
        stride_(sequence.stride()) {}

  /// A view of what may be written is also a view of what may be read.
  template <class U>
  requires(std::is_const_v<T>&& std::same_as<U, Scalar>) BatchView(const BatchView<U>& other)
  noexcept
      : data_(other.data()),
        batch_(other.size()),
        length_(other.length()),
        features_(other.features()),
        stride_(other.stride()),
        lengths_(other.lengths()) {}

  /// The first element.
  T* data() const noexcept { return data_; }
  /// Sequences.
  Index size() const noexcept { return batch_; }
  /// Steps of each, padding included.
  Index length() const noexcept { return length_; }
  /// H
  Index features() const noexcept { return features_; }
  /// Elements from a step to the next.
  Index stride() const noexcept { return stride_; }
  /// Empty where all sequences have the whole length.
  std::span<const Index> lengths() const noexcept { return lengths_; }
  /// Steps of sequence b that count.
  Index length(Index b) const noexcept { return lengths_.empty() ? length_ : lengths_[static_cast<std::size_t>(b)]; }

  /// Returns the same sequences with these lengths.
  /// @throws ShapeError if there is not one for each; DomainError if one is outside
  BatchView with_lengths(std::span<const Index> lengths) const {
    BatchView same = *this;
    same.lengths_ = lengths.empty() ? lengths : BatchView(data_, batch_, length_, features_, lengths).lengths_;
    return same;
  }
  /// Sequence b without its padding.
  SequenceView<T> operator[](Index b) const { return first_steps(b, length(b)); }
  /// The first steps of sequence b, whatever its own length.
  /// @throws ShapeError if they are not all there
  SequenceView<T> first_steps(Index b, Index steps) const {
    return SequenceView<T>(data_ + b * length_ * stride_, length_, features_, stride_).block(0, steps);
  }

 private:
  T* data_;
  Index batch_, length_, features_, stride_;
  std::span<const Index> lengths_;
};

/// Sequences to be written, (batch, length, features).
template <class T>
using Batch = BatchView<T>;
/// Sequences to be read, (batch, length, features).
template <class T>
using ConstBatch = BatchView<const T>;

}  // namespace ssm
