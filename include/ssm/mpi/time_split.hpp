#pragma once

#include "ssm/layer/trainable.hpp"
#include "ssm/mpi/communicator.hpp"
#include "ssm/mpi/jump.hpp"
#include "ssm/nn/parameter.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

namespace ssm::mpi {

/// Ways in which the state gets from rank to rank. @{

/// Every rank runs at once, from rest; then the states at the borders are made by an exclusive scan of the steps
/// x -> J x + e, and what each rank had left out is added. log2(ranks) messages a rank, of J and a state each, whatever
/// the length. Equal to one rank within the bounds of the layer.
struct Scanned {};
/// A rank waits for the state of the one before it. One message a rank, of a state. Equal to one rank to the bit; only
/// several sequences, one behind the other, keep more than one rank at work.
struct InOrder {};
/// @}

/// The end of a sequence from which a layer reads it. From the last step on, the last rank begins, and each gives its
/// stretch turned round: its last step first.
enum class ReadFrom { first, last };

namespace detail {

/// Checksum of the numbers of a layer's parameters, their sizes and its rate.
template <class Layer>
std::uint64_t checksum_of(const Layer& layer) {
  using Head = ssm::detail::StateHead;
  std::uint64_t sum = Head::nothing;
  const auto parameters = layer.parameters();
  for (const auto& array : parameters_of(parameters)) {
    sum = Head::add(sum, std::as_bytes(std::span(array.shape)));
    sum = Head::add(sum, std::as_bytes(array.values));
  }
  if constexpr (requires { layer.rate(); }) {
    const double rate = layer.rate();
    sum = Head::add(sum, std::as_bytes(std::span(&rate, 1)));
  }
  return sum;
}

/// A layer whose states can be joined at the borders of ranks by a scan.
template <class Layer>
concept Joinable = TrainableSSMLayer<Layer> && requires(const Layer layer, typename Layer::State state) {
  jump_of(layer, Index());
  numbers_of(layer, state);
};

/// Bounds of |y| of every output over all later steps without input, from what the state is now; infinite where none is
/// known.
///
/// A mode that does not grow gives at most 2 |C_n x_n|. S4's state, with Re Lambda <= 0 and Q = P, does not grow in the
/// norm over all N modes (A + A* is negative, and the bilinear rule keeps that): it gives at most 2 |C| |x|.
template <class Layer>
std::vector<double> free_bounds(const Layer& layer, const std::vector<double>& x) {
  constexpr double unknown = std::numeric_limits<double>::infinity();
  std::vector<double> bounds;
  if constexpr (OneSystem<Layer>) {
    const auto& scan = layer.engine();
    const Index S = scan.modes();
    for (Index o = 0; o < layer.features(); ++o) {
      double sum = 0;
      for (Index s = 0; s < S; ++s) {
        if (!(std::abs(scan.discretized(scan.dt(s) * scan.Lambda(s)).A_bar) <= 1)) sum = unknown;
        const double size = std::hypot(x[static_cast<std::size_t>(s)], x[static_cast<std::size_t>(S + s)]);
        sum += std::hypot(static_cast<double>(scan.C()(s, o)), static_cast<double>(scan.C()(S + s, o))) * size;
      }
      bounds.push_back(sum);
    }
  } else {
    const Index N = layer.states(), M = modes_of(N), odd = N % 2;
    for (Index h = 0; h < layer.features(); ++h) {
      const double* const own = x.data() + h * N;
      const auto size = [&](Index n) { return std::hypot(own[n], n < odd ? 0.0 : own[M - odd + n]); };
      const auto system = layer.engine().discrete(h);
      using System = std::remove_cvref_t<decltype(system)>;
      double bound = unknown;
      if constexpr (std::is_same_v<System, DiscreteDiagonalSystem<double>>) {
        bound = 0;
        for (Index n = 0; n < M; ++n) {
          if (!(std::abs(system.Lambda_bar(n)) <= 1)) bound = unknown;
          bound += 2 * std::abs(system.C(0, n)) * size(n);
        }
      } else if constexpr (std::is_same_v<System, DiscreteDplrSystem<double>>) {
        const DplrSystem<double> own_system = layer.parameters().system(h);
        bool dissipative = own_system.Q.size() == 0;
        double of_C = 0, of_x = 0;
        for (Index n = 0; n < M; ++n) {
          dissipative = dissipative && own_system.Lambda(n).real() <= 0;
          of_C += std::norm(system.C(n));
          of_x += size(n) * size(n);
        }
        if (dissipative) bound = 2 * std::sqrt(of_C * of_x);
      }
      bounds.push_back(bound);
    }
  }
  return bounds;
}

}  // namespace detail

/// A layer over a sequence of which every rank holds a stretch of time: rank 0 the first, and so on. Stretches may be
/// of different lengths, and of none. All ranks call each function.
///
///     ssm::mpi::TimeSplit split(layer, world);            // the same layer on every rank: checked
///     auto state = layer.initial_state();                 // rank 0's counts
///     const auto before = split.forward(u, y, state);     // this rank's stretch
///     split.forward_vjp(u, before, dy, dstate, du, cotangent);
///
/// | carry   | messages a rank | bytes of a message                     | work                                       |
/// | Scanned | log2(ranks)     | 8 (state + J): S4D 16 H N, S5 16 P, S4 | forward, and the free response of a state  |
/// |         |                 | and LSSL 8 H (N^2 + N)                 | until it is below rounding; backwards      |
/// |         |                 |                                        | twice; J once for a length: O(H N log L),  |
/// |         |                 |                                        | S4 and LSSL O(H N^3 log L)                 |
/// | InOrder | 1               | those of `save(state, ..)`             | forward; backwards once                    |
template <SSMLayer Layer>
class TimeSplit {
  using T = typename Layer::Scalar;

