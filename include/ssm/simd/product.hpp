#pragma once

#include "ssm/core/array.hpp"
#include "ssm/core/sequence.hpp"
#include "ssm/simd/pack.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <span>
#include <type_traits>

/// Products of matrices in lanes, which allocate nothing.
namespace ssm::simd {

/// A matrix as it lies: element (i, j) is data[i row + j column].
template <class T>
struct MatrixView {
  T* data;        ///< element (0, 0)
  Index rows;     ///< number of rows
  Index columns;  ///< number of columns
  Index row;      ///< elements from a row to the next
  Index column;   ///< elements from a column to the next

  /// Element (i, j).
  T& operator()(Index i, Index j) const noexcept { return data[i * row + j * column]; }
  /// Rows first .. first + count - 1.
  MatrixView middle_rows(Index first, Index count) const noexcept {
    return {data + first * row, count, columns, row, column};
  }
  /// Columns first .. first + count - 1.
  MatrixView middle_columns(Index first, Index count) const noexcept {
    return {data + first * column, rows, count, row, column};
  }
  /// Returns the same numbers with rows and columns exchanged.
  MatrixView transposed() const noexcept { return {data, columns, rows, column, row}; }
  /// Returns the same numbers, which are not to be changed.
  operator MatrixView<const T>() const noexcept { return {data, rows, columns, row, column}; }
};

/// Numbers of which row after row lies.
template <class T>
MatrixView<T> row_major(T* data, Index rows, Index columns) noexcept {
  return {data, rows, columns, columns, 1};
}
/// Numbers of which column after column lies.
template <class T>
MatrixView<T> column_major(T* data, Index rows, Index columns) noexcept {
  return {data, rows, columns, 1, rows};
}
/// A sequence, a row for each step.
template <class T>
MatrixView<T> matrix(SequenceView<T> x) noexcept {
  return {x.data(), x.length(), x.features(), x.stride(), 1};
}
/// An array of two sizes.
template <class T>
MatrixView<const T> matrix(const Array<T>& x) noexcept {
  return row_major(x.data(), x.rows(), x.columns());
}
/// An array of two sizes.
template <class T>
MatrixView<T> matrix(Array<T>& x) noexcept {
  return row_major(x.data(), x.rows(), x.columns());
}

namespace detail {

/// Sums of products of a few rows of a and two packs of columns of b, in registers.
///
/// A panel is a group of b's columns with its rows one behind the other, so that it is read from beginning to end. For
/// every step of the depth two packs of b and one number of a for each row are read, and two multiply-adds made with them.
template <std::floating_point T, class Arch>
struct PanelProduct {
  using Lanes = Pack<T, Arch>;
  /// Columns that are summed at once.
  static constexpr Index width = 2 * Lanes::size;
  /// Rows that are summed at once: their sums fill the registers.
  static constexpr Index height = Lanes::registers == 32 ? 12 : 6;
  /// Columns of the panels that a block of the product reads.
  static constexpr Index panels = std::max(width, group<T>);
  /// Steps of the depth that are summed from zero: so many rows of the panels stay in the first level cache.
  static constexpr Index reach = 256;

  /// c += a b, part by part: some rows, up to `reach` steps of the depth, the columns of some panels.
  /// @param rows     how many rows at a time: so many that their part of a stays in the second level cache
  /// @param find     find(k, depth, j, columns): first panel of b from row k and column j on
  /// @param beside   elements from it to the next panel
  static void run(MatrixView<T> c, MatrixView<const T> a, Index rows, Index beside, auto find) noexcept {
    for (Index i = 0; i < c.rows; i += rows) {
      const Index count = std::min(rows, c.rows - i);
      for (Index k = 0; k < a.columns; k += reach) {
        const Index depth = std::min(reach, a.columns - k);
        for (Index j = 0; j < c.columns; j += panels) {
          const Index columns = std::min(panels, c.columns - j);
          add(c.middle_rows(i, count).middle_columns(j, columns), a.middle_rows(i, count).middle_columns(k, depth),
              find(k, depth, j, columns), beside);
        }
      }
    }
  }

