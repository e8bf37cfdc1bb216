#pragma once

#include "ssm/core/array.hpp"
#include "ssm/simd/pack.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ssm {

/// State of H independent systems of M modes each, S4's and S4D's. X may be wider than the data.
///
///     x = unit (X + d)
///
/// A recurrence runs d, and takes it into X after every block of steps; the unit, and where in a block the state is,
/// are its own (see detail::ModalRecurrence). Whoever reads or sets x need not know: `x`, `set`.
///
/// Features lie side by side in groups of lanes, so that one instruction moves the same mode of several of them; what
/// is beyond the last feature is 0. The groups are of one size for every instruction set.
template <Real X>
class ModalState {
  static constexpr Index lanes = simd::group<X>;

 public:
  /// Scalar of the numbers.
  using Scalar = X;

  ModalState() = default;
  /// A state at rest.
  /// @param features   H
  /// @param modes      M
  /// @param rank       of the low-rank part that joins the modes
  ModalState(Index features, Index modes, Index rank = 0)
      : features_(features),
        moving_(groups(features), modes, moving_rows * lanes),
        held_(groups(features), modes, held_rows * lanes),
        units_(groups(features), modes, held_rows * lanes),
        heads_(groups(features), 1 + 2 * rank, lanes),
        phase_(groups(features)),
        owner_(groups(features)) {
    for (Index which = 0; which < units_.rows(); ++which)
      for (Index n = 0; n < modes; ++n) std::fill_n(&units_(which, n), lanes, X(1));
  }

  /// H
  Index features() const noexcept { return features_; }
  /// M
  Index modes() const noexcept { return moving_.columns(); }
  /// Rank of the low-rank part that joins the modes.
  Index rank() const noexcept { return (heads_.columns() - 1) / 2; }

  /// Returns x of mode n of feature h.
  Complex<X> x(Index h, Index n) const noexcept {
    const Index which = h / lanes, lane = h % lanes;
    const auto number = [lane](const X* from) { return Complex<X>(from[lane], from[lanes + lane]); };
    return detail::plain_product(Complex<X>(number(&held_(which, n)) + number(&moving_(which, n))),
                                 number(&units_(which, n)));
  }
  /// Sets x of mode n of feature h.
  void set(Index h, Index n, Complex<X> x) noexcept {
    const Index which = h / lanes, lane = h % lanes;
    const auto put = [lane](X* to, Complex<X> value) {
      to[lane] = value.real();
      to[lanes + lane] = value.imag();
    };
    put(&held_(which, n), x);
    put(&units_(which, n), X(1));
    put(&moving_(which, n), X(0));
    owner_(which) = 0;
  }
  /// Returns x of all modes: of a group of features real parts, then imaginary ones.      (groups, M, 2 lanes)
  Array<X> numbers() const {
    Array<X> all(moving_.rows(), modes(), 2 * lanes);
    for (Index h = 0; h < features(); ++h)
      for (Index n = 0; n < modes(); ++n) {
        const Complex<X> value = x(h, n);
        all(h / lanes, n, h % lanes) = value.real();
        all(h / lanes, n, lanes + h % lanes) = value.imag();
      }
    return all;
  }

  /// Rows of lanes of a mode that every step reads or writes.
  static constexpr Index moving_rows = 4;
  /// Rows of lanes of a mode that only the end of a block reads or writes.
  static constexpr Index held_rows = 2;
  /// Pointers to one group of features, for a recurrence to work on.
  struct Group {
    X* moving;             ///< d, (A_bar - 1) X                         (M, 4, lanes)
    X* held;               ///< X                                        (M, 2, lanes)
    X* units;              ///< (M, 2, lanes)
    X* heads;              ///< contributions of X to y and to s; then s itself   (1 + 2 R, lanes)
    Index* phase;          ///< steps since the block began
    std::uint64_t* owner;  ///< the recurrence whose units these are; 0: none's
  };
  /// Returns a group of features.
  Group group(Index which) noexcept {
    return {moving_.row(which).data(), held_.row(which).data(), units_.row(which).data(),
            heads_.row(which).data(),  &phase_(which),          &owner_(which)};
  }

  /// Equality of what the state will do: of all numbers as they are kept.
  friend bool operator==(const ModalState&, const ModalState&) = default;

