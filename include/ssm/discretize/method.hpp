#pragma once

#include "ssm/core/error.hpp"

#include <array>
#include <charconv>
#include <string>
#include <variant>

namespace ssm {

/// The trapezoid rule (Tustin): maps a stable system onto a stable one, is O(N R) for diagonal plus low rank.
struct Bilinear {
  /// Name in files and in print.
  static constexpr const char* name = "bilinear";
  /// Compares by value.
  friend bool operator==(Bilinear, Bilinear) = default;
};

/// The exact solution for an input that is held during each step.
struct ZeroOrderHold {
  /// Name in files and in print.
  static constexpr const char* name = "zero-order hold";
  /// Compares by value.
  friend bool operator==(ZeroOrderHold, ZeroOrderHold) = default;
};

/// x_k = x_{k-1} + dt (A x_{k-1} + B u_k). Unstable unless dt is small against the fastest mode.
struct ForwardEuler {
  /// Name in files and in print.
  static constexpr const char* name = "forward Euler";
  /// Compares by value.
  friend bool operator==(ForwardEuler, ForwardEuler) = default;
};

/// x_k = x_{k-1} + dt (A x_k + B u_k).
struct BackwardEuler {
  /// Name in files and in print.
  static constexpr const char* name = "backward Euler";
  /// Compares by value.
  friend bool operator==(BackwardEuler, BackwardEuler) = default;
};

/// x_k = x_{k-1} + dt (A ((1 - alpha) x_{k-1} + alpha x_k) + B u_k): forward Euler at 0, bilinear at 1/2, backward
/// Euler at 1. Stable for every step from 1/2 on. LSSL, arXiv:2110.13985, equation 3.
struct GeneralizedBilinear {
  /// Name in files and in print, before alpha.
  static constexpr const char* name = "generalized bilinear";
  double alpha;  ///< 0 .. 1
  /// Compares by value.
  friend bool operator==(GeneralizedBilinear, GeneralizedBilinear) = default;
};

/// Discretization of a diagonal system as data of a model: S4D's and S5's.
using ModalDiscretization = std::variant<ZeroOrderHold, Bilinear>;

/// Discretization of a dense system as data of a model: LSSL's.
using DenseDiscretization = std::variant<Bilinear, ZeroOrderHold, ForwardEuler, BackwardEuler, GeneralizedBilinear>;

namespace detail {

/// "zero-order hold or bilinear"
template <class... Methods>
std::string names(const std::variant<Methods...>&) {
  std::string all;
  ((all += (all.empty() ? "" : " or ") + std::string(Methods::name)), ...);
  return all;
}
template <class Method>
std::string names(const Method&) {
  return Method::name;
}

}  // namespace detail

/// Returns the name of a discretization: "bilinear", "zero-order hold", "generalized bilinear 0.7".
template <class... Methods>
std::string name_of(const std::variant<Methods...>& method) {
  return std::visit(
      []<class Method>(const Method& chosen) {
        std::string name = Method::name;
        if constexpr (requires { chosen.alpha; }) {
          std::array<char, 32> digits{};
          const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), chosen.alpha).ptr;
          name.append(" ").append(digits.data(), end);
        }
        return name;
      },
      method);
}

/// Returns the same method as a kind of layer holds it.
/// @tparam To    variant of the methods that the kind has, or the one method
/// @throws       DomainError that names them, if the method is none of them
template <class To, class... Methods>
To convert(const std::variant<Methods...>& method) {
  return std::visit(
      [&](const auto& chosen) -> To {
        if constexpr (std::is_constructible_v<To, decltype(chosen)>)
          return chosen;
        else
          throw DomainError(
              detail::message("discretization: expected ", detail::names(To{}), ", got ", name_of(method)));
      },
      method);
}
template <class To, class Method>
requires std::is_constructible_v<To, Method> To convert(const Method& method) { return method; }

}  // namespace ssm