 public:
  /// State that the caller owns between calls.
  using State = typename Layer::State;

  /// @param layer   the same on every rank; must outlive this
  /// @param ranks   who hold the stretches; must outlive this
  /// @param from    the end that the layer reads from; "rank 0" below is the last one where that is the last step
  /// @throws        DomainError on every rank if the layers differ
  TimeSplit(const Layer& layer, Communicator& ranks, ReadFrom from = ReadFrom::first)
      : layer_(&layer), ranks_(&ranks), from_(from) {
    require_agreement(ranks, "parameters of the layer", detail::checksum_of(layer));
  }

  /// Runs the sequence, each rank its stretch.
  /// @param u       input of this rank's stretch     (L, H)
  /// @param y       output                           (L, H)     may be u
  /// @param state   rank 0's: before step 0 of the whole; becomes that after this rank's last step
  /// @return        the state before this rank's first step, which `forward_vjp` asks for
  /// @throws        ShapeError if the sizes disagree; CommunicationError if another rank does not answer
  State forward(ConstSequence<T> u, Sequence<T> y, State& state, InOrder) { return in_order(u, {}, y, state); }
  /// Runs a layer whose states can be joined by a scan in the same way: S4D, S5, S4, LSSL.
  State forward(ConstSequence<T> u, Sequence<T> y, State& state, Scanned = {}) requires detail::Joinable<Layer> {
    return scanned(u, {}, y, state);
  }
  /// Runs a sequence of uneven samples in the same way.
  /// @param u           input of this rank's stretch     (L, H)
  /// @param intervals   of this stretch: >= 0 and finite, in seconds or in steps of the layer      (L)
  /// @param y           output                           (L, H)     may be u
  /// @param state       rank 0's: before step 0 of the whole; becomes that after this rank's last step
  /// @return            the state before this rank's first step
  /// @throws            DomainError if an interval is negative or not finite
  /// @{
  State forward(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, State& state,
                InOrder) requires UnevenSSMLayer<Layer> {
    return in_order(u, intervals, y, state);
  }
  State forward(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, State& state,
                Scanned = {}) requires detail::Joinable<Layer> && UnevenSSMLayer<Layer> {
    return scanned(u, intervals, y, state);
  }
  /// @}

