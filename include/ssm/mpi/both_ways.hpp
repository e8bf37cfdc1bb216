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
/// function. Messages, bytes and work are those of a TimeSplit for each half. Where the backward half is one step late,
/// a row goes from each rank to the one before it besides; uneven samples add two messages of 16 bytes times the ranks.
template <BothWays Pair>
class BothWaysTimeSplit {
  using T = typename Pair::Scalar;
  using Joined = typename Pair::Joined;
  using Past = std::remove_cvref_t<decltype(std::declval<const Pair&>().forward_layer())>;
  using Future = std::remove_cvref_t<decltype(std::declval<const Pair&>().backward_layer())>;

 public:
  /// Whether both layers take intervals.
  static constexpr bool uneven = UnevenSSMLayer<Past> && UnevenSSMLayer<Future>;
  /// The states before both layers' first steps of a rank's stretch, which `forward_vjp` asks for.
  struct Before {
    typename Past::State past;      ///< before its first step
    typename Future::State future;  ///< before its last one, which is the first that the backward layer reads
  };

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
  /// @return        the states before this rank's stretch
  /// @throws        ShapeError if the sizes disagree; CommunicationError if another rank does not answer
  template <class Carry = Scanned>
  Before forward(ConstSequence<T> u, Sequence<T> y, Carry carry = {}) {
    return run(u, y, [&](auto& half, ConstSequence<T> from, Sequence<T> to, auto& state, bool) {
      return half.forward(from, to, state, carry);
    });
  }
  /// Runs a sequence of uneven samples in the same way; see ReadBackwards for the backward half.
  /// @param u           input of this rank's stretch      (L, inputs)
  /// @param intervals   of this stretch: >= 0 and finite, in the same unit on every rank      (L)
  /// @param y           output                            (L, outputs)     may be u where the halves are added
  /// @param carry       as above
  /// @return            the states before this rank's stretch
  /// @throws            as above; DomainError if an interval is negative or not finite
  template <class Carry = Scanned>
  Before forward(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, Carry carry = {}) requires uneven {
    intervals.check(u.length());
    std::vector<T> memory;
    const Intervals<T> turned = backwards(intervals, memory);
    return run(u, y, [&](auto& half, ConstSequence<T> from, Sequence<T> to, auto& state, bool past) {
      return half.forward(from, past ? intervals : turned, to, state, carry);
    });
  }

  /// Computes the derivatives of the sequence, each rank those of its stretch. What is summed over time, `cotangent`,
  /// is this rank's share: see ssm::add_up.
  /// @param u           input of this rank's stretch     (L, inputs)
  /// @param before      as `forward` returned it
  /// @param dy          cotangent of the output          (L, outputs)
  /// @param du          += cotangent of u                (L, inputs)     not dy's memory
  /// @param cotangent   += that of the layers' discrete numbers
  /// @param carry       as above
  /// @throws            ShapeError if the sizes disagree; CommunicationError if another rank does not answer
  template <class Carry = Scanned>
  void forward_vjp(ConstSequence<T> u, const Before& before, ConstSequence<T> dy, Sequence<T> du, auto& cotangent,
                   Carry carry = {}) requires TrainableLayer<Pair> {
    run_vjp(u, before, dy, du, cotangent,
            [&](auto& half, auto from, const auto& state, auto dto, auto& dstate, auto dfrom, auto& sum, bool) {
              half.forward_vjp(from, state, dto, dstate, dfrom, sum, carry);
            });
  }
  /// Computes the derivatives of a sequence of uneven samples in the same way.
  /// @param u           input of this rank's stretch     (L, inputs)
  /// @param intervals   as `forward` was given           (L)
  /// @param before      as `forward` returned it
  /// @param dy          cotangent of the output          (L, outputs)
  /// @param du          += cotangent of u                (L, inputs)     not dy's memory
  /// @param cotangent   += that of the layers' discrete numbers
  /// @param carry       as above
  /// @throws            as above
  template <class Carry = Scanned>
  void forward_vjp(ConstSequence<T> u, Intervals<T> intervals, const Before& before, ConstSequence<T> dy,
                   Sequence<T> du, auto& cotangent, Carry carry = {}) requires TrainableLayer<Pair> && uneven {
    intervals.check(u.length());
    std::vector<T> memory;
    const Intervals<T> turned = backwards(intervals, memory);
    run_vjp(u, before, dy, du, cotangent,
            [&](auto& half, auto from, const auto& state, auto dto, auto& dstate, auto dfrom, auto& sum, bool past) {
              half.forward_vjp(from, past ? intervals : turned, state, dto, dstate, dfrom, std::span<T>(), sum, carry);
            });
  }