  /// The memory that is the state's value.
  friend std::array<std::span<std::byte>, 6> parts(ModalState& state) {
    return {std::as_writable_bytes(state.moving_.values()), std::as_writable_bytes(state.held_.values()),
            std::as_writable_bytes(state.units_.values()),  std::as_writable_bytes(state.heads_.values()),
            std::as_writable_bytes(state.phase_.values()),  std::as_writable_bytes(state.owner_.values())};
  }
  /// Name of such a state, written before its bytes.
  friend constexpr std::string_view kind(const ModalState&) { return sizeof(X) == 4 ? "modes, F32" : "modes, F64"; }

 private:
  static Index groups(Index features) { return (features + lanes - 1) / lanes; }

  Index features_ = 0;
  Array<X> moving_, held_, units_, heads_;
  Array<Index> phase_;
  Array<std::uint64_t> owner_;
};

/// State of one system for all features, S5's: x = (re + low_re) + i (im + low_im). X may be wider than the data.
template <Real X>
struct MimoState {
  /// Scalar of the numbers.
  using Scalar = X;
  Array<X> re;      ///< (S)
  Array<X> im;      ///< (S)
  Array<X> low_re;  ///< digits that did not fit into re: much smaller     (S)
  Array<X> low_im;  ///< the same of im                                    (S)

  MimoState() = default;
  /// A state of S modes at rest.
  explicit MimoState(Index modes) : re(modes), im(modes), low_re(modes), low_im(modes) {}

  /// Compares by value.
  friend bool operator==(const MimoState&, const MimoState&) = default;
  /// The memory that is the state's value.
  friend std::array<std::span<std::byte>, 4> parts(MimoState& state) {
    return {std::as_writable_bytes(state.re.values()), std::as_writable_bytes(state.im.values()),
            std::as_writable_bytes(state.low_re.values()), std::as_writable_bytes(state.low_im.values())};
  }
  /// Name of such a state, written before its bytes.
  friend constexpr std::string_view kind(const MimoState&) { return sizeof(X) == 4 ? "MIMO, F32" : "MIMO, F64"; }
};

/// State of a layer whose transition is dense: x + low.
template <Real X>
struct DenseState {
  /// Scalar of the numbers.
  using Scalar = X;
  Array<X> x;     ///< (H, N)
  Array<X> low;   ///< digits that did not fit into x: much smaller    (H, N)
  Array<X> next;  ///< the step's workspace: no part of the state's value    (H, padded N)

  DenseState() = default;
  /// A state at rest of H systems of N states.
  DenseState(Index features, Index states)
      : x(features, states), low(features, states), next(features, padded(states)) {}
  /// @throws ShapeError unless it is one of H systems of N states
  void check(Index features, Index states) const {
    detail::require_shape("state", x, features, states);
    detail::require_shape("state's low digits", low, features, states);
    detail::require_shape("state's workspace", next, features, padded(states));
  }
  /// N, or the next multiple of a group of lanes.
  static constexpr Index padded(Index states) noexcept {
    return (states + simd::group<X> - 1) / simd::group<X> * simd::group<X>;
  }

  /// Compares by value.
  friend bool operator==(const DenseState& a, const DenseState& b) { return a.x == b.x && a.low == b.low; }
  /// The memory that is the state's value.
  friend std::array<std::span<std::byte>, 2> parts(DenseState& state) {
    return {std::as_writable_bytes(state.x.values()), std::as_writable_bytes(state.low.values())};
  }
  /// Name of such a state, written before its bytes.
  friend constexpr std::string_view kind(const DenseState&) { return sizeof(X) == 4 ? "dense, F32" : "dense, F64"; }
};

/// A state whose value is a range of spans of numbers: `parts(state)`. A state of your own gets `save` and `restore` by
/// a function of this name beside it; another one, `kind(state)`, says in at most 16 letters what it is.
template <class State>
concept SavableState = requires(State& state) {
  parts(state)[0].data();
};

namespace detail {

/// Head of a state's bytes: the name of the state, the sizes of its parts, and a checksum of the numbers.
struct StateHead {
  static constexpr std::size_t letters = 16;
  std::array<char, 8> mark{'s', 's', 'm', ' ', 's', 't', '0', '2'};
  std::array<char, letters> called{};  ///< name of the kind of state
  std::uint64_t shape = 0;             ///< checksum of the parts' sizes
  std::uint64_t numbers = 0;           ///< checksum of the numbers

