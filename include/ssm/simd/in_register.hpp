#pragma once

namespace ssm::simd {

/// Has a compiler hold a number, or some in lanes, in a register from here on. Where it is read several times, a compiler
/// may otherwise read memory as often, which a loop notices whose limit is its loads.
template <class Register>
inline void hold_in_register([[maybe_unused]] Register& value) noexcept {
#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
  asm("" : "+x"(value));
#elif (defined(__GNUC__) || defined(__clang__)) && defined(__aarch64__)
  asm("" : "+w"(value));
#endif
}

}  // namespace ssm::simd