 private:
  /// @param one   one(half, from, to, state, whether it is the forward one): returns the state before the stretch
  template <class One>
  Before run(ConstSequence<T> u, Sequence<T> y, One one) {
    ssm::detail::require_size("features of u", pair_->inputs(), u.features());
    ssm::detail::require_size("features of y", pair_->outputs(), y.features());
    ssm::detail::require_size("length of y (that of u is expected)", u.length(), y.length());
    const Index L = u.length(), H = outputs_of(pair_->forward_layer());
    std::vector<T> reversed, late(static_cast<std::size_t>(L * H));
    const Sequence<T> from = ssm::detail::turned<T>(u, reversed), future(late.data(), L, H);
    auto past_state = pair_->forward_layer().initial_state();
    auto future_state = pair_->backward_layer().initial_state();
    auto past_before = one(past_, u, Joined::beside ? y.columns(0, H) : y, past_state, true);
    Before before{std::move(past_before), one(future_, from, future, future_state, false)};
    if constexpr (Joined::beside) {
      for (Index k = 0; k < L; ++k) std::copy_n(future.row(L - 1 - k).data(), H, y.row(k).data() + H);
    } else {
      for (Index k = 0; k + Joined::lag < L; ++k)
        for (Index h = 0; h < H; ++h) y(k, h) += future(L - 1 - k - Joined::lag, h);
      if constexpr (Joined::lag > 0) {
        const std::vector<T> next =
            neighbours(L > 0 ? std::span<const T>(future.row(L - 1)) : std::span<const T>(), H, -1);
        for (Index h = 0; h < H && L > 0; ++h) y(L - 1, h) += next[static_cast<std::size_t>(h)];
      }
    }
    return before;
  }
  /// @param one   one(half, from, before, dto, dstate, dfrom, cotangent, whether it is the forward one)
  template <class One>
  void run_vjp(ConstSequence<T> u, const Before& before, ConstSequence<T> dy, Sequence<T> du, auto& cotangent,
               One one) {
    ssm::detail::require_size("features of dy", pair_->outputs(), dy.features());
    ssm::detail::require_size("length of dy (that of u is expected)", u.length(), dy.length());
    const Index L = u.length(), H = outputs_of(pair_->forward_layer());
    const ConstSequence<T> dpast = Joined::beside ? dy.columns(0, H) : dy,
                           dlate = Joined::beside ? dy.columns(H, H) : dy;
    auto dpast_state = pair_->forward_layer().initial_state();
    auto dfuture_state = pair_->backward_layer().initial_state();
    one(past_, u, before.past, dpast, dpast_state, du, cotangent.forward, true);
    std::vector<T> reversed, dlate_turned(static_cast<std::size_t>(L * H)),
        dreversed(static_cast<std::size_t>(L * u.features()));
    const Sequence<T> from = ssm::detail::turned<T>(u, reversed), dto(dlate_turned.data(), L, H),
                      dfrom(dreversed.data(), L, u.features());
    for (Index k = 0; k + Joined::lag < L; ++k)
      std::copy_n(dlate.row(k).data(), H, dto.row(L - 1 - k - Joined::lag).data());
    if constexpr (Joined::lag > 0) {
      const std::vector<T> last = neighbours(L > 0 ? dlate.row(L - 1) : std::span<const T>(), H, 1);
      if (L > 0) std::copy(last.begin(), last.end(), dto.row(L - 1).data());
    }
    one(future_, from, before.future, dto, dfuture_state, dfrom, cotangent.backward, false);
    for (Index k = 0; k < L; ++k)
      for (Index h = 0; h < u.features(); ++h) du(k, h) += dfrom(L - 1 - k, h);
  }

  /// Returns a row of the nearest rank that has steps, in one direction; zeros where there is none.
  /// @param own         this rank's row; empty where it has no steps
  /// @param features    numbers of a row
  /// @param direction   of the rows: 1, from each rank to those behind it; -1, to those before it
  std::vector<T> neighbours(std::span<const T> own, Index features, Index direction) {
    std::vector<T> found(static_cast<std::size_t>(features));
    const auto exists = [&](Index rank) { return rank >= 0 && rank < ranks_->size(); };
    const Index rank = ranks_->rank();
    if (exists(rank - direction)) ranks_->receive(std::as_writable_bytes(std::span(found)), rank - direction);
    if (exists(rank + direction))
      ranks_->send(std::as_bytes(own.empty() ? std::span<const T>(found) : own), rank + direction);
    return found;
  }
  /// Intervals of the stretch as the backward layer reads them: the gap behind its last sample is the first one of the
  /// next stretch that has steps; behind the last sample of all, that before the first sample of all.
  Intervals<T> backwards(Intervals<T> intervals, std::vector<T>& memory) {
    const auto ranks = static_cast<std::size_t>(ranks_->size()), rank = static_cast<std::size_t>(ranks_->rank());
    std::vector<double> firsts(2 * ranks);  // of every rank its first gap, and whether it has steps
    if (!intervals.empty()) {
      firsts[2 * rank] = static_cast<double>(intervals.values().front());
      firsts[2 * rank + 1] = 1;
    }
    add_up(*ranks_, std::span(firsts));
    std::size_t next = rank;  // the next rank that has steps, the first one behind the last
    do {
      next = (next + 1) % ranks;
    } while (next != rank && firsts[2 * next + 1] == 0);
    return intervals.backwards(memory, static_cast<T>(firsts[2 * next]));
  }

  const Pair* pair_;
  Communicator* ranks_;
  TimeSplit<Past> past_;
  TimeSplit<Future> future_;
};

}  // namespace ssm::mpi
