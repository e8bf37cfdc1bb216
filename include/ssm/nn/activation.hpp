#pragma once

#include "ssm/core/error.hpp"
#include "ssm/simd/pack.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <numbers>
#include <span>
#include <utility>

/// Parts of a deep model between its layers. The derivative `f_vjp` is declared directly after `f`, and adds to its
/// results.
namespace ssm::nn {

namespace detail {

/// Sets all lanes to one number.
template <class Pack>
Pack constant(double value) noexcept {
  return Pack(static_cast<typename Pack::Scalar>(value));
}

}  // namespace detail

/// x
struct Identity {
  /// f(x)
  template <class Pack>
  static Pack value(Pack x) noexcept {
    return x;
  }
  /// f'(x)
  template <class Pack>
  static Pack slope(Pack) noexcept {
    return detail::constant<Pack>(1);
  }
};

/// 1 / (1 + e^-x)
struct Sigmoid {
  /// f(x)
  template <class Pack>
  static Pack value(Pack x) noexcept {
    return detail::constant<Pack>(1) / (detail::constant<Pack>(1) + exp(detail::constant<Pack>(0) - x));
  }
  /// f'(x)
  template <class Pack>
  static Pack slope(Pack x) noexcept {
    const Pack s = value(x);
    return s * (detail::constant<Pack>(1) - s);
  }
};

/// log(1 + e^x)
struct Softplus {
  /// f(x)
  template <class Pack>
  static Pack value(Pack x) noexcept {
    const Pack zero = detail::constant<Pack>(0), size = max(x, zero - x);
    return max(x, zero) + log1p(exp(zero - size));
  }
  /// f'(x) = 1 / (1 + e^-x)
  template <class Pack>
  static Pack slope(Pack x) noexcept {
    return Sigmoid::value(x);
  }
};

/// x / (1 + e^-x), also called swish.
struct Silu {
  /// f(x)
  template <class Pack>
  static Pack value(Pack x) noexcept {
    return x * Sigmoid::value(x);
  }
  /// f'(x)
  template <class Pack>
  static Pack slope(Pack x) noexcept {
    const Pack s = Sigmoid::value(x);
    return s * (detail::constant<Pack>(1) + x * (detail::constant<Pack>(1) - s));
  }
};

/// tanh x
struct Tanh {
  /// f(x)
  template <class Pack>
  static Pack value(Pack x) noexcept {
    return tanh(x);
  }
  /// f'(x)
  template <class Pack>
  static Pack slope(Pack x) noexcept {
    const Pack t = tanh(x);
    return detail::constant<Pack>(1) - t * t;
  }
};

/// max(x, 0)
struct Relu {
  /// f(x)
  template <class Pack>
  static Pack value(Pack x) noexcept {
    return max(x, detail::constant<Pack>(0));
  }
  /// f'(x), 0 at 0
  template <class Pack>
  static Pack slope(Pack x) noexcept {
    return max(x, detail::constant<Pack>(0)) /
           max(max(x, detail::constant<Pack>(0) - x), Pack(std::numeric_limits<typename Pack::Scalar>::min()));
  }
};

/// x Phi(x), Phi the normal distribution: Hendrycks, Gimpel 2016, arXiv:1606.08415.
struct Gelu {
  /// f(x)
  template <class Pack>
  static Pack value(Pack x) noexcept {
    return x * distribution(x);
  }
  /// f'(x) = Phi(x) + x phi(x)
  template <class Pack>
  static Pack slope(Pack x) noexcept {
    return slope(x, distribution(x));
  }
  /// f(x) and f'(x), which have Phi in common.
  template <class Pack>
  static std::pair<Pack, Pack> both(Pack x) noexcept {
    const Pack Phi = distribution(x);
    return {x * Phi, slope(x, Phi)};
  }

 private:
  template <class Pack>
  static Pack slope(Pack x, Pack Phi) noexcept {
    constexpr double density = 0.39894228040143267794;  // of the normal distribution at 0
    return fma(x * detail::constant<Pack>(density), exp(detail::constant<Pack>(-0.5) * x * x), Phi);
  }
  template <class Pack>
  static Pack distribution(Pack x) noexcept {
    return fma(detail::constant<Pack>(0.5), erf(x * detail::constant<Pack>(std::numbers::sqrt2 / 2)),
               detail::constant<Pack>(0.5));
  }
};

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): the form of the same paper that flax takes.
struct TanhGelu {
  /// f(x)
  template <class Pack>
  static Pack value(Pack x) noexcept {
    return detail::constant<Pack>(0.5) * x * (detail::constant<Pack>(1) + tanh(inner(x)));
  }
  /// f'(x)
  template <class Pack>
  static Pack slope(Pack x) noexcept {
    const Pack t = tanh(inner(x)), d = detail::constant<Pack>(scale) *
                                       fma(detail::constant<Pack>(3 * cubic), x * x, detail::constant<Pack>(1));
    return detail::constant<Pack>(0.5) * (detail::constant<Pack>(1) + t + x * (detail::constant<Pack>(1) - t * t) * d);
  }

 private:
  static constexpr double scale = 0.79788456080286535588, cubic = 0.044715;
  template <class Pack>
  static Pack inner(Pack x) noexcept {
    return detail::constant<Pack>(scale) * x * fma(detail::constant<Pack>(cubic), x * x, detail::constant<Pack>(1));
  }
};