  /// Adds bytes to a checksum: FNV-1a, eight at a time.
  static std::uint64_t add(std::uint64_t sum, std::span<const std::byte> bytes) noexcept {
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
      sum = (sum ^ word) * 0x100000001B3U;
      sum ^= sum >> 32U;
    }
    return sum;
  }
  static constexpr std::uint64_t nothing = 0xCBF29CE484222325U;

  /// The head of a state's bytes, but for the numbers.
  template <class State>
  static StateHead of(State& state) {
    StateHead head;
    std::string_view name = "a state";
    if constexpr (requires { kind(state); }) name = kind(state);
    std::copy_n(name.begin(), std::min(name.size(), letters), head.called.begin());
    head.shape = nothing;
    each_part(state, [&](std::span<std::byte> part) {
      const std::uint64_t size = part.size();
      head.shape = add(head.shape, std::as_bytes(std::span(&size, 1)));
    });
    return head;
  }
  std::string_view name() const noexcept {
    return {called.data(), static_cast<std::size_t>(std::find(called.begin(), called.end(), char(0)) - called.begin())};
  }
  /// f(bytes) for every part.
  template <class State, class F>
  static void each_part(State& state, F f) {
    for (const auto part : parts(state)) f(std::as_writable_bytes(std::span(part)));
  }
};

}  // namespace detail

/// Returns the number of bytes that `save` writes.
template <SavableState State>
Index byte_size(const State& state) {
  std::size_t bytes = sizeof(detail::StateHead);
  detail::StateHead::each_part(const_cast<State&>(state), [&](std::span<std::byte> part) { bytes += part.size(); });
  return static_cast<Index>(bytes);
}

/// Writes a state's value: what it is, its sizes, a checksum, then the numbers as they lie in memory, for the same
/// layer on the same kind of machine.
/// @throws ShapeError unless there are byte_size(state) bytes
template <SavableState State>
void save(const State& state, std::span<std::byte> bytes) {
  detail::require_size("bytes to save a state in", byte_size(state), static_cast<Index>(bytes.size()));
  auto& own = const_cast<State&>(state);
  auto head = detail::StateHead::of(own);
  std::size_t at = sizeof head;
  detail::StateHead::each_part(own, [&](std::span<std::byte> part) {
    std::copy(part.begin(), part.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    at += part.size();
  });
  head.numbers = detail::StateHead::add(detail::StateHead::nothing, bytes.subspan(sizeof head));
  std::memcpy(bytes.data(), &head, sizeof head);
}

/// Reads what `save` wrote into a state of the same layer.
/// @param state   of the right sizes: the layer's initial_state(), for one
/// @param bytes   what `save` wrote
/// @throws        ShapeError unless there are byte_size(state) bytes; DomainError if they are no state's, those of
///                another kind or of other sizes, or damaged. The state is left alone then.
template <SavableState State>
void restore(State& state, std::span<const std::byte> bytes) {
  using detail::StateHead;
  detail::require_size("bytes to restore a state from", byte_size(state), static_cast<Index>(bytes.size()));
  StateHead head;
  const StateHead expected = StateHead::of(state);
  std::memcpy(&head, bytes.data(), sizeof head);
  const auto numbers = bytes.subspan(sizeof head);
  if (head.mark != expected.mark)
    throw DomainError("bytes of a state: expected what `save` writes, got something else");
  if (head.called != expected.called)
    throw DomainError(
        detail::message("bytes of a state: expected those of '", expected.name(), "', got '", head.name(), "'"));
  if (head.shape != expected.shape)
    throw DomainError("bytes of a state: expected one of this layer's sizes, got one of other sizes");
  if (head.numbers != StateHead::add(StateHead::nothing, numbers))
    throw DomainError("bytes of a state: expected the numbers that were saved, they are damaged");
  std::size_t at = 0;
  StateHead::each_part(state, [&](std::span<std::byte> part) {
    std::copy_n(numbers.begin() + static_cast<std::ptrdiff_t>(at), part.size(), part.begin());
    at += part.size();
  });
}

}  // namespace ssm
