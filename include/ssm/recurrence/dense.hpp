#pragma once

#include "ssm/core/sequence.hpp"
#include "ssm/core/settle.hpp"
#include "ssm/recurrence/state.hpp"
#include "ssm/simd/reduce.hpp"
#include "ssm/system/dense.hpp"

namespace ssm::detail {

/// Derivatives by the discrete numbers of a DenseRecurrence.
struct DenseCotangent {
  Array<double> A_bar;  ///< (H, N, N)
  Array<double> B_bar;  ///< (H, N)
  Array<double> C;      ///< (H, N)
  Array<double> D;      ///< (H)

  /// Makes zeros.
  DenseCotangent(Index features, Index states)
      : A_bar(features, states, states), B_bar(features, states), C(features, states), D(features) {}
  /// Members that a sum over sequences adds up.
  static constexpr auto arrays() noexcept {
    return std::tuple{&DenseCotangent::A_bar, &DenseCotangent::B_bar, &DenseCotangent::C, &DenseCotangent::D};
  }
};

/// The steps of H independent dense systems of N states, one input and output each: what LSSL runs on.
///
///     x_k = A_bar x_{k-1} + B_bar u_k,   y_k = C x_k + D u_k
///
/// @tparam T   scalar of the data
/// @tparam N   states, where they are known at compile time
/// @tparam X   scalar of the state
/// @tparam F   scalar of the way back: fp64
template <Real T, Index N, Real X, Fp64 F = double>
class DenseRecurrence {
  using Pack = simd::Pack<X>;

 public:
  /// Makes zeros.
  DenseRecurrence(Index features, Index states)
      : A_bar_(features, states, states),
        B_bar_(features, states),
        step_(features, states + 2, DenseState<X>::padded(states)),
        D_(features) {}

  /// H
  Index features() const noexcept { return D_.rows(); }
  /// N
  Index states() const noexcept { return N == dynamic ? B_bar_.columns() : N; }

  /// Sets the system of feature h.
  /// @param dt   the time step that it was discretized with, for the message
  /// @throws     DomainError if a number is not finite in X
  void set(Index h, const DiscreteDenseSystem<F>& system, double D, double dt) {
    const Index size = states();
    for (Index n = 0; n < size; ++n) {
      for (Index m = 0; m < size; ++m) {
        A_bar_(h, n, m) = system.A_bar(n, m);
        step_(h, m, n) = static_cast<X>(system.A_bar(n, m) - (n == m ? 1 : 0));
      }
      B_bar_(h, n) = system.B_bar(n, 0);
      step_(h, size, n) = static_cast<X>(system.B_bar(n, 0));
      step_(h, size + 1, n) = static_cast<X>(system.C(0, n));
      for (Index m = 0; m < size + 2; ++m)
        if (!std::isfinite(step_(h, m, n)))
          throw DomainError(message("feature ", h, ": expected a step of finite numbers, got ", step_(h, m, n),
                                    " in row ", n, ", dt being ", dt));
    }
    D_(h) = static_cast<X>(D);
  }
  /// Sets the system of feature h to that of another recurrence of as many states, but for C (N) and D.
  void set(Index h, const DenseRecurrence& other, std::span<const T> C, double D) {
    const Index size = states();
    std::copy_n(&other.A_bar_(h, 0, 0), size * size, &A_bar_(h, 0, 0));
    std::copy_n(&other.B_bar_(h, 0), size, &B_bar_(h, 0));
    std::ranges::copy(other.step_.row(h), step_.row(h).begin());
    for (Index n = 0; n < size; ++n) step_(h, size + 1, n) = static_cast<X>(C[static_cast<std::size_t>(n)]);
    D_(h) = static_cast<X>(D);
  }
  /// The system of feature h.
  DiscreteDenseSystem<F> system(Index h) const {
    const Index size = states();
    DiscreteDenseSystem<F> system{Matrix<F>(size, size), Matrix<F>(size, 1), Matrix<F>(1, size)};
    for (Index n = 0; n < size; ++n) {
      for (Index m = 0; m < size; ++m) system.A_bar(n, m) = A_bar_(h, n, m);
      system.B_bar(n, 0) = B_bar_(h, n);
      system.C(0, n) = static_cast<double>(step_(h, size + 1, n));
    }
    return system;
  }

  /// Runs feature h, step after step; u and y have one column.
  void operator()(Index h, ConstSequence<T> u, Sequence<T> y, DenseState<X>& state) const noexcept {
    const Index size = states();
    X *const x = state.x.row(h).data(), *const low = state.low.row(h).data(), *const next = state.next.row(h).data();
    const X *const C = &step_(h, size + 1), D = static_cast<X>(D_(h));
    for (Index k = 0; k < u.length(); ++k) {
      const X input = static_cast<X>(u(k, 0));
      changes(h, x, input, next);
      for (Index n = 0; n < size; ++n) x[n] = detail::add_keeping_rest(x[n], next[n] + low[n], low[n]);
      y(k, 0) = static_cast<T>(D * input + simd::dot(C, x, size));
    }
  }

  /// Steps of a tile of the backward run.
  static Index tile(Index length) noexcept { return std::clamp<Index>(length, 1, 1024); }
  /// Scratch memory of `backwards`: it grows to what the longest sequence asks for.
  struct Workspace {
    Matrix<F> start;    ///< states before each tile         (N, tiles)
    Matrix<F> x;        ///< states of a tile                (N, steps + 1)
    Matrix<F> lambda;   ///< their cotangents                (N, steps)
    Vector<F> carried;  ///< cotangent between two tiles     (N)
    Vector<F> u, dy;    ///< of a tile                       (steps)