namespace detail {

/// f(pack type, position) for packs of numbers, then for what is left one by one.
template <Real T, class Arch, class F>
void for_each_pack(Index size, F f) noexcept {
  constexpr Index lanes = simd::Pack<T, Arch>::size;
  Index i = 0;
  for (; i + lanes <= size; i += lanes) f.template operator()<simd::Pack<T, Arch>>(i);
  for (; i < size; ++i) f.template operator()<simd::Pack<T, simd::scalar>>(i);
}

/// f(at...) for every pack of numbers of some arrays. What is left goes through a pack too, with zeros behind it: what
/// becomes of a number then does not depend on where it stands, as it does where the last ones go one by one.
template <class Pack, class F, class... Number>
void for_each_padded_pack(Index size, F f, Number*... at) noexcept {
  Index i = 0;
  for (; i + Pack::size <= size; i += Pack::size) f(at + i...);
  const auto rest = static_cast<std::size_t>(size - i);
  if (rest == 0) return;
  const auto padded = [rest](const auto* from) {
    std::array<typename Pack::Scalar, std::size_t(Pack::size)> numbers{};
    std::copy_n(from, rest, numbers.begin());
    return numbers;
  };
  const auto put_back = [rest]<class To>(const auto& numbers, To* to) {
    if constexpr (!std::is_const_v<To>) std::copy_n(numbers.begin(), rest, to);
  };
  [&](auto... numbers) {
    f(numbers.data()...);
    (put_back(numbers, at + i), ...);
  }(padded(at + i)...);
}

}  // namespace detail

/// y = f(x), number by number: a number has the same f(x) wherever it stands.
/// @param f   Relu, Sigmoid, Silu, Softplus, Tanh, Gelu, TanhGelu, Identity
/// @param x   input
/// @param y   output; may be x
/// @throws    ShapeError unless both have one size
template <class F, Real T, class Arch = simd::native>
void activate(F f, std::span<const T> x, std::span<T> y) {
  ssm::detail::require_size("numbers of y", static_cast<Index>(x.size()), static_cast<Index>(y.size()));
  using Pack = simd::Pack<T, Arch>;
  detail::for_each_padded_pack<Pack>(
      static_cast<Index>(x.size()), [f](const T* from, T* to) { f.value(Pack::load(from)).store(to); }, x.data(),
      y.data());
}
/// dx += f'(x) dy
/// @param f    the function
/// @param x    input
/// @param dy   cotangent of the output
/// @param dx   += cotangent of x; not the memory of dy
/// @throws     ShapeError unless all have one size
template <class F, Real T, class Arch = simd::native>
void activate_vjp(F f, std::span<const T> x, std::span<const T> dy, std::span<T> dx) {
  ssm::detail::require_size("numbers of dy", static_cast<Index>(x.size()), static_cast<Index>(dy.size()));
  ssm::detail::require_size("numbers of dx", static_cast<Index>(x.size()), static_cast<Index>(dx.size()));
  using Pack = simd::Pack<T, Arch>;
  detail::for_each_padded_pack<Pack>(
      static_cast<Index>(x.size()),
      [f](const T* from, const T* cotangent, T* sum) {
        fma(f.slope(Pack::load(from)), Pack::load(cotangent), Pack::load(sum)).store(sum);
      },
      x.data(), dy.data(), dx.data());
}

/// Computes y = f(x) and slope = f'(x), for a backward run that needs both.
/// @param f       any of the functions above
/// @param x       input
/// @param y       output; may be x
/// @param slope   of f at x
/// @throws        ShapeError unless all have one size
template <class F, Real T, class Arch = simd::native>
void activate(F f, std::span<const T> x, std::span<T> y, std::span<T> slope) {
  ssm::detail::require_size("numbers of y", static_cast<Index>(x.size()), static_cast<Index>(y.size()));
  ssm::detail::require_size("numbers of the slope", static_cast<Index>(x.size()), static_cast<Index>(slope.size()));
  using Pack = simd::Pack<T, Arch>;
  detail::for_each_padded_pack<Pack>(
      static_cast<Index>(x.size()),
      [f](const T* from, T* to, T* slope_to) {
        const Pack at = Pack::load(from);
        const auto [value, steepness] = [&] {
          if constexpr (requires { f.both(at); })
            return f.both(at);
          else
            return std::pair(f.value(at), f.slope(at));
        }();
        value.store(to);
        steepness.store(slope_to);
      },
      x.data(), y.data(), slope.data());
}

/// An activation as data of a model.
enum class Activation {
  identity,   ///< x
  gelu,       ///< x Phi(x), by erf
  tanh_gelu,  ///< the same by tanh, flax's
  relu,       ///< max(x, 0)
  silu,       ///< x / (1 + e^-x)
  tanh,       ///< tanh x
  sigmoid,    ///< 1 / (1 + e^-x)
  softplus,   ///< log(1 + e^x)
  glu         ///< a / (1 + e^-b), (a, b) the halves of a step's features: half as many come out
};

/// Calls f(function) with the function that an activation names.
/// @throws DomainError for `glu`, which is no function of one number
template <class F>
decltype(auto) with_function(Activation activation, F f) {
  switch (activation) {
    case Activation::identity:
      return f(Identity{});
    case Activation::gelu:
      return f(Gelu{});
    case Activation::tanh_gelu:
      return f(TanhGelu{});
    case Activation::relu:
      return f(Relu{});
    case Activation::silu:
      return f(Silu{});
    case Activation::tanh:
      return f(Tanh{});
    case Activation::sigmoid:
      return f(Sigmoid{});
    case Activation::softplus:
      return f(Softplus{});
    case Activation::glu:
      break;
  }
  throw DomainError("activation: expected a function of one number, got glu");
}

}  // namespace ssm::nn
