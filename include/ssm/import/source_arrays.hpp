#pragma once

#include "ssm/core/array.hpp"
#include "ssm/import/configuration.hpp"

#include <cmath>
#include <optional>

namespace ssm::io {

/// Order of the axes of a project's inputs and outputs.
enum class Axes {
  batch_time_feature,  ///< (batch, L, features)
  batch_feature_time,  ///< (batch, features, L)
  time_batch_feature   ///< (L, batch, features)
};

/// How far a model's answers are from those of the code that its weights are from.
struct Parity {
  double error = 0;     ///< largest difference, of the peak of the expected answers
  double peak = 0;      ///< largest magnitude of the expected answers
  Index sequences = 0;  ///< number of answers compared
};

/// Says what became of the arrays of a file, and what only the configuration said.
struct Report {
  std::vector<std::string> read = {};    ///< names of arrays that were taken as they are, or with another sign or order
  std::vector<std::string> folded = {};  ///< what was joined with something else, and how
  std::vector<std::string> left_out = {};  ///< names of arrays that the model does not need
  std::vector<std::string> told = {};      ///< names and values that only the configuration knows
  Axes axes = Axes::batch_time_feature;    ///< of the project's own inputs and outputs
  bool cuts_padding = false;               ///< its sequences end at their length; otherwise layers read the padding too
  bool shifted = false;                    ///< its inputs go in one step late, a 0 first
  std::optional<Parity> parity = {};       ///< where an input and its answer stand beside the weights
};

namespace detail {

/// Numbers of a tensor in fp64.
struct SourceArray {
  std::vector<Index> shape;
  std::vector<double> values;
};

/// The arrays of somebody else's file under a prefix: each is asked for by name, and at the end none must be left. What
/// is wrong with an array is kept, and said of all arrays at once at the end: until then numbers of 1 stand in for it.
/// Whoever makes an array of the library asks for the file's first: sizes that the file does not bear out end there.
class SourceArrays {
 public:
  SourceArrays(const File& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  bool has(const std::string& name) const { return file_.tensors.contains(prefix_ + name); }
  /// The shape of an array, from which sizes are taken.
  /// @throws FormatError that names it if it is not there, is empty, or has another number of sizes; and what was wrong
  ///         before it
  const std::vector<Index>& shape(const std::string& name, std::initializer_list<std::size_t> ranks = {}) {
    const Tensor* const tensor = find(name);
    if (tensor == nullptr) fail();
    if (ranks.size() > 0 && std::find(ranks.begin(), ranks.end(), tensor->shape.size()) == ranks.end()) {
      wrong(prefix_ + name + ": expected " + std::to_string(*ranks.begin()) + " sizes, got shape " +
            text(tensor->shape));
      fail();
    }
    if (std::ranges::find_if(tensor->shape, [](Index size) { return size < 1; }) != tensor->shape.end()) {
      wrong(prefix_ + name + ": expected sizes of at least 1, got shape " + text(tensor->shape));
      fail();
    }
    return tensor->shape;
  }
  /// An array of real numbers of this shape.
  std::vector<double> reals(const std::string& name, const std::vector<Index>& shape) {
    const Tensor* const tensor = find(name);
    if (tensor != nullptr && tensor->type == "C64") {
      wrong(prefix_ + name + ": expected real numbers, got C64");
      return stand_in(shape);
    }
    return checked(name, tensor, shape);
  }
  /// An array of complex numbers of this shape, (re, im) in one more axis or of type C64.
  std::vector<Complex<double>> complexes(const std::string& name, const std::vector<Index>& shape) {
    const Tensor* const tensor = find(name);
    std::vector<Index> pairs = shape;
    const bool whole = tensor != nullptr && tensor->type == "C64";
    if (!whole) pairs.push_back(2);
    auto numbers = checked(name, tensor, pairs);
    if (whole) pairs.push_back(2);
    if (!good()) numbers.resize(stand_in(pairs).size(), 1.0);  // also where they stand in for a C64
    std::vector<Complex<double>> all;
    for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) all.emplace_back(numbers[i], numbers[i + 1]);
    return all;
  }
  /// A single whole number within 0 .. 2^40, of shape () or (1).
  double one_number(const std::string& name) {
    const Tensor* const tensor = find(name);
    if (tensor == nullptr) return 1;
    read_.insert(prefix_ + name);
    if (!tensor->shape.empty() && tensor->shape != std::vector<Index>{1}) {
      wrong(prefix_ + name + ": expected one number, got shape " + text(tensor->shape));
      return 1;
    }
    const double value = numbers(prefix_ + name, *tensor).at(0);
    if (value >= 0 && value <= 0x1p40 && value == std::floor(value)) return value;
    wrong(ssm::detail::message(prefix_ + name, ": expected a whole number within 0 .. 2^40, got ", value));
    return 1;
  }
  /// Marks an array, read or not, as one that the model does not need.
  void leave(const std::string& name) {
    if (find(name) == nullptr) return;
    read_.erase(prefix_ + name);
    left_out_.insert(prefix_ + name);
  }
  /// Keeps a sentence about what is wrong.
  void wrong(std::string sentence) { wrong_.push_back(std::move(sentence)); }
  /// Holds a size that a configuration tells to the one that arrays have.
  void agree(const Configuration& told, const std::string& name, Index found) {
    if (told.has(name) && !told.none(name) && told.number(name) != static_cast<double>(found))
      wrong(ssm::detail::message("configuration '", name, "': expected ", found, ", as the arrays have it, got ",
                                 told.number(name)));
  }
  /// Whether nothing was wrong so far: numbers are those of the file.
  bool good() const noexcept { return wrong_.empty(); }
  /// Ends the reading: writes the names of what was read and left out, and what was told, into a report. Names after the
  /// prefix that begin with `io.` or `io/` are examples beside the weights.
  /// @throws FormatError of all that was wrong, and of every array that nobody asked for
  void complete(const Configuration& told, Report& report) {
    for (const auto& [name, tensor] : file_.tensors) {
      const std::string own = name.starts_with(prefix_) ? name.substr(prefix_.size()) : "io.";
      if (!read_.contains(name) && !left_out_.contains(name) && !own.starts_with("io.") && !own.starts_with("io/"))
        wrong(name + ": expected no such array in these weights");
    }
    if (!good()) fail();
    report.read.assign(read_.begin(), read_.end());
    report.left_out.assign(left_out_.begin(), left_out_.end());
    report.told = told.asked();
  }

