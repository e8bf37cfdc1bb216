#pragma once

#include "ssm/simd/pack.hpp"

namespace ssm::simd {

// Sums whose order depends on the count and the instruction set alone, never on where the numbers lie in memory: the
// same numbers give the same bits at every address. (Eigen's begin at the first aligned number.)

/// Adds up a term for every i < count: packs in four chains, then the lanes in order, then what is left one by one.
/// @param count    how many
/// @param wide     wide(i, pack): pack + the terms of i .. i + size - 1
/// @param narrow   narrow(i, number): number + the term of i
template <std::floating_point T, class Arch = native, class Wide, class Narrow>
T add_up(Index count, Wide wide, Narrow narrow) noexcept {
  using Pack = simd::Pack<T, Arch>;
  constexpr Index size = Pack::size, chains = 4;
  T total = 0;
  Index i = 0;
  if (count >= size) {
    std::array<Pack, std::size_t(chains)> sums;
    sums.fill(Pack(T(0)));
    for (; i + chains * size <= count; i += chains * size)
      for (Index chain = 0; chain < chains; ++chain)
        sums[std::size_t(chain)] = wide(i + chain * size, sums[std::size_t(chain)]);
    for (; i + size <= count; i += size) sums[0] = wide(i, sums[0]);
    std::array<T, std::size_t(size)> lanes;
    ((sums[0] + sums[1]) + (sums[2] + sums[3])).store(lanes.data());
    for (const T lane : lanes) total += lane;
  }
  for (; i < count; ++i) total = narrow(i, total);
  return total;
}

/// Returns the sum of a_i b_i over i < count.
template <class Arch = native, std::floating_point T>
T dot(const T* a, const T* b, Index count) noexcept {
  using Pack = simd::Pack<T, Arch>;
  return add_up<T, Arch>(
      count, [=](Index i, Pack sum) { return fma(Pack::load(a + i), Pack::load(b + i), sum); },
      [=](Index i, T sum) { return sum + a[i] * b[i]; });
}

/// Returns the sum of a_i over i < count.
template <class Arch = native, std::floating_point T>
T sum(const T* a, Index count) noexcept {
  using Pack = simd::Pack<T, Arch>;
  return add_up<T, Arch>(
      count, [=](Index i, Pack sum) { return sum + Pack::load(a + i); }, [=](Index i, T sum) { return sum + a[i]; });
}

/// Returns the sum of (a_i - mean)^2 over i < count.
template <class Arch = native, std::floating_point T>
T sum_of_squares(const T* a, T mean, Index count) noexcept {
  using Pack = simd::Pack<T, Arch>;
  const Pack middle(mean);
  return add_up<T, Arch>(
      count,
      [=](Index i, Pack sum) {
        const Pack off = Pack::load(a + i) - middle;
        return fma(off, off, sum);
      },
      [=](Index i, T sum) { return sum + (a[i] - mean) * (a[i] - mean); });
}

}  // namespace ssm::simd