    /// Makes the matrices of these sizes, where they are of others.
    void fit(Index states, Index tiles, Index steps) {
      start.resize(states, std::max<Index>(tiles, 1));
      x.resize(states, steps + 1);
      lambda.resize(states, steps);
      carried.resize(states);
      u.resize(steps);
      dy.resize(steps);
    }
  };
  /// Runs backwards, in fp64; the states of one feature over a tile are kept. See Featurewise.
  void backwards(ConstSequence<T> u, std::span<const Array<X>> starts, ConstSequence<T> dy, DenseState<X>* dstate,
                 Sequence<T> du, DenseCotangent& cotangent, Workspace& work) const {
    const Index size = states(), L = u.length(), steps = tile(L), tiles = (L + steps - 1) / steps;
    work.fit(size, tiles, steps);
    Matrix<F>&start = work.start, &x = work.x, &lambda = work.lambda;
    Vector<F>&carried = work.carried, &u_tile = work.u, &dy_tile = work.dy;
    for (Index h = 0; h < features(); ++h) {
      const DiscreteDenseSystem<F> system = this->system(h);
      const auto B = system.B_bar.col(0);
      const auto run = [&](Index from, Index count, const auto& first) {
        x.col(0) = first;
        for (Index k = 0; k < count; ++k) {
          u_tile(k) = static_cast<double>(u(from + k, h));
          x.col(k + 1).noalias() = system.A_bar * x.col(k);
          for (Index n = 0; n < size; ++n) x(n, k + 1) = settle(x(n, k + 1) + B(n) * u_tile(k));
        }
      };
      for (Index n = 0; n < size; ++n) {
        start(n, 0) = 0;
        for (Index i = 0; i < std::ssize(starts); ++i)
          start(n, i) = static_cast<double>(starts[static_cast<std::size_t>(i)](h, n));
        carried(n) = dstate == nullptr ? 0.0 : static_cast<double>(dstate->x(h, n));
      }
      for (Index i = 0; i + 1 < tiles && std::ssize(starts) < tiles; ++i) {
        run(i * steps, steps, start.col(i));
        start.col(i + 1) = x.col(steps);
      }
      Matrix<F> dA_bar = Matrix<F>::Zero(size, size);
      Vector<F> dB = Vector<F>::Zero(size), dC = dB;
      for (Index i = tiles - 1; i >= 0; --i) {
        const Index from = i * steps, count = std::min(steps, L - from);
        run(from, count, start.col(i));
        for (Index k = count - 1; k >= 0; --k) {
          dy_tile(k) = static_cast<double>(dy(from + k, h));
          lambda.col(k) = carried + dy_tile(k) * system.C.row(0).transpose();
          carried.noalias() = system.A_bar.transpose() * lambda.col(k);
          for (Index n = 0; n < size; ++n) carried(n) = settle(carried(n));
          const double direct = static_cast<double>(D_(h)) * dy_tile(k);
          du(from + k, h) += static_cast<T>(direct + simd::dot(B.data(), &lambda(0, k), size));
        }
        dA_bar.noalias() += lambda.leftCols(count) * x.leftCols(count).transpose();
        dB.noalias() += lambda.leftCols(count) * u_tile.head(count);
        dC.noalias() += x.middleCols(1, count) * dy_tile.head(count);
        cotangent.D(h) += simd::dot(dy_tile.data(), u_tile.data(), count);
      }
      for (Index n = 0; n < size; ++n) {
        for (Index m = 0; m < size; ++m) cotangent.A_bar(h, n, m) += dA_bar(n, m);
        cotangent.B_bar(h, n) += dB(n);
        cotangent.C(h, n) += dC(n);
        if (dstate != nullptr) {
          dstate->x(h, n) = static_cast<X>(carried(n));
          dstate->low(h, n) = 0;
        }
      }
    }
  }

 private:
  /// (A_bar - I) x + B_bar u of feature h. A matrix lies column by column, so that rows are lanes.      (N, padded)
  void changes(Index h, const X* x, X input, X* change) const noexcept {
    constexpr Index together = 4;
    Index n = 0;
    for (; n + together * Pack::size <= step_.depth(); n += together * Pack::size)
      rows<together>(h, n, x, input, change);
    for (; n < step_.depth(); n += Pack::size) rows<1>(h, n, x, input, change);
  }
  /// Its rows from n on. Even and odd columns are summed apart, for two sums need not wait for each other.
  template <Index Packs>
  void rows(Index h, Index n, const X* x, X input, X* change) const noexcept {
    const Index size = states(), stride = step_.depth();
    std::array<std::array<Pack, std::size_t(Packs)>, 2> sums;
    const X* column = &step_(h, size, n);  // B_bar
    for (std::size_t i = 0; i < std::size_t(Packs); ++i) {
      sums[0][i] = Pack(input) * Pack::load(column + Index(i) * Pack::size);
      sums[1][i] = Pack(X(0));
    }
    column = &step_(h, 0, n);
    const auto add = [&](auto& sum, Index m) {
      const Pack factor(x[m]);
      for (std::size_t i = 0; i < std::size_t(Packs); ++i)
        sum[i] = fma(factor, Pack::load(column + m * stride + Index(i) * Pack::size), sum[i]);
    };
    for (Index m = 0; m + 1 < size; m += 2) {
      add(sums[0], m);
      add(sums[1], m + 1);
    }
    if (size % 2 == 1) add(sums[0], size - 1);
    for (std::size_t i = 0; i < std::size_t(Packs); ++i)
      (sums[0][i] + sums[1][i]).store(change + n + Index(i) * Pack::size);
  }

  Array<double> A_bar_;  // (H, N, N)
  Array<double> B_bar_;  // (H, N)
  Array<X> step_;        // (H, N + 2, padded N): columns of A_bar - I, B_bar, C
  Array<X> D_;           // (H)
};

}  // namespace ssm::detail
