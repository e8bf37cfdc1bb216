#pragma once

#include "ssm/import/configuration.hpp"

#include <cmath>

namespace ssm::io {

/// Says what became of the arrays of a file, and what only the configuration said.
struct Report {
  std::vector<std::string> read;    ///< names of arrays that were taken as they are, or with another sign or order
  std::vector<std::string> folded;  ///< what was joined with something else, and how
  std::vector<std::string> told;    ///< names and values that only the configuration knows
};

namespace detail {

/// Numbers of a tensor in fp64.
struct SourceArray {
  std::vector<Index> shape;
  std::vector<double> values;
};

/// The arrays of somebody else's file under a prefix: each is asked for by name, and at the end none must be left.
class SourceArrays {
 public:
  SourceArrays(const File& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  bool has(const std::string& name) const { return file_.tensors.contains(prefix_ + name); }
  /// The shape of an array.
  /// @throws FormatError that names it if it is not there
  const std::vector<Index>& shape(const std::string& name) const { return need(name).shape; }
  /// An array of real numbers.
  /// @throws FormatError that names it: not there, of another shape, not floating, not finite
  std::vector<double> reals(const std::string& name, const std::vector<Index>& shape) {
    const Tensor& tensor = need(name);
    if (tensor.type == "C64") throw FormatError(prefix_ + name + ": expected real numbers, got C64");
    return checked(name, tensor, tensor.shape, shape);
  }
  /// An array of complex numbers, (re, im) in its last axis or of type C64.
  /// @throws FormatError that names it: not there, of another shape, not floating, not finite
  std::vector<Complex<double>> complexes(const std::string& name, const std::vector<Index>& shape) {
    const Tensor& tensor = need(name);
    std::vector<Index> pairs = shape;
    if (tensor.type != "C64") pairs.push_back(2);
    const auto numbers = checked(name, tensor, tensor.shape, pairs);
    std::vector<Complex<double>> all;
    for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) all.emplace_back(numbers[i], numbers[i + 1]);
    return all;
  }
  /// A single whole number, of shape () or (1).
  /// @throws FormatError that names it: not there, of another shape, not whole, below 0
  double one_number(const std::string& name) {
    const Tensor& tensor = need(name);
    if (!tensor.shape.empty() && tensor.shape != std::vector<Index>{1})
      throw FormatError(prefix_ + name + ": expected one number, got shape " + text(tensor.shape));
    const double value = numbers(prefix_ + name, tensor).at(0);
    if (!(value >= 0) || value != std::floor(value))
      throw FormatError(ssm::detail::message(prefix_ + name, ": expected a whole number, at least 0, got ", value));
    read_.insert(prefix_ + name);
    return value;
  }
  /// Names of what was read.
  std::vector<std::string> read() const { return {read_.begin(), read_.end()}; }
  /// @param besides   whether a name that is left is no weight: an input that came with the file
  /// @throws FormatError that names an array that nobody asked for
  template <class Besides>
  void require_none_left(Besides besides) const {
    for (const auto& [name, tensor] : file_.tensors)
      if (name.starts_with(prefix_) && !read_.contains(name) && !besides(name))
        throw FormatError(name + ": expected no such array in these weights");
  }

 private:
  const Tensor& need(const std::string& name) const {
    const auto found = file_.tensors.find(prefix_ + name);
    if (found == file_.tensors.end()) throw FormatError(prefix_ + name + ": expected in the file, is not there");
    return found->second;
  }
  std::vector<double> checked(const std::string& name, const Tensor& tensor, const std::vector<Index>& got,
                              const std::vector<Index>& expected) {
    if (got != expected)
      throw FormatError(prefix_ + name + ": expected shape " + text(expected) + ", got " + text(got));
    if (tensor.type[0] != 'F' && tensor.type != "BF16" && tensor.type != "C64")
      throw FormatError(prefix_ + name + ": expected floating point numbers, got " + tensor.type);
    auto values = numbers(prefix_ + name, tensor);
    for (const double each : values)
      if (!std::isfinite(each))
        throw FormatError(ssm::detail::message(prefix_ + name, ": expected finite numbers, got ", each));
    read_.insert(prefix_ + name);
    return values;
  }

  const File& file_;
  std::string prefix_;
  std::set<std::string> read_;
};

/// Puts numbers into an array of the library.
template <class To, class From>
void fill_array(To& to, const std::vector<From>& from) {
  using Number = std::remove_cvref_t<decltype(*to.begin())>;
  std::transform(from.begin(), from.end(), to.begin(), [](From x) { return static_cast<Number>(x); });
}

}  // namespace detail
}  // namespace ssm::io
