#pragma once

#include <cstddef>

namespace support {

/// Allocations of this thread between construction and the calls: how many, and the most bytes that were held at once.
class AllocationCounter {
 public:
  AllocationCounter();
  std::size_t count() const;
  std::ptrdiff_t peak_bytes() const;
  /// Held now.
  std::ptrdiff_t held_bytes() const;
};

/// While it lives, memory from malloc begins this many bytes later than it would, a multiple of 16: what a caller may
/// count on is kept, and nothing more. Without effect under sanitizers, which have a malloc of their own.
class ShiftedAllocations {
 public:
  explicit ShiftedAllocations(std::size_t bytes);
  ShiftedAllocations(const ShiftedAllocations&) = delete;
  ShiftedAllocations& operator=(const ShiftedAllocations&) = delete;
  ~ShiftedAllocations();
};

}  // namespace support
