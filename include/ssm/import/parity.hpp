#pragma once

#include "ssm/import/source_arrays.hpp"
#include "ssm/layer/any_layer.hpp"
#include "ssm/nn/stack.hpp"

#include <array>

namespace ssm::io {

/// Inputs and the answers that a project's own code gives to them, as they stand beside its weights: `io.u` and `io.y`
/// (`io/u`, `io/y` in a tree of flax), also `lengths` of the sequences and `step_scale`, a time for each step.
template <Real T>
class Examples {
 public:
  /// @param file     with the arrays
  /// @param prefix   before the names
  /// @param axes     their order
  /// @throws         FormatError that names what is not there, or of another shape
  Examples(const File& file, const std::string& prefix, Axes axes) : axes_(axes) {
    const std::string folder = prefix + (file.tensors.contains(prefix + "io.u") ? "io." : "io/");
    take(file, folder + "u", u_, shape_);
    take(file, folder + "y", y_, answers_);
    std::vector<Index> unused;
    if (file.tensors.contains(folder + "lengths")) take(file, folder + "lengths", lengths_, unused);
    if (file.tensors.contains(folder + "step_scale")) take(file, folder + "step_scale", scales_, unused);
    if (shape_.size() == 2) shape_.push_back(1);  // symbols
    if (shape_.size() != 3)
      throw FormatError(
          ssm::detail::message(folder, "u: expected (sequences, steps, numbers), got ", detail::text(shape_)));
    if (axes != Axes::batch_time_feature) to_time_second(u_, shape_);
    if (axes != Axes::batch_time_feature && answers_.size() == 3) to_time_second(y_, answers_);
    const auto each = [&](const std::vector<T>& numbers, Index of, const char* name) {
      if (!numbers.empty() && std::ssize(numbers) != of)
        throw FormatError(ssm::detail::message(folder, name, ": expected ", of, " numbers, got ", numbers.size()));
    };
    each(lengths_, shape_[0], "lengths");
    each(scales_, shape_[0] * shape_[1], "step_scale");
  }
  /// Returns whether a file has an input and its answer.
  static bool are_in(const File& file, const std::string& prefix) {
    return (file.tensors.contains(prefix + "io.u") && file.tensors.contains(prefix + "io.y")) ||
           (file.tensors.contains(prefix + "io/u") && file.tensors.contains(prefix + "io/y"));
  }

  /// Sequences.
  Index size() const { return shape_[0]; }
  /// Sequence i, and how a model of such a report reads it.    (L, inputs)
  ConstSequence<T> input(Index i) const { return {u_.data() + i * shape_[1] * shape_[2], shape_[1], shape_[2]}; }
  /// The answers of all, in the order of this library.
  std::span<const T> answers() const { return y_; }
  /// Length of sequence i.
  Index length(Index i) const { return lengths_.empty() ? shape_[1] : static_cast<Index>(lengths_[place(i)]); }
  /// The times of its steps, where it has some.
  Intervals<T> times(Index i) const {
    if (scales_.empty()) return {};
    return InLayerSteps<T>{std::span(scales_).subspan(place(i * shape_[1]), place(shape_[1])), ReadBackwards::same};
  }

 private:
  static std::size_t place(Index i) { return static_cast<std::size_t>(i); }
  static void take(const File& file, const std::string& name, std::vector<T>& to, std::vector<Index>& shape) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end())
      throw FormatError(ssm::detail::message(name, ": expected in the file, is not there"));
    shape = found->second.shape;
    for (const double each : numbers(name, found->second)) to.push_back(static_cast<T>(each));
  }
  /// (batch, features, L) or (L, batch, features) as (batch, L, features).
  void to_time_second(std::vector<T>& all, std::vector<Index>& shape) const {
    const bool time_last = axes_ == Axes::batch_feature_time;
    const Index batch = time_last ? shape[0] : shape[1], L = time_last ? shape[2] : shape[0],
                features = time_last ? shape[1] : shape[2];
    std::vector<T> turned(all.size());
    for (Index b = 0; b < batch; ++b)
      for (Index k = 0; k < L; ++k)
        for (Index h = 0; h < features; ++h)
          turned[place((b * L + k) * features + h)] =
              all[place(time_last ? (b * features + h) * L + k : (k * batch + b) * features + h)];
    all = std::move(turned);
    shape = {batch, L, features};
  }

  Axes axes_;
  std::vector<T> u_, y_, lengths_, scales_;
  std::vector<Index> shape_, answers_;
};