  /// Computes the derivatives of the sequence, each rank those of its stretch. What is summed over time, `cotangent`,
  /// is this rank's share: see ssm::add_up.
  /// @param u           input of this rank's stretch            (L, H)
  /// @param before      the state before its first step, as `forward` returned it
  /// @param dy          cotangent of the output                 (L, H)
  /// @param dstate      the last rank's: cotangent of the state after the whole; becomes that of `before`
  /// @param du          += cotangent of u                       (L, H)     not dy's memory
  /// @param cotangent   += that of the layer's discrete numbers
  /// @throws            ShapeError if the sizes disagree; CommunicationError if another rank does not answer
  void forward_vjp(ConstSequence<T> u, const State& before, ConstSequence<T> dy, State& dstate, Sequence<T> du,
                   typename Layer::Cotangent& cotangent, InOrder) requires TrainableSSMLayer<Layer> {
    in_order_vjp(dstate, [&](State& d) { layer_->forward_vjp(u, before, dy, d, du, cotangent); });
  }
  /// Computes them for a layer whose states can be joined by a scan. The backward run is linear in (dy, dstate): it
  /// runs once with dy alone, and once more with what the later ranks make of dstate.
  void forward_vjp(ConstSequence<T> u, const State& before, ConstSequence<T> dy, State& dstate, Sequence<T> du,
                   typename Layer::Cotangent& cotangent, Scanned = {}) requires detail::Joinable<Layer> {
    scanned_vjp({}, dy, dstate,
                [&](ConstSequence<T> dout, State& d) { layer_->forward_vjp(u, before, dout, d, du, cotangent); });
  }
  /// Computes the derivatives of a sequence of uneven samples in the same way.
  /// @param u            input of this rank's stretch                    (L, H)
  /// @param intervals    as `forward` was given                          (L)
  /// @param before       the state before its first step, as `forward` returned it
  /// @param dy           cotangent of the output                         (L, H)
  /// @param dstate       the last rank's: cotangent of the state after the whole; becomes that of `before`
  /// @param du           += cotangent of u                               (L, H)     not dy's memory
  /// @param dintervals   += cotangent of the numbers of the intervals    (L), or empty where not wanted
  /// @param cotangent    += that of the layer's discrete numbers
  /// @throws             as above
  /// @{
  void forward_vjp(ConstSequence<T> u, Intervals<T> intervals, const State& before, ConstSequence<T> dy, State& dstate,
                   Sequence<T> du, std::span<T> dintervals, typename Layer::Cotangent& cotangent,
                   InOrder) requires ssm::detail::UnevenTrainable<Layer> {
    in_order_vjp(dstate,
                 [&](State& d) { layer_->forward_vjp(u, intervals, before, dy, d, du, dintervals, cotangent); });
  }
  void forward_vjp(ConstSequence<T> u, Intervals<T> intervals, const State& before, ConstSequence<T> dy, State& dstate,
                   Sequence<T> du, std::span<T> dintervals, typename Layer::Cotangent& cotangent,
                   Scanned = {}) requires detail::Joinable<Layer> && ssm::detail::UnevenTrainable<Layer> {
    scanned_vjp(intervals, dy, dstate, [&](ConstSequence<T> dout, State& d) {
      layer_->forward_vjp(u, intervals, before, dout, d, du, dintervals, cotangent);
    });
  }
  /// @}

 private:
  /// x -> J x + x of a stretch of time.
  struct Step {
    Jump J;
    std::vector<double> x;
  };
  static constexpr Index tile = 1024;  // steps of a free response at a time

