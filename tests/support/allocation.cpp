// Counts every allocation of the process's malloc family: Eigen's do not go through operator new.
#include "support/allocation.hpp"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SSM_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SSM_SANITIZER 1
#endif
#endif

namespace {

thread_local std::size_t allocations = 0;
thread_local std::ptrdiff_t held = 0, peak = 0;

void count(std::ptrdiff_t bytes) {
  ++allocations;
  held += bytes;
  peak = std::max(peak, held);
}

}  // namespace

#ifdef SSM_SANITIZER
extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, std::size_t),
                                              void (*)(const volatile void*));
std::size_t __sanitizer_get_allocated_size(const volatile void*);
}
namespace {
const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t bytes) { count(static_cast<std::ptrdiff_t>(bytes)); },
    [](const volatile void* memory) {
      if (memory != nullptr) held -= static_cast<std::ptrdiff_t>(__sanitizer_get_allocated_size(memory));
    });
}
#else
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

// Memory that was handed out shifted, by where it begins: what is behind it is the distance to the real beginning.
namespace {
std::atomic<std::size_t> shift{0};
constexpr std::size_t room = 64;
constexpr std::uint64_t mark = 0x5EED0FA11A5E1F7EU;
struct Shifted {
  std::uint64_t mark, distance;
};
/// The real beginning, or nullptr if it was not shifted. Every block is at least 16 bytes behind another's end or head,
/// so what lies before it may be read.
void* beginning_of(void* memory) {
  if (memory == nullptr) return nullptr;
  Shifted head;
  std::memcpy(&head, static_cast<char*>(memory) - sizeof head, sizeof head);
  return head.mark == mark ? static_cast<char*>(memory) - head.distance : nullptr;
}
void* shifted(std::size_t bytes) {
  const std::size_t by = room + shift.load();
  char* const memory = static_cast<char*>(__libc_malloc(bytes + by));
  if (memory == nullptr) return nullptr;
  const Shifted head{mark, by};
  std::memcpy(memory + by - sizeof head, &head, sizeof head);
  return memory + by;
}
}  // namespace

static void* counted(void* memory) {
  if (memory != nullptr) count(static_cast<std::ptrdiff_t>(malloc_usable_size(memory)));
  return memory;
}
static void forget(void* memory) {
  if (memory != nullptr) held -= static_cast<std::ptrdiff_t>(malloc_usable_size(memory));
}
void* malloc(std::size_t bytes) { return shift.load() > 0 ? shifted(bytes) : counted(__libc_malloc(bytes)); }
void* calloc(std::size_t number, std::size_t bytes) { return counted(__libc_calloc(number, bytes)); }
void* realloc(void* memory, std::size_t bytes) {
  if (void* const real = beginning_of(memory)) {
    const auto distance = static_cast<std::size_t>(static_cast<char*>(memory) - static_cast<char*>(real));
    void* const moved = malloc(bytes);
    if (moved != nullptr) std::memcpy(moved, memory, std::min(bytes, malloc_usable_size(real) - distance));
    if (moved != nullptr) __libc_free(real);
    return moved;
  }
  forget(memory);
  return counted(__libc_realloc(memory, bytes));
}
void* memalign(std::size_t alignment, std::size_t bytes) { return counted(__libc_memalign(alignment, bytes)); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return counted(__libc_memalign(alignment, bytes)); }
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  *memory = counted(__libc_memalign(alignment, bytes));
  return *memory == nullptr ? ENOMEM : 0;
}
void free(void* memory) {
  if (void* const real = beginning_of(memory)) {
    std::memset(static_cast<char*>(memory) - sizeof(Shifted), 0, sizeof(Shifted));
    return __libc_free(real);
  }
  forget(memory);
  __libc_free(memory);
}
}
#endif

namespace support {

AllocationCounter::AllocationCounter() {
  allocations = 0;
  held = peak = 0;
}
std::size_t AllocationCounter::count() const { return allocations; }
std::ptrdiff_t AllocationCounter::peak_bytes() const { return peak; }
std::ptrdiff_t AllocationCounter::held_bytes() const { return held; }

#ifdef SSM_SANITIZER
ShiftedAllocations::ShiftedAllocations(std::size_t) {}
ShiftedAllocations::~ShiftedAllocations() {}
#else
ShiftedAllocations::ShiftedAllocations(std::size_t bytes) { shift = bytes; }
ShiftedAllocations::~ShiftedAllocations() { shift = 0; }
#endif

}  // namespace support