 private:
  /// c += a b of up to `reach` steps and the columns of two panels, or of one where a group is two packs or more.
  /// @param b        first panel
  /// @param beside   elements from it to the next panel
  static void add(MatrixView<T> c, MatrixView<const T> a, const T* b, Index beside) noexcept {
    for (Index j = 0; j < c.columns; j += width) {
      const Index columns = std::min(width, c.columns - j);
      const T* const left = b + j;  // within the first panel: two packs are either a part of it or reach into the next
      const T* right = left + Lanes::size;
      if constexpr (width > group<T>) right = columns > Lanes::size ? left + beside : left;
      add_rows(c.middle_columns(j, columns), a, left, right);
    }
  }

  static void add_rows(MatrixView<T> c, MatrixView<const T> a, const T* left, const T* right) noexcept {
    Index i = 0;
    const auto blocks = [&]<Index rows>() {
      for (; i + rows <= c.rows; i += rows)
        add_block<rows>(c.middle_rows(i, rows), a.middle_rows(i, rows), left, right);
    };
    blocks.template operator()<height>();
    blocks.template operator()<4>();
    blocks.template operator()<2>();
    blocks.template operator()<1>();
  }
  /// Not inlined: among other loops a compiler has no registers left for where the rows of a are.
  template <Index rows>
  [[gnu::noinline]] static void add_block(MatrixView<T> c, MatrixView<const T> a, const T* left,
                                          const T* right) noexcept {
    std::array<std::array<Lanes, 2>, std::size_t(rows)> sums;
    for (auto& sum : sums) sum = {Lanes(T(0)), Lanes(T(0))};
    const T* from = a.data;
    for (Index k = 0; k < a.columns; ++k, from += a.column, left += group<T>, right += group<T>) {
      const Lanes b_left = Lanes::load(left), b_right = Lanes::load(right);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < std::size_t(rows); ++i) {
        const Lanes number(from[static_cast<Index>(i) * a.row]);
        sums[i][0] = fma(number, b_left, sums[i][0]);
        sums[i][1] = fma(number, b_right, sums[i][1]);
      }
    }
    if (c.columns == width) {
#pragma GCC unroll 16
      for (std::size_t i = 0; i < std::size_t(rows); ++i)
        for (std::size_t part = 0; part < 2; ++part) {
          T* const to = c.data + static_cast<Index>(i) * c.row + static_cast<Index>(part) * Lanes::size;
          (Lanes::load(to) + sums[i][part]).store(to);
        }
      return;
    }
    std::array<T, std::size_t(width)> row;
#pragma GCC unroll 16
    for (std::size_t i = 0; i < std::size_t(rows); ++i) {
      sums[i][0].store(row.data());
      sums[i][1].store(row.data() + Lanes::size);
      for (Index j = 0; j < c.columns; ++j) c(static_cast<Index>(i), j) += row[static_cast<std::size_t>(j)];
    }
  }
};

}  // namespace detail

/// The right factor of products that is used often: its panels are kept as they are read. Their layout is the same for
/// every instruction set.
template <std::floating_point T>
class Panels {
 public:
  /// Makes zeros.
  Panels(Index rows, Index columns)
      : rows_(rows), columns_(columns), numbers_((columns + group<T> - 1) / group<T>, rows, group<T>) {}

  /// Number of rows.
  Index rows() const noexcept { return rows_; }
  /// Number of columns.
  Index columns() const noexcept { return columns_; }

  /// Element (k, j).
  T& operator()(Index k, Index j) noexcept { return numbers_(j / group<T>, k, j % group<T>); }
  /// Element (k, j).
  T operator()(Index k, Index j) const noexcept { return numbers_(j / group<T>, k, j % group<T>); }

  /// c += a b, b being this: the same bits as `add_product`.     O(rows depth columns), allocates nothing
  /// @param c   (rows, columns), its columns side by side
  /// @param a   (rows, depth)
  template <class Arch = native>
  void add_product(MatrixView<T> c, MatrixView<const T> a) const noexcept {
    using Product = detail::PanelProduct<T, Arch>;
    assert(c.column == 1 && c.rows == a.rows && a.columns == rows_ && c.columns == columns_);
    Product::run(c, a, 32 * Product::height, rows_ * group<T>,
                 [this](Index k, Index, Index j, Index) { return &numbers_(j / group<T>, k); });
  }

