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

}  // namespace support