namespace detail {

/// The answers to all examples, or to pairs of them.
/// @param report   of what was read: how its sequences are read
/// @param sizes    rows of an answer, 0 for every step; its numbers; sequences that it is of
/// @param run      run(inputs, readings, answer), of one sequence or two
template <Real T, class Run>
std::vector<T> answers_of(const Report& report, const Examples<T>& examples, std::array<Index, 3> sizes, Run run) {
  const auto [rows, outputs, together] = sizes;
  const Index answers = examples.size() / together;
  std::array<std::vector<T>, 2> late;
  std::vector<T> all;
  for (Index i = 0; i < answers; ++i) {
    std::array<ConstSequence<T>, 2> inputs{examples.input(i), examples.input(i)};
    std::array<nn::Reading<T>, 2> readings;
    for (Index j = 0; j < together; ++j) {
      const auto which = static_cast<std::size_t>(j);
      ConstSequence<T> u = examples.input(j * answers + i);
      const Index length = examples.length(j * answers + i);
      if (report.cuts_padding) u = u.block(0, length);
      if (report.shifted) {
        late[which].assign(static_cast<std::size_t>(u.length() * u.features()), T(0));
        std::copy(u.data(), u.data() + std::max<Index>(u.length() - 1, 0) * u.features(),
                  late[which].begin() + u.features());
        u = {late[which].data(), u.length(), u.features()};
      }
      inputs[which] = u;
      readings[which].intervals = examples.times(j * answers + i);
      if (!report.cuts_padding && rows > 0) readings[which].counted = length;
    }
    const Index own = rows > 0 ? rows : inputs[0].length();
    all.resize(all.size() + static_cast<std::size_t>(own * outputs));
    run(inputs, readings, Sequence<T>(all.data() + std::ssize(all) - own * outputs, own, outputs));
  }
  return all;
}

}  // namespace detail

/// Returns the answers of a model that was read, to the examples of its file, one after the other.
/// @param model      the model
/// @param report     of reading it: how its sequences are read
/// @param examples   inputs
/// @throws           ShapeError if they do not fit the model
template <Real T>
std::vector<T> answers_of(const nn::Stack<AnyLayer<T>>& model, const Report& report, const Examples<T>& examples) {
  const auto& shape = model.shape();
  const Index rows = shape.pool == nn::Pool::none ? 0 : 1;
  return detail::answers_of(report, examples, {rows, shape.outputs, shape.compare ? 2 : 1},
                            [&](const auto& u, const auto& readings, Sequence<T> answer) {
                              if (shape.compare)
                                model.forward(u[0], u[1], answer, readings[0], readings[1]);
                              else
                                model.forward(u[0], answer, readings[0]);
                            });
}
/// Returns those of a single layer.
template <Real T>
std::vector<T> answers_of(const AnyLayer<T>& layer, const Report& report, const Examples<T>& examples) {
  return detail::answers_of(report, examples, {0, layer.outputs(), 1},
                            [&](const auto& u, const auto& readings, Sequence<T> answer) {
                              auto state = layer.initial_state();
                              if (readings[0].intervals.empty())
                                layer.forward(u[0], answer, state);
                              else
                                layer.forward(u[0], readings[0].intervals, answer, state);
                            });
}

/// Compares answers with those that are expected.
/// @throws ShapeError unless they are as many
template <Real T>
Parity parity_of(std::span<const T> got, std::span<const T> expected, Index sequences) {
  ssm::detail::require_size("answers", std::ssize(expected), std::ssize(got));
  Parity found{.sequences = sequences};
  double apart = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double e = static_cast<double>(expected[i]), difference = std::abs(static_cast<double>(got[i]) - e);
    found.peak = std::max(found.peak, std::abs(e));
    if (!(difference <= apart)) apart = difference;  // NaN is no agreement
  }
  found.error = found.peak > 0 ? apart / found.peak : apart;
  return found;
}
/// Compares a model's or a layer's answers with those of the examples beside its weights.
template <class Model, Real T>
Parity parity_of(const Model& model, const Report& report, const Examples<T>& examples) {
  const std::vector<T> got = answers_of(model, report, examples);
  return parity_of<T>(got, examples.answers(), examples.size());
}

}  // namespace ssm::io