  /// Adds a product of one row with a part of this matrix: c_j += sum of a_k b_(top+k),(left+j). Allocates nothing.
  /// @param top    first row that takes part
  /// @param a      a number for each of them, to the last
  /// @param left   first column that takes part
  /// @param c      a number for each of them, to the last
  template <class Arch = native>
  void add_row(Index top, std::span<const T> a, Index left, std::span<T> c) const noexcept {
    using Lanes = Pack<T, Arch>;
    constexpr Index packs = 4, wide = packs * Lanes::size;  // four sums hide how long one takes
    const Index right = left + static_cast<Index>(c.size()), beside = rows_ * group<T>,
                last = numbers_.rows() * group<T> - Lanes::size;
    assert(top + static_cast<Index>(a.size()) <= rows_ && right <= columns_);
    for (Index j = left / Lanes::size * Lanes::size; j < right; j += wide) {
      std::array<const T*, std::size_t(packs)> from;
      std::array<Lanes, std::size_t(packs)> sums;
      for (std::size_t i = 0; i < std::size_t(packs); ++i) {
        const Index at = std::min(j + static_cast<Index>(i) * Lanes::size, last);
        from[i] = numbers_.data() + at / group<T> * beside + top * group<T> + at % group<T>;
        sums[i] = Lanes(T(0));
      }
      for (std::size_t k = 0; k < a.size(); ++k) {
        const Lanes number(a[k]);
#pragma GCC unroll 4
        for (std::size_t i = 0; i < std::size_t(packs); ++i)
          sums[i] = fma(number, Lanes::load(from[i] + static_cast<Index>(k) * group<T>), sums[i]);
      }
      std::array<T, std::size_t(wide)> row;
      for (std::size_t i = 0; i < std::size_t(packs); ++i)
        sums[i].store(row.data() + static_cast<Index>(i) * Lanes::size);
      for (Index i = std::max(j, left); i < std::min(j + wide, right); ++i)
        c[static_cast<std::size_t>(i - left)] += row[static_cast<std::size_t>(i - j)];
    }
  }

 private:
  Index rows_, columns_;
  Array<T> numbers_;  // (panels, rows, group)
};

/// c += a b.     O(rows depth columns), allocates nothing
///
/// Every number of c is a sum over the depth in order, in blocks that are summed from zero and then added. It is the
/// same to the bit wherever the matrices lie, and whatever other rows and columns there are. Panels of b are made on the
/// stack, 32 KiB of it.
///
/// @param c   result          (rows, columns)     its rows or its columns lie side by side; not a's or b's memory
/// @param a   left factor     (rows, depth)
/// @param b   right factor    (depth, columns)
template <class Arch = native, std::floating_point T>
void add_product(MatrixView<T> c, MatrixView<const std::type_identity_t<T>> a,
                 MatrixView<const std::type_identity_t<T>> b) noexcept {
  using Product = detail::PanelProduct<T, Arch>;
  if (c.column != 1) return add_product<Arch>(c.transposed(), b.transposed(), a.transposed());
  assert(c.rows == a.rows && a.columns == b.rows && c.columns == b.columns);
  alignas(group_bytes) std::array<T, std::size_t(Product::reach * Product::panels)> panels;
  const auto copy = [&](Index from, Index depth, Index left, Index columns) {
    for (Index j = 0; j < columns; j += group<T>) {
      const auto part = b.middle_rows(from, depth).middle_columns(left + j, std::min(group<T>, columns - j));
      T* const to = panels.data() + j * Product::reach;
      if (part.columns < group<T>) std::fill_n(to, depth * group<T>, T(0));
      if (part.column == 1 && part.columns == group<T>)
        for (Index k = 0; k < depth; ++k) std::copy_n(&part(k, 0), group<T>, to + k * group<T>);
      else
        for (Index i = 0; i < part.columns; ++i)
          for (Index k = 0; k < depth; ++k) to[k * group<T> + i] = part(k, i);
    }
    return panels.data();
  };
  Product::run(c, a, 64 * Product::height, Product::reach * group<T>, copy);
}

}  // namespace ssm::simd
