#pragma once

#include "ssm/core/index.hpp"
#include "ssm/simd/in_register.hpp"

#include <xsimd/xsimd.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

/// Numbers side by side in registers. The only place that knows instruction sets: what is written with `Pack` compiles
/// for each of them from one source.
namespace ssm::simd {

// Instruction sets are types, and part of the type of all that uses them, so that translation units compiled for
// different processors never share code.

/// One number at a time, on any machine.
struct scalar {};
/// 128 bits, every x86-64.
using sse2 = xsimd::sse2;
/// 256 bits, with multiply-and-add.
using avx2 = xsimd::fma3<xsimd::avx2>;
/// 512 bits.
using avx512 = xsimd::avx512bw;
/// 128 bits, every 64-bit ARM.
using neon = xsimd::neon64;

/// The widest instruction set that this translation unit is compiled for.
using native = std::conditional_t<std::is_same_v<xsimd::default_arch, xsimd::unavailable>, scalar, xsimd::default_arch>;

/// Some numbers side by side.
///
/// @tparam T      float, double
/// @tparam Arch   scalar, sse2, avx2, avx512, neon, or native
template <std::floating_point T, class Arch = native>
class Pack {
  using Batch = xsimd::batch<T, Arch>;
  using Bool = typename Batch::batch_bool_type;

 public:
  /// Scalar type of inputs and outputs.
  using Scalar = T;
  /// Numbers in a pack.
  static constexpr Index size = static_cast<Index>(Batch::size);
  /// Registers for packs.
  static constexpr Index registers = std::is_same_v<Arch, neon> || sizeof(Batch) == 64 ? 32 : 16;

  Pack() = default;
  /// Sets all lanes to one number.
  explicit Pack(T value) noexcept : batch_(value) {}

  /// `size` numbers from memory, aligned or not.
  static Pack load(const T* from) noexcept { return Pack(Batch::load_unaligned(from)); }
  /// Sets it from those numbers.
  void store(T* to) const noexcept { batch_.store_unaligned(to); }

  /// Returns a, from here on in a register.
  friend Pack in_registers(Pack a) noexcept {
    hold_in_register(a.batch_.data);
    return a;
  }
  /// a + b
  friend Pack operator+(Pack a, Pack b) noexcept { return Pack(a.batch_ + b.batch_); }
  /// a - b
  friend Pack operator-(Pack a, Pack b) noexcept { return Pack(a.batch_ - b.batch_); }
  /// a * b
  friend Pack operator*(Pack a, Pack b) noexcept { return Pack(a.batch_ * b.batch_); }
  /// a / b
  friend Pack operator/(Pack a, Pack b) noexcept { return Pack(a.batch_ / b.batch_); }
  /// a b + c, rounded once where the machine can.
  friend Pack fma(Pack a, Pack b, Pack c) noexcept { return Pack(xsimd::fma(a.batch_, b.batch_, c.batch_)); }
  /// c - a b, rounded once where the machine can.
  friend Pack fnma(Pack a, Pack b, Pack c) noexcept {
#ifdef __AVX512F__  // xsimd 8 negates a first, which takes a register more in a loop
    if constexpr (sizeof(Batch) == 64 && sizeof(T) == 4)
      return Pack(Batch(_mm512_fnmadd_ps(a.batch_, b.batch_, c.batch_)));
    else if constexpr (sizeof(Batch) == 64)
      return Pack(Batch(_mm512_fnmadd_pd(a.batch_, b.batch_, c.batch_)));
    else
#endif
      return Pack(xsimd::fnma(a.batch_, b.batch_, c.batch_));
  }

  /// The larger one.
  friend Pack max(Pack a, Pack b) noexcept { return Pack(xsimd::max(a.batch_, b.batch_)); }
  /// e^a
  friend Pack exp(Pack a) noexcept { return Pack(xsimd::exp(a.batch_)); }
  /// square root of a
  friend Pack sqrt(Pack a) noexcept { return Pack(xsimd::sqrt(a.batch_)); }
  /// log(1 + a)
  friend Pack log1p(Pack a) noexcept { return Pack(xsimd::log1p(a.batch_)); }
  /// tanh a
  friend Pack tanh(Pack a) noexcept { return Pack(xsimd::tanh(a.batch_)); }
  /// erf a
  friend Pack erf(Pack a) noexcept { return Pack(xsimd::erf(a.batch_)); }

