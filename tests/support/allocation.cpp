// Counts every allocation of the process's malloc family: Eigen's do not go through operator new.
#include "support/allocation.hpp"

#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

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

static void* counted(void* memory) {
  if (memory != nullptr) count(static_cast<std::ptrdiff_t>(malloc_usable_size(memory)));
  return memory;
}
static void forget(void* memory) {
  if (memory != nullptr) held -= static_cast<std::ptrdiff_t>(malloc_usable_size(memory));
}
void* malloc(std::size_t bytes) { return counted(__libc_malloc(bytes)); }
void* calloc(std::size_t number, std::size_t bytes) { return counted(__libc_calloc(number, bytes)); }
void* realloc(void* memory, std::size_t bytes) {
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

}  // namespace support