 private:
  [[noreturn]] void fail() const {
    constexpr std::size_t most = 20;
    std::string all;
    for (std::size_t i = 0; i < std::min(most, wrong_.size()); ++i) all += (i == 0 ? "" : "; ") + wrong_[i];
    if (wrong_.size() > most) all += "; and " + std::to_string(wrong_.size() - most) + " more";
    throw FormatError(all);
  }
  const Tensor* find(const std::string& name) {
    const auto found = file_.tensors.find(prefix_ + name);
    if (found != file_.tensors.end()) return &found->second;
    wrong(prefix_ + name + ": expected in the file, is not there");
    return nullptr;
  }
  /// Numbers of 1 in place of an array, as long as that is no more than a file holds that is read in memory.
  std::vector<double> stand_in(const std::vector<Index>& shape) const {
    double all = 1;
    for (const Index size : shape) all *= static_cast<double>(size);
    if (!(all <= 1e7)) fail();
    return std::vector<double>(static_cast<std::size_t>(all), 1.0);
  }
  /// Real numbers of an array, or what stands in for them.
  std::vector<double> checked(const std::string& name, const Tensor* tensor, const std::vector<Index>& shape) {
    if (tensor == nullptr) return stand_in(shape);
    read_.insert(prefix_ + name);
    if (tensor->shape != shape) {
      wrong(prefix_ + name + ": expected shape " + text(shape) + ", got " + text(tensor->shape));
      return stand_in(shape);
    }
    if (tensor->type[0] != 'F' && tensor->type != "BF16" && tensor->type != "C64") {
      wrong(prefix_ + name + ": expected floating point numbers, got " + tensor->type);
      return stand_in(shape);
    }
    auto values = numbers(prefix_ + name, *tensor);
    const auto bad = std::ranges::find_if(values, [](double each) { return !std::isfinite(each); });
    if (bad == values.end()) return values;
    wrong(ssm::detail::message(prefix_ + name, ": expected finite numbers, got ", *bad));
    return stand_in(shape);
  }

  const File& file_;
  std::string prefix_;
  std::set<std::string> read_, left_out_;
  std::vector<std::string> wrong_;
};

/// Puts numbers into an array of the library.
template <class To, class From>
void fill_array(To& to, const std::vector<From>& from) {
  using Number = std::remove_cvref_t<decltype(*to.begin())>;
  std::transform(from.begin(), from.end(), to.begin(), [](From x) { return static_cast<Number>(x); });
}
/// Returns an array of a file as one of the library, which is made after the file's is found to have these sizes.
template <Real T>
Array<T> table_of(SourceArrays& arrays, const std::string& name, Index rows, Index columns) {
  const auto numbers = arrays.reals(name, {rows, columns});
  Array<T> table(rows, columns);
  fill_array(table, numbers);
  return table;
}

}  // namespace detail
}  // namespace ssm::io
