#pragma once

#include "ssm/layer/concept.hpp"

#include <vector>

namespace ssm {

/// The last states of a stream, to go back to: a ring of copies, of any layer.
///
/// Keeping one allocates nothing, as far as the state's own assignment does not: those of this library do not.
template <SSMLayer Layer>
class Snapshots {
 public:
  /// State that the caller owns between calls.
  using State = typename Layer::State;

  /// @param layer      whose states will be kept
  /// @param capacity   how many, at the most       >= 1
  /// @throws           DomainError if the capacity is below 1
  Snapshots(const Layer& layer, Index capacity) {
    detail::require_at_least("capacity of a ring of snapshots", 1, capacity);
    ring_.assign(static_cast<std::size_t>(capacity), layer.initial_state());
  }

  /// Largest number of snapshots.
  Index capacity() const noexcept { return static_cast<Index>(ring_.size()); }
  /// Number of snapshots that are kept.
  Index size() const noexcept { return size_; }

  /// Keeps a copy; the oldest goes where the ring is full.
  void keep(const State& state) {
    newest_ = (newest_ + 1) % capacity();
    ring_[static_cast<std::size_t>(newest_)] = state;
    size_ = std::min(size_ + 1, capacity());
  }

  /// The state kept `back` keeps ago; 0 is the newest.
  /// @throws DomainError if it is not there (any more)
  const State& operator[](Index back) const {
    require(back);
    return ring_[static_cast<std::size_t>((newest_ - back + capacity()) % capacity())];
  }

  /// Forgets the `back` newest and gives the one before them, which is now the newest.
  /// @throws DomainError if it is not there (any more)
  const State& roll_back(Index back) {
    require(back);
    newest_ = (newest_ - back + capacity()) % capacity();
    size_ -= back;
    return ring_[static_cast<std::size_t>(newest_)];
  }

 private:
  void require(Index back) const {
    if (back < 0 || back >= size_)
      throw DomainError(detail::message("snapshot: expected one of the ", size_, " newest, got number ", back));
  }

  std::vector<State> ring_;
  Index newest_ = -1, size_ = 0;
};

}  // namespace ssm
