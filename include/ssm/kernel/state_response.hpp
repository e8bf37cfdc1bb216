#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/kernel/thin_factors.hpp"
#include "ssm/system/diagonal.hpp"

#include <span>

namespace ssm::kernel {

/// Joins a convolution to the states at its two ends.
///
///     free response      y_k = C A_bar^(k+1) x,  0 <= k < L                    x the state before step 0
///     driven state       x_L = A_bar^L x + sum_k A_bar^(L-1-k) B_bar u_k
///
/// Both by thin factors over blocks of T steps: rows C A_bar^(i+1), columns A_bar^(T-1-i) B_bar and the jump A_bar^T
/// are made once; then each is one real matrix product and L/T jumps. The state moves on in fp64, the products are in
/// T.
///
/// States are real, (Re x, Im x) of the modes that are kept: see dense(). One input, one output.
template <std::floating_point T>
class StateResponse {
 public:
  /// Buffers of one thread, for sequences of up to L steps.
  class Workspace {
   public:
    /// Buffers for the sizes given.
    Workspace(Index states, Index block, Index length)
        : block_states_(states, length / block + 1),
          block_outputs_(block, length / block + 1),
          x_(states),
          next_(states) {}
    /// Bytes held.
    Index bytes() const noexcept {
      return static_cast<Index>(sizeof(T)) * (block_states_.size() + block_outputs_.size()) +
             static_cast<Index>(sizeof(double)) * 2 * x_.size();
    }

   private:
    friend class StateResponse;
    Matrix<T> block_states_, block_outputs_;
    Vector<double> x_, next_;
  };

  /// Prepares the responses of a dense system.                     O(N^2 T + N^3 log T)
  /// @throws DomainError if the block is not at least 1
  template <Fp64 S>
  StateResponse(const DiscreteDenseSystem<S>& system, Index block)
      : rows_(checked(block), system.states()), columns_(system.states(), block), jump_(power(system.A_bar, block)) {
    const Index N = states();
    Vector<S> row(N), column(N), next(N);
    for (Index n = 0; n < N; ++n) {
      row(n) = system.C(0, n);
      column(n) = system.B_bar(n, 0);
    }
    const Matrix<S> transposed = system.A_bar.transpose();
    for (Index i = 0; i < block; ++i) {
      kernel::advance(transposed, row, next);
      for (Index n = 0; n < N; ++n) {
        rows_(i, n) = static_cast<T>(row(n));
        columns_(n, block - 1 - i) = static_cast<T>(column(n));
      }
      kernel::advance(system.A_bar, column, next);
    }
  }

  /// Prepares the responses of a diagonal system; a jump costs O(N).       O(N T)
  template <Fp64 S>
  StateResponse(const DiscreteDiagonalSystem<S>& system, Index block)
      : rows_(checked(block), system.states), columns_(system.states, block), mode_jump_(system.Lambda_bar.size()) {
    const Index M = system.Lambda_bar.size(), odd = system.states % 2;
    for (Index n = 0; n < M; ++n) {
      const bool real = n < odd;
      const Index im = M - odd + n;  // where its imaginary part stands
      const Complex<double> step = system.Lambda_bar(n), B = system.B_bar(n, 0);
      const Complex<double> C = static_cast<double>(multiplicity(n, system.states)) * system.C(0, n);
      Complex<double> before = 1;
      for (Index i = 0; i < block; ++i) {
        const Complex<double> column = before * B;
        before *= step;
        const Complex<double> row = C * before;
        rows_(i, n) = static_cast<T>(row.real());
        columns_(n, block - 1 - i) = static_cast<T>(column.real());
        if (real) continue;
        rows_(i, im) = static_cast<T>(-row.imag());
        columns_(im, block - 1 - i) = static_cast<T>(column.imag());
      }
      mode_jump_(n) = before;
    }
  }

  /// N (S5: P), as real numbers.
  Index states() const noexcept { return columns_.rows(); }
  /// Steps of a block.
  Index block() const noexcept { return rows_.rows(); }
  /// Bytes held.
  Index bytes() const noexcept {
    return static_cast<Index>(sizeof(T)) * (rows_.size() + columns_.size()) +
           static_cast<Index>(sizeof(double)) * (jump_.size() + 2 * mode_jump_.size());
  }

  /// y_k += C A_bar^(k+1) x, for all steps of y. Allocates nothing; does nothing where x is 0.          O(N L)
  void add_free_response(std::span<const double> x, Sequence<T> y, Workspace& work) const noexcept {
    bool rest = true;
    for (const double value : x) rest = rest && value == 0;
    const Index L = y.length(), N = states();
    if (rest || L == 0) return;
    const Index blocks = (L + block() - 1) / block();
    for (Index n = 0; n < N; ++n) work.x_(n) = x[static_cast<std::size_t>(n)];
    for (Index j = 0; j < blocks; ++j) {
      for (Index n = 0; n < N; ++n) work.block_states_(n, j) = static_cast<T>(work.x_(n));
      advance(work);
    }
    work.block_outputs_.leftCols(blocks).setZero();
    simd::add_product(simd::column_major(work.block_outputs_.data(), block(), blocks),
                      simd::column_major(rows_.data(), block(), N),
                      simd::column_major(work.block_states_.data(), N, blocks));
    for (Index k = 0; k < L; ++k) y(k, 0) += work.block_outputs_.data()[k];
  }

  /// x becomes the state after as many whole blocks as u has. Allocates nothing.                        O(N L)
  /// @param u      contiguous
  /// @param x      the state before u, becomes that after the steps taken      (N)
  /// @param work   buffers of this thread, for at least this length
  /// @return    the steps taken; what is left of u is for a recurrence
  Index drive(std::span<const T> u, std::span<double> x, Workspace& work) const noexcept {
    const Index N = states(), blocks = static_cast<Index>(u.size()) / block();
    work.block_states_.leftCols(blocks).setZero();
    simd::add_product(simd::column_major(work.block_states_.data(), N, blocks),
                      simd::column_major(columns_.data(), N, block()), simd::column_major(u.data(), block(), blocks));
    for (Index n = 0; n < N; ++n) work.x_(n) = x[static_cast<std::size_t>(n)];
    for (Index j = 0; j < blocks; ++j) {
      advance(work);
      for (Index n = 0; n < N; ++n) work.x_(n) += static_cast<double>(work.block_states_(n, j));
    }
    for (Index n = 0; n < N; ++n) x[static_cast<std::size_t>(n)] = work.x_(n);
    return blocks * block();
  }

 private:
  static Index checked(Index block) {
    ssm::detail::require_at_least("block of a state response", 1, block);
    return block;
  }
  void advance(Workspace& work) const noexcept {  // x = A_bar^T x
    const Index N = states(), M = mode_jump_.size(), odd = N % 2;
    for (Index n = 0; n < M; ++n) {
      const double re = mode_jump_(n).real(), im = mode_jump_(n).imag(), x = work.x_(n);
      if (n < odd) {
        work.x_(n) = re * x;
      } else {
        double& y = work.x_(M - odd + n);
        work.x_(n) = re * x - im * y;
        y = re * y + im * x;
      }
    }
    if (M > 0) return;
    kernel::advance(jump_, work.x_, work.next_);
  }

  Matrix<T> rows_;                     // (T, N)
  Matrix<T> columns_;                  // (N, T)
  Matrix<double> jump_;                // (N, N), of a dense system
  Vector<Complex<double>> mode_jump_;  // (M), of a diagonal one
};

}  // namespace ssm::kernel
