#pragma once

#include "ssm/layer/bidirectional.hpp"
#include "ssm/mpi/time_split.hpp"

namespace ssm::mpi {

/// Two layers in opposite directions: Bidirectional, ShiftedBidirectional, ConcatenatedBidirectional.
template <class Pair>
concept BothWays = requires(const Pair pair) {
  pair.forward_layer();
  pair.backward_layer();
  Pair::Joined::lag;
};

/// Two layers in opposite directions over a sequence of which every rank holds a stretch of time. All ranks call each
/// function. Messages, bytes and work are those of a TimeSplit for each half; where the backward half is one step late,
/// a row goes from each rank to the one before it besides.
template <BothWays Pair>
class BothWaysTimeSplit {
  using T = typename Pair::Scalar;

 public:
  /// @param pair    the same on every rank; must outlive this
  /// @param ranks   who hold the stretches; must outlive this
  /// @throws        DomainError on every rank if the layers differ
  BothWaysTimeSplit(const Pair& pair, Communicator& ranks)
      : pair_(&pair),
        ranks_(&ranks),
        past_(pair.forward_layer(), ranks),
        future_(pair.backward_layer(), ranks, ReadFrom::last) {}

  /// Runs the sequence, each rank its stretch, both directions from rest.
  /// @param u       input of this rank's stretch      (L, inputs)
  /// @param y       output                            (L, outputs)     may be u where the halves are added
  /// @param carry   Scanned, where both layers can be; or InOrder: the bits of one process
  /// @throws        ShapeError if the sizes disagree; CommunicationError if another rank does not answer
  template <class Carry = Scanned>
  void forward(ConstSequence<T> u, Sequence<T> y, Carry carry = {}) {
    ssm::detail::require_size("features of u", pair_->inputs(), u.features());
    ssm::detail::require_size("features of y", pair_->outputs(), y.features());
    ssm::detail::require_size("length of y (that of u is expected)", u.length(), y.length());
    using Joined = typename Pair::Joined;
    const Index L = u.length(), H = outputs_of(pair_->forward_layer());
    std::vector<T> turned(static_cast<std::size_t>(L * u.features())), late(static_cast<std::size_t>(L * H));
    const Sequence<T> from(turned.data(), L, u.features()), future(late.data(), L, H);
    for (Index k = 0; k < L; ++k) std::copy_n(u.row(L - 1 - k).data(), u.features(), from.row(k).data());
    auto past_state = pair_->forward_layer().initial_state();
    auto future_state = pair_->backward_layer().initial_state();
    past_.forward(u, Joined::beside ? y.columns(0, H) : y, past_state, carry);
    future_.forward(from, future, future_state, carry);
    if constexpr (Joined::beside) {
      for (Index k = 0; k < L; ++k) std::copy_n(future.row(L - 1 - k).data(), H, y.row(k).data() + H);
    } else {
      for (Index k = 0; k + Joined::lag < L; ++k)
        for (Index h = 0; h < H; ++h) y(k, h) += future(L - 1 - k - Joined::lag, h);
      if constexpr (Joined::lag == 0) return;
      std::vector<T> next(static_cast<std::size_t>(H));
      from_the_end(L > 0 ? std::span<const T>(future.row(L - 1)) : std::span<const T>(), next);
      for (Index h = 0; h < H && L > 0; ++h) y(L - 1, h) += next[static_cast<std::size_t>(h)];
    }
  }

 private:
  /// Lets every rank know the first row of the next stretch that has one: from the last rank to the first.
  /// @param own    first row of this rank's stretch; empty where it has no steps
  /// @param next   becomes that of the next one; as it is where there is none
  void from_the_end(std::span<const T> own, std::span<T> next) {
    const Index rank = ranks_->rank();
    if (rank + 1 < ranks_->size()) ranks_->receive(std::as_writable_bytes(next), rank + 1);
    if (rank > 0) ranks_->send(std::as_bytes(own.empty() ? std::span<const T>(next) : own), rank - 1);
  }

  const Pair* pair_;
  Communicator* ranks_;
  TimeSplit<std::remove_cvref_t<decltype(std::declval<const Pair&>().forward_layer())>> past_;
  TimeSplit<std::remove_cvref_t<decltype(std::declval<const Pair&>().backward_layer())>> future_;
};

}  // namespace ssm::mpi
