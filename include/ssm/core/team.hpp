#pragma once

#include "ssm/core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace ssm {

/// A member of a team does not answer, or cannot be reached.
struct TeamError : Error {
  using Error::Error;
};

/// Processes that the caller lends to a training, as an Executor lends threads: each works at its part of a batch, and
/// all get the same bits. The library's own are the ranks of an MPI run (mpi/communicator.hpp); derive from it to lend
/// others.
///
/// All members make the same calls in the same order.
class Team {
 public:
  Team() = default;
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  virtual ~Team() = default;

  /// This member, from 0.
  virtual Index rank() const noexcept = 0;
  /// Number of members.
  virtual Index size() const noexcept = 0;
  /// Sends bytes to a member.
  virtual void send(std::span<const std::byte> bytes, Index to) = 0;
  /// Receives as many bytes from a member.
  virtual void receive(std::span<std::byte> bytes, Index from) = 0;
  /// Sends bytes to a member, who may receive them later: they are copied where it does not wait. By default it waits.
  virtual void post(std::span<const std::byte> bytes, Index to) { send(bytes, to); }
  /// Receives bytes from a member without waiting for them: false says that they are still on their way, and that the
  /// next thing asked of this member is the same once more, or `receive` of them. By default it waits.
  virtual bool try_receive(std::span<std::byte> bytes, Index from) {
    receive(bytes, from);
    return true;
  }
  /// Is told what to say if this member is ended from outside: where its work is kept. By default it says nothing.
  virtual void remember([[maybe_unused]] std::string_view words) {}
};

namespace detail {

/// First and end of a member's share of so many things; all of them where there is no team.
inline std::pair<Index, Index> share_of(const Team* team, Index count) {
  if (team == nullptr) return {0, count};
  return {team->rank() * count / team->size(), (team->rank() + 1) * count / team->size()};
}

/// Several values that go through all members in order, while the members work on: each changes a value when the one
/// before it has handed it on, which is looked for whenever a value comes to be added. Every member adds as many values
/// in the same order, and sends nothing else to its neighbours until `finish` has returned.
class Rounds {
 public:
  /// @param team   the members, or nullptr: this process alone
  explicit Rounds(Team* team) : team_(team) {}
  /// Adds a value.
  /// @param memory   of the value      of the same sizes on every member, and in place until `finish` has returned
  /// @param change   makes of the value what it is after this member
  void add(std::vector<std::span<std::byte>> memory, std::function<void()> change) {
    values_.push_back({std::move(memory), std::move(change)});
    while (changed_ < values_.size() && change_next(false)) continue;
  }
  /// Returns when every member has every value as it is after the last one.
  void finish() {
    while (changed_ < values_.size()) change_next(true);
    if (team_ == nullptr) return;
    for (const Value& value : values_)
      for (const auto part : value.memory) {
        if (!is_last()) team_->receive(part, team_->rank() + 1);
        if (!is_first()) team_->send(part, team_->rank() - 1);
      }
    values_.clear();
    changed_ = 0;
  }

 private:
  struct Value {
    std::vector<std::span<std::byte>> memory;
    std::function<void()> change;
    std::size_t received = 0;  // parts of the memory, from the member before
  };
  bool is_first() const { return team_ == nullptr || team_->rank() == 0; }
  bool is_last() const { return team_ == nullptr || team_->rank() + 1 == team_->size(); }
  /// Changes the next value and hands it on; false if it has not come yet, and is not waited for.
  bool change_next(bool waits) {
    Value& value = values_[changed_];
    for (; !is_first() && value.received < value.memory.size(); ++value.received) {
      const auto part = value.memory[value.received];
      if (waits)
        team_->receive(part, team_->rank() - 1);
      else if (!team_->try_receive(part, team_->rank() - 1))
        return false;
    }
    value.change();
    if (!is_last())
      for (const auto part : value.memory) team_->post(part, team_->rank() + 1);
    ++changed_;
    return true;
  }

  Team* team_;
  std::vector<Value> values_;
  std::size_t changed_ = 0;  // of them, by this member
};
/// Lets a value go through all members in order, each changing it, and gives every member what it is at the end.
/// @param team     the members, or nullptr: this process alone
/// @param memory   of the value      of the same sizes on every member
/// @param change   makes of the value what it is after this member
inline void in_order(Team* team, std::vector<std::span<std::byte>> memory, std::function<void()> change) {
  Rounds rounds(team);
  rounds.add(std::move(memory), std::move(change));
  rounds.finish();
}

}  // namespace detail

/// Adds up numbers of all members, in the order of their ranks: every one gets the same bits.
///
///     sum = ((values of rank 0 + values of rank 1) + values of rank 2) + ..
///
/// @param values   this member's; become the sums      of as many numbers on every member
/// @note           two messages a member, of the numbers' size; the last one has the sums after size() of them
template <class T>
void add_up(Team& team, std::span<T> values) {
  const std::vector<T> own(values.begin(), values.end());
  detail::in_order(&team, {std::as_writable_bytes(values)}, [&] {
    if (team.rank() == 0) return;
    for (std::size_t i = 0; i < own.size(); ++i) values[i] += own[i];
  });
}
/// Returns when all members have called it.
inline void wait_for_all(Team& team) { add_up(team, std::span<double>{}); }
/// Checks that all members have the same number, which stands for something that they must have in common.
/// @param what       what it stands for, for the message
/// @param checksum   of this member
/// @throws           DomainError on every member that names the first one whose number differs from that of rank 0
inline void require_agreement(Team& team, std::string_view what, std::uint64_t checksum) {
  std::vector<std::uint64_t> all(static_cast<std::size_t>(team.size()));
  all[static_cast<std::size_t>(team.rank())] = checksum;
  add_up(team, std::span(all));
  for (std::size_t r = 1; r < all.size(); ++r)
    if (all[r] != all[0])
      throw DomainError(
          detail::message(what, ": expected the same on every rank, got others on rank ", r, " than on rank 0"));
}

}  // namespace ssm
