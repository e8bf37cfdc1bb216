#pragma once

#include "ssm/mpi/communicator.hpp"
#include "ssm/nn/pooling.hpp"

namespace ssm::mpi {

/// Numbers of rows of a sequence whose stretches are pooled over ranks.
struct PooledRows {
  Index before;  ///< on the ranks before this one
  Index all;     ///< on all ranks
};

/// y = what an answer is made from, of the rows of all ranks. Sums go on from rank to rank: the bits of one process.
/// All ranks call it.
/// @param ranks   who hold the rows
/// @param how     mean, last, first or sum
/// @param x       rows of this rank, none included     (L, H)
/// @param y       output, the same on every rank       (H)
/// @return        what `pool_vjp` asks for
/// @throws        DomainError on every rank if there is no row at all; CommunicationError if another rank does not answer
template <Real T>
PooledRows pool(Communicator& ranks, nn::Pool how, ConstSequence<T> x, std::span<T> y) {
  const Index H = x.features();
  ssm::detail::require_size("features of the pooled", H, std::ssize(y));
  PooledRows rows{};
  std::vector<double> sums(static_cast<std::size_t>(H + 1));  // the last one: rows so far
  double& count = sums.back();
  ssm::detail::in_order(&ranks, {std::as_writable_bytes(std::span(sums))}, [&] {
    rows.before = static_cast<Index>(count);
    for (Index h = 0; h < H && x.length() > 0; ++h) {
      double& sum = sums[static_cast<std::size_t>(h)];
      if (how == nn::Pool::last)
        sum = static_cast<double>(x(x.length() - 1, h));
      else if (how == nn::Pool::first)
        sum = count > 0 ? sum : static_cast<double>(x(0, h));
      else
        for (Index k = 0; k < x.length(); ++k) sum += static_cast<double>(x(k, h));
    }
    count += static_cast<double>(x.length());
  });
  rows.all = static_cast<Index>(count);
  ssm::detail::require_at_least("length of a sequence to be pooled", 1, rows.all);
  const bool one_row = how == nn::Pool::last || how == nn::Pool::first;
  for (std::size_t h = 0; h < y.size(); ++h) {
    y[h] = static_cast<T>(one_row ? sums[h] : sums[h] / count);
    if (how == nn::Pool::sum) y[h] *= static_cast<T>(count);
  }
  return rows;
}
/// dx += what the cotangent of the pooled makes of it: the same dy on every rank.
/// @param how    as `pool` was given
/// @param rows   as `pool` returned them
/// @param dy     cotangent of the output           (H)
/// @param dx     += cotangent of this rank's x     (L, H)
template <Real T>
void pool_vjp(nn::Pool how, PooledRows rows, std::span<const T> dy, Sequence<T> dx) {
  const Index L = dx.length();
  if (L == 0 || (how == nn::Pool::first && rows.before > 0) || (how == nn::Pool::last && rows.before + L < rows.all))
    return;
  if (how != nn::Pool::mean) return nn::pool_vjp<T>(how, dy, dx);
  std::vector<T> share(dy.begin(), dy.end());
  for (T& each : share) each /= static_cast<T>(rows.all);
  nn::pool_vjp<T>(nn::Pool::sum, share, dx);
}

}  // namespace ssm::mpi
