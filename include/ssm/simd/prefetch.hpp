#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace ssm::simd {

/// Asks for the cache line at an address, wherever that is, before it is read or written.
inline void prefetch([[maybe_unused]] const void* address) noexcept {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address);
  asm volatile("");  // GCC takes a function that only prefetches for one without effect, and drops the calls
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
  _mm_prefetch(static_cast<const char*>(address), 3);
#endif
}

}  // namespace ssm::simd