  /// The number of this rank's stretch in the order that the layer reads them in.
  Index place() const noexcept {
    return from_ == ReadFrom::first ? ranks_->rank() : ranks_->size() - 1 - ranks_->rank();
  }
  /// The rank of a place, or -1 where there is none.
  Index rank_at(Index place) const noexcept {
    if (place < 0 || place >= ranks_->size()) return -1;
    return from_ == ReadFrom::first ? place : ranks_->size() - 1 - place;
  }
  void send(const State& state, Index to) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(state)));
    save(state, bytes);
    ranks_->send(bytes, to);
  }
  State received(Index from) {
    State state = layer_->initial_state();
    std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(state)));
    ranks_->receive(bytes, from);
    restore(state, bytes);
    return state;
  }

  /// Runs the layer over some steps, which are of uneven length where intervals are given.
  void run(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, State& state) const {
    if constexpr (UnevenSSMLayer<Layer>)
      if (!intervals.empty()) return layer_->forward(u, intervals, y, state);
    layer_->forward(u, y, state);
  }
  State in_order(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, State& state) {
    if (place() > 0) state = received(rank_at(place() - 1));
    State before = state;
    run(u, intervals, y, state);
    if (place() + 1 < ranks_->size()) send(state, rank_at(place() + 1));
    return before;
  }
  State scanned(ConstSequence<T> u, Intervals<T> intervals, Sequence<T> y, State& state) {
    State before = place() == 0 ? state : layer_->initial_state(), own = before;
    run(u, intervals, y, own);
    Step step{jump(u.length(), intervals), detail::numbers_of(*layer_, own)};
    const auto earlier = exclusive(step, false);
    state = own;
    if (!earlier) return before;
    detail::set_numbers(*layer_, earlier->x, before);
    add_free_response(before, intervals, y);
    std::vector<double> x = step.J(earlier->x);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += step.x[i];
    detail::set_numbers(*layer_, x, state);
    return before;
  }
  /// @param run   run(dstate): the layer's derivatives
  template <class Run>
  void in_order_vjp(State& dstate, Run run) {
    if (place() + 1 < ranks_->size()) dstate = received(rank_at(place() + 1));
    run(dstate);
    if (place() > 0) send(dstate, rank_at(place() - 1));
  }
  /// @param run   run(dy, dstate): the layer's derivatives
  template <class Run>
  void scanned_vjp(Intervals<T> intervals, ConstSequence<T> dy, State& dstate, Run run) {
    const bool last = place() + 1 == ranks_->size();
    State own = last ? dstate : layer_->initial_state();
    run(dy, own);
    Step step{jump(dy.length(), intervals), detail::numbers_of(*layer_, own)};
    const auto after = exclusive(step, true);
    dstate = own;
    if (!after) return;
    State rest = layer_->initial_state();
    detail::set_numbers(*layer_, after->x, rest);
    const std::vector<T> silence(static_cast<std::size_t>(dy.length() * dy.features()));
    run({silence.data(), dy.length(), dy.features()}, rest);
    std::vector<double> x = detail::numbers_of(*layer_, rest);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += step.x[i];
    detail::set_numbers(*layer_, x, dstate);
  }
  /// J of a stretch; that of even steps is kept for the next call.
  Jump jump(Index length, Intervals<T> intervals = {}) {
    if constexpr (UnevenSSMLayer<Layer>)
      if (!intervals.empty()) return detail::jump_of(*layer_, length, intervals);
    if (!kept_ || kept_->first != length) kept_.emplace(length, detail::jump_of(*layer_, length));
    return kept_->second;
  }
  /// The steps of all ranks before this one, one after the other; backwards: of all behind it, J transposed. None where
  /// there are no such ranks. In ceil(log2(ranks)) messages: after the one over distance d a rank knows the 2 d
  /// stretches up to its own.
  std::optional<Step> exclusive(const Step& own, bool backwards) {
    const Index P = ranks_->size(), own_place = backwards ? P - 1 - place() : place();
    const auto rank_of = [&](Index other) { return rank_at(backwards ? P - 1 - other : other); };
    std::optional<Step> before;
    Step window = own;  // of the stretches up to this one, its own included
    std::vector<double> sent(window.J.entries().size() + window.x.size()), received(sent.size());
    for (Index distance = 1; distance < P; distance *= 2) {
      std::copy(window.J.entries().begin(), window.J.entries().end(), sent.begin());
      std::copy(window.x.begin(), window.x.end(), sent.end() - std::ssize(window.x));
      const Index from = rank_of(own_place - distance);
      ranks_->exchange(std::as_bytes(std::span(sent)), rank_of(own_place + distance),
                       std::as_writable_bytes(std::span(received)), from);
      if (from < 0) continue;
      Step earlier = own;
      std::copy_n(received.begin(), earlier.J.entries().size(), earlier.J.entries().begin());
      std::copy(received.end() - std::ssize(earlier.x), received.end(), earlier.x.begin());
      if (before)
        follow(*before, earlier, backwards);
      else
        before = earlier;
      follow(window, earlier, backwards);
    }
    return before;
  }
  /// `later` becomes the steps of `earlier` and then its own. Backwards J^T are chained: (J_1^T J_2^T)^T = J_2 J_1.
  static void follow(Step& later, const Step& earlier, bool backwards) {
    const std::vector<double> moved = backwards ? later.J.transposed(earlier.x) : later.J(earlier.x);
    for (std::size_t i = 0; i < moved.size(); ++i) later.x[i] += moved[i];
    if (!backwards) return later.J.follow(earlier.J);
    Jump chained = earlier.J;
    chained.follow(later.J);
    later.J = std::move(chained);
  }
  /// Adds to y what the state `before` gives without input, until that is below a quarter of the rounding of every
  /// output's peak.
  void add_free_response(const State& before, Intervals<T> intervals, Sequence<T> y) const {
    const Index L = y.length(), H = y.features(), steps = std::min(tile, L);
    std::vector<double> audible(static_cast<std::size_t>(H));
    for (Index k = 0; k < L; ++k)
      for (Index h = 0; h < H; ++h) {
        double& peak = audible[static_cast<std::size_t>(h)];
        peak = std::max(peak, std::abs(static_cast<double>(y(k, h))));
      }
    for (double& peak : audible)
      peak = std::max<double>(peak * std::numeric_limits<T>::epsilon() / 4, std::numeric_limits<T>::min());
    const std::vector<T> silence(static_cast<std::size_t>(steps * H));
    std::vector<T> response(silence.size());
    State free = before;
    for (Index first = 0; first < L; first += steps) {
      const Index count = std::min(steps, L - first);
      const auto bounds = detail::free_bounds(*layer_, detail::numbers_of(*layer_, free));
      if (std::equal(bounds.begin(), bounds.end(), audible.begin(), [](double b, double a) { return b < a; })) return;
      const Sequence<T> z(response.data(), count, H);
      run({silence.data(), count, H}, intervals.part(first, count), z, free);
      for (Index k = 0; k < count; ++k)
        for (Index h = 0; h < H; ++h) y(first + k, h) += z(k, h);
    }
  }

  const Layer* layer_;
  Communicator* ranks_;
  ReadFrom from_;
  std::optional<std::pair<Index, Jump>> kept_;  // a length, and its J
};

}  // namespace ssm::mpi