  /// Some of the numbers.
  class Mask {
   public:
    Mask() = default;
    /// Number i where bit i is set.
    explicit Mask(std::uint32_t bits) noexcept {
      if constexpr (requires { static_cast<typename Bool::register_type>(bits); }) {  // AVX-512 keeps a mask as bits
        which_ = Bool(static_cast<typename Bool::register_type>(bits));
      } else {
        using Integer = xsimd::as_integer_t<T>;
        using Integers = xsimd::batch<Integer, Arch>;
        static constexpr auto lane_bits = [] {
          std::array<Integer, Batch::size> result;
          for (std::size_t i = 0; i < Batch::size; ++i) result[i] = Integer(1) << i;
          return result;
        }();
        const auto set = Integers(static_cast<Integer>(bits)) & Integers::load_unaligned(lane_bits.data());
        which_ = xsimd::to_float(set) != Batch(T(0));
      }
    }

   private:
    friend Pack;
    Bool which_;
  };
  /// a + b where the mask is set, b elsewhere.
  static Pack add_where(Mask mask, Pack a, Pack b) noexcept {
    if constexpr (sizeof(Batch) == 64)
      return Pack(xsimd::select(mask.which_, a.batch_ + b.batch_, b.batch_));  // one instruction
    else
      return Pack(xsimd::select(mask.which_, a.batch_, Batch(T(0))) + b.batch_);
  }

 private:
  explicit Pack(Batch batch) noexcept : batch_(batch) {}
  Batch batch_;
};

/// One number.
template <std::floating_point T>
class Pack<T, scalar> {
 public:
  /// Scalar type of the number.
  using Scalar = T;
  /// 1
  static constexpr Index size = 1;
  /// Registers for numbers.
  static constexpr Index registers = 16;

  Pack() = default;
  /// The number.
  explicit Pack(T value) noexcept : value_(value) {}

  /// Loads from memory.
  static Pack load(const T* from) noexcept { return Pack(*from); }
  /// Sets it from those numbers.
  void store(T* to) const noexcept { *to = value_; }

  /// Returns a.
  friend Pack in_registers(Pack a) noexcept { return a; }
  /// a + b
  friend Pack operator+(Pack a, Pack b) noexcept { return Pack(a.value_ + b.value_); }
  /// a - b
  friend Pack operator-(Pack a, Pack b) noexcept { return Pack(a.value_ - b.value_); }
  /// a * b
  friend Pack operator*(Pack a, Pack b) noexcept { return Pack(a.value_ * b.value_); }
  /// a / b
  friend Pack operator/(Pack a, Pack b) noexcept { return Pack(a.value_ / b.value_); }
  /// a b + c
  friend Pack fma(Pack a, Pack b, Pack c) noexcept { return Pack(a.value_ * b.value_ + c.value_); }
  /// c - a b
  friend Pack fnma(Pack a, Pack b, Pack c) noexcept { return Pack(c.value_ - a.value_ * b.value_); }

  /// The larger one.
  friend Pack max(Pack a, Pack b) noexcept { return Pack(std::max(a.value_, b.value_)); }
  /// e^a
  friend Pack exp(Pack a) noexcept { return Pack(std::exp(a.value_)); }
  /// square root of a
  friend Pack sqrt(Pack a) noexcept { return Pack(std::sqrt(a.value_)); }
  /// log(1 + a)
  friend Pack log1p(Pack a) noexcept { return Pack(std::log1p(a.value_)); }
  /// tanh a
  friend Pack tanh(Pack a) noexcept { return Pack(std::tanh(a.value_)); }
  /// erf a
  friend Pack erf(Pack a) noexcept { return Pack(std::erf(a.value_)); }

  /// The number or not.
  class Mask {
   public:
    Mask() = default;
    /// Is set where bit 0 is.
    explicit Mask(std::uint32_t bits) noexcept : set_((bits & 1) != 0) {}

   private:
    friend Pack;
    bool set_;
  };
  /// a + b where the mask is set, b elsewhere.
  static Pack add_where(Mask mask, Pack a, Pack b) noexcept { return mask.set_ ? a + b : b; }

 private:
  T value_;
};

/// Bytes of a group of lanes: the same for every instruction set, a whole number of packs of each, and a cache line.
/// Memory that is laid out in groups may therefore cross between translation units compiled for different processors.
inline constexpr Index group_bytes = 64;

/// Numbers in a group of lanes.
template <std::floating_point T>
inline constexpr Index group = group_bytes / static_cast<Index>(sizeof(T));

}  // namespace ssm::simd
