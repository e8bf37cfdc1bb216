#pragma once

#include "ssm/nn/activation.hpp"
#include "ssm/nn/linear.hpp"
#include "ssm/simd/reduce.hpp"

namespace ssm::nn {

/// Kind of a normalization. Mean and variance are over the features of a step, batch norm's over all steps of a batch.
enum class NormKind {
  none,   ///< x
  layer,  ///< (x - mean)/sqrt(var + epsilon) weight + bias
  batch,  ///< the same, every feature by its own mean and variance
  rms,    ///< x/sqrt(mean of x^2 + epsilon) weight
  scalar  ///< (x - mean + bias)/sqrt(var + epsilon) weight: two numbers for all features
};

/// Parameters of a normalization: a scale and a shift for each feature. Batch normalization also stores its running
/// statistics; what a kind does not have is empty.
template <Real T>
struct Norm {
  Array<T> weight;        ///< (H); scalar norm's (1)
  Array<T> bias;          ///< (H); scalar norm's (1); RMS norm's (0)
  Array<T> running_mean;  ///< (H), batch norm's; else (0)
  Array<T> running_var;   ///< (H), batch norm's; else (0)

  Norm() = default;
  /// Scale 1 and shift 0: only mean and variance are changed.
  explicit Norm(Index features, NormKind kind = NormKind::layer) {
    for (const auto& [array, size] : arrays(features, kind)) this->*array = Array<T>(size);
    std::fill(weight.begin(), weight.end(), T(1));
    std::fill(running_var.begin(), running_var.end(), T(1));
  }

  /// H; of a scalar norm 1
  Index features() const noexcept { return weight.rows(); }
  /// Visits all arrays in order: f(name, array, role).
  template <class Self, class F>
  static void each(Self& self, F&& f) {
    const auto visit = [&](const char* name, auto& array, Role role) {
      if (array.rows() > 0) f(name, array, role);
    };
    visit("weight", self.weight, Role::ordinary);
    visit("bias", self.bias, Role::ordinary);
    visit("running_mean", self.running_mean, Role::statistic);
    visit("running_var", self.running_var, Role::statistic);
  }
  /// @param name       of the norm, for the message
  /// @param features   H
  /// @param kind       which it is to be
  /// @throws           ShapeError unless the arrays are those of this kind
  void check(const std::string& name, Index features, NormKind kind) const {
    constexpr std::array names{"/weight", "/bias", "/running_mean", "/running_var"};
    const auto expected = arrays(features, kind);
    for (std::size_t i = 0; i < names.size(); ++i)
      ssm::detail::require_shape(name + names[i], this->*expected[i].first, expected[i].second);
  }

 private:
  /// The arrays of a kind and their sizes.
  static std::array<std::pair<Array<T> Norm::*, Index>, 4> arrays(Index features, NormKind kind) {
    const Index size = kind == NormKind::none ? 0 : kind == NormKind::scalar ? 1 : features;
    const Index running = kind == NormKind::batch ? features : 0;
    return {{{&Norm::weight, size},
             {&Norm::bias, kind == NormKind::rms ? 0 : size},
             {&Norm::running_mean, running},
             {&Norm::running_var, running}}};
  }
};

namespace detail {

template <class T>
void require_norm(const Norm<T>& norm, ConstSequence<T> x, ConstSequence<T> y) {
  ssm::detail::require_same_shape<T>(x, y, norm.features());
}
/// Mean and 1/sqrt(variance + epsilon) of a row.
template <class T>
struct Moments {
  T mean, scale;
};
template <class T>
Moments<T> moments(std::span<const T> numbers, T epsilon) {
  const auto count = static_cast<Index>(numbers.size());
  const T mean = simd::sum(numbers.data(), count) / static_cast<T>(count);
  const T variance = simd::sum_of_squares(numbers.data(), mean, count) / static_cast<T>(count);
  return {mean, T(1) / std::sqrt(variance + epsilon)};
}

/// Returns the sum of a_i b_i (x_i - mean).
template <class T>
T dot_of_centred(const T* a, const T* b, const T* x, T mean, Index count) noexcept {
  using Pack = simd::Pack<T>;
  return simd::add_up<T>(
      count,
      [=](Index i, Pack sum) {
        return fma(Pack::load(a + i) * Pack::load(b + i), Pack::load(x + i) - Pack(mean), sum);
      },
      [=](Index i, T sum) { return sum + a[i] * b[i] * (x[i] - mean); });
}

}  // namespace detail

/// Layer norm: over the features of every step, y = (x - mean)/sqrt(var + epsilon) weight + bias.
///
/// Ba, Kiros, Hinton 2016, arXiv:1607.06450.
///
/// @param norm      weight (H), bias (H)
/// @param x         input      (L, H)
/// @param y         output     (L, H)     may be x
/// @param epsilon   is added to the variance
/// @throws          ShapeError if the sizes disagree
template <Real T>
void layer_norm(const Norm<T>& norm, ConstSequence<T> x, Sequence<T> y, T epsilon = T(1e-5)) {
  detail::require_norm<T>(norm, x, y);
  for (Index k = 0; k < x.length(); ++k) {
    const detail::Moments<T> row = detail::moments<T>(x.row(k), epsilon);
    const T *const in = x.row(k).data(), *const weight = norm.weight.data(), *const bias = norm.bias.data();
    T* const to = y.row(k).data();
    detail::for_each_pack<T, simd::native>(x.features(), [&]<class Pack>(Index h) {
      const Pack z = (Pack::load(in + h) - Pack(row.mean)) * Pack(row.scale);
      fma(z, Pack::load(weight + h), Pack::load(bias + h)).store(to + h);
    });
  }
}
/// @param norm       weight (H), bias (H)
/// @param x          input                     (L, H)
/// @param dy         cotangent of the output   (L, H)
/// @param dx         += cotangent of x         (L, H)
/// @param gradient   += cotangents of weight and bias
/// @param epsilon    as above
/// @throws           ShapeError if the sizes disagree
template <Real T>
void layer_norm_vjp(const Norm<T>& norm, ConstSequence<T> x, ConstSequence<T> dy, Sequence<T> dx, Norm<T>& gradient,
                    T epsilon = T(1e-5)) {
  detail::require_norm<T>(norm, x, dy);
  detail::require_norm<T>(norm, x, dx);
  const Index H = x.features();
  const T* const weight = norm.weight.data();
  for (Index k = 0; k < x.length(); ++k) {
    const detail::Moments<T> row = detail::moments<T>(x.row(k), epsilon);
    const T *const in = x.row(k).data(), *const from = dy.row(k).data();
    const T sum = simd::dot(from, weight, H) / static_cast<T>(H);
    const T along = row.scale * detail::dot_of_centred(from, weight, in, row.mean, H) / static_cast<T>(H);
    T *const to = dx.row(k).data(), *const dweight = gradient.weight.data(), *const dbias = gradient.bias.data();
    detail::for_each_pack<T, simd::native>(H, [&]<class Pack>(Index h) {
      const Pack d = Pack::load(from + h), z = (Pack::load(in + h) - Pack(row.mean)) * Pack(row.scale);
      fma(d, z, Pack::load(dweight + h)).store(dweight + h);
      (Pack::load(dbias + h) + d).store(dbias + h);
      const Pack centred = fnma(z, Pack(along), fma(d, Pack::load(weight + h), Pack(-sum)));
      fma(Pack(row.scale), centred, Pack::load(to + h)).store(to + h);
    });
  }
}

/// RMS norm: y = x/sqrt(mean of x^2 + epsilon) weight; no bias. Zhang, Sennrich 2019, arXiv:1910.07467.
/// @param norm      weight (H)
/// @param x         input      (L, H)
/// @param y         output     (L, H)     may be x
/// @param epsilon   is added to the mean square
/// @throws          ShapeError if the sizes disagree
template <Real T>
void rms_norm(const Norm<T>& norm, ConstSequence<T> x, Sequence<T> y, T epsilon = T(1e-6)) {
  detail::require_norm<T>(norm, x, y);
  for (Index k = 0; k < x.length(); ++k) {
    const T scale =
        T(1) /
        std::sqrt(simd::dot(x.row(k).data(), x.row(k).data(), x.features()) / static_cast<T>(x.features()) + epsilon);
    for (Index h = 0; h < x.features(); ++h) y(k, h) = x(k, h) * scale * norm.weight(h);
  }
}
/// @param norm       weight (H)
/// @param x          input                     (L, H)
/// @param dy         cotangent of the output   (L, H)
/// @param dx         += cotangent of x         (L, H)
/// @param gradient   += cotangent of weight
/// @param epsilon    as above
/// @throws           ShapeError if the sizes disagree
template <Real T>
void rms_norm_vjp(const Norm<T>& norm, ConstSequence<T> x, ConstSequence<T> dy, Sequence<T> dx, Norm<T>& gradient,
                  T epsilon = T(1e-6)) {
  detail::require_norm<T>(norm, x, dy);
  detail::require_norm<T>(norm, x, dx);
  const Index H = x.features();
  for (Index k = 0; k < x.length(); ++k) {
    const T scale = T(1) / std::sqrt(simd::dot(x.row(k).data(), x.row(k).data(), H) / static_cast<T>(H) + epsilon);
    T along = 0;
    for (Index h = 0; h < H; ++h) {
      gradient.weight(h) += dy(k, h) * x(k, h) * scale;
      along += dy(k, h) * norm.weight(h) * x(k, h) * scale;
    }
    along /= static_cast<T>(H);
    for (Index h = 0; h < H; ++h) dx(k, h) += scale * (dy(k, h) * norm.weight(h) - x(k, h) * scale * along);
  }
}

/// Scalar norm, the "transposed" layer norm of the S4 code base: y = (x - mean + bias)/sqrt(var + epsilon) weight, with
/// one weight and one bias for all features. That code base has no epsilon.
/// @param norm      weight (1), bias (1)
/// @param x         input      (L, H)
/// @param y         output     (L, H)     may be x
/// @param epsilon   is added to the variance
/// @throws          ShapeError if the sizes disagree
template <Real T>
void scalar_norm(const Norm<T>& norm, ConstSequence<T> x, Sequence<T> y, T epsilon = T(0)) {
  ssm::detail::require_same_shape<T>(x, y, x.features());
  ssm::detail::require_shape("weight of a scalar norm", norm.weight, 1);
  for (Index k = 0; k < x.length(); ++k) {
    const auto row = detail::moments<T>(x.row(k), epsilon);
    const T scale = row.scale * norm.weight(0), shift = norm.bias(0) - row.mean;
    for (Index h = 0; h < x.features(); ++h) y(k, h) = (x(k, h) + shift) * scale;
  }
}
/// @param norm       weight (1), bias (1)
/// @param x          input                     (L, H)
/// @param dy         cotangent of the output   (L, H)
/// @param dx         += cotangent of x         (L, H)
/// @param gradient   += cotangents of weight and bias
/// @param epsilon    as above
/// @throws           ShapeError if the sizes disagree
template <Real T>
void scalar_norm_vjp(const Norm<T>& norm, ConstSequence<T> x, ConstSequence<T> dy, Sequence<T> dx, Norm<T>& gradient,
                     T epsilon = T(0)) {
  ssm::detail::require_same_shape<T>(x, dy, x.features());
  ssm::detail::require_same_shape<T>(x, dx, x.features());
  const Index H = x.features();
  const T weight = norm.weight(0), bias = norm.bias(0);
  for (Index k = 0; k < x.length(); ++k) {
    const auto row = detail::moments<T>(x.row(k), epsilon);
    T sum = 0, along = 0;  // of dy, and of dy times the normalized x
    for (Index h = 0; h < H; ++h) {
      sum += dy(k, h);
      along += dy(k, h) * (x(k, h) - row.mean) * row.scale;
    }
    gradient.weight(0) += along + bias * row.scale * sum;
    gradient.bias(0) += weight * row.scale * sum;
    const T mean = sum / static_cast<T>(H), slope = (along + bias * row.scale * sum) / static_cast<T>(H);
    for (Index h = 0; h < H; ++h)
      dx(k, h) += weight * row.scale * (dy(k, h) - mean - (x(k, h) - row.mean) * row.scale * slope);
  }
}

/// Sums over steps of any number of sequences, in fp64: what batch norm needs of a batch. Add up parts in a fixed order
/// for the same bits.
struct BatchSums {
  Index steps = 0;       ///< steps that were summed
  Array<double> first;   ///< sum of x; backwards, of dy                     (H)
  Array<double> second;  ///< sum of x^2; backwards, of dy times normalized x   (H)

  /// Sums over no step.
  explicit BatchSums(Index features) : first(features), second(features) {}
  /// Adds the cotangent of other sequences.
  BatchSums& operator+=(const BatchSums& other) {
    steps += other.steps;
    for (Index h = 0; h < first.rows(); ++h) {
      first(h) += other.first(h);
      second(h) += other.second(h);
    }
    return *this;
  }
  /// The memory that is their value.
  friend std::vector<std::span<std::byte>> parts(BatchSums& sums) {
    return {std::as_writable_bytes(std::span(&sums.steps, 1)), std::as_writable_bytes(sums.first.values()),
            std::as_writable_bytes(sums.second.values())};
  }
  /// Adds one more sequence.
  template <Real T>
  void add(ConstSequence<T> x) {
    steps += x.length();
    for (Index k = 0; k < x.length(); ++k)
      for (Index h = 0; h < x.features(); ++h) {
        const double value = static_cast<double>(x(k, h));
        first(h) += value;
        second(h) += value * value;
      }
  }
  /// Mean of feature h.
  double mean(Index h) const { return first(h) / static_cast<double>(steps); }
  /// Biased variance of feature h.
  double variance(Index h) const { return std::max(second(h) / static_cast<double>(steps) - mean(h) * mean(h), 0.0); }
};

namespace detail {

/// Mean of a batch and 1/sqrt(variance + epsilon), feature by feature.
struct Deviations {
  Deviations(const BatchSums& batch, double epsilon) : mean(batch.first.rows()), scale(batch.first.rows()) {
    for (Index h = 0; h < mean.rows(); ++h) {
      mean(h) = batch.mean(h);
      scale(h) = 1 / std::sqrt(batch.variance(h) + epsilon);
    }
  }
  Array<double> mean, scale;
};

}  // namespace detail

/// Batch norm in evaluation: every feature by its running statistics. Ioffe, Szegedy 2015, arXiv:1502.03167.
/// @param norm      weight, bias, running_mean, running_var (H)
/// @param x         input      (L, H)
/// @param y         output     (L, H)     may be x
/// @param epsilon   is added to the variance
/// @throws          ShapeError if the sizes disagree
template <Real T>
void batch_norm(const Norm<T>& norm, ConstSequence<T> x, Sequence<T> y, T epsilon = T(1e-5)) {
  detail::require_norm<T>(norm, x, y);
  ssm::detail::require_shape("running_mean", norm.running_mean, norm.features());
  const auto from = [](const Array<T>& array, Index h) { return array.data() + h; };
  detail::for_each_pack<T, simd::native>(x.features(), [&]<class Pack>(Index h) {
    const Pack deviation = sqrt(Pack::load(from(norm.running_var, h)) + Pack(epsilon));
    const Pack scale = Pack::load(from(norm.weight, h)) / deviation;
    const Pack shift = fnma(Pack::load(from(norm.running_mean, h)), scale, Pack::load(from(norm.bias, h)));
    for (Index k = 0; k < x.length(); ++k) fma(Pack::load(&x(k, h)), scale, shift).store(&y(k, h));
  });
}
/// @param norm       weight, bias, running_mean, running_var (H)
/// @param x          input                     (L, H)
/// @param dy         cotangent of the output   (L, H)
/// @param dx         += cotangent of x         (L, H)
/// @param gradient   += cotangents of weight and bias
/// @param epsilon    as above
/// @throws           ShapeError if the sizes disagree
template <Real T>
void batch_norm_vjp(const Norm<T>& norm, ConstSequence<T> x, ConstSequence<T> dy, Sequence<T> dx, Norm<T>& gradient,
                    T epsilon = T(1e-5)) {
  detail::require_norm<T>(norm, x, dy);
  detail::require_norm<T>(norm, x, dx);
  for (Index h = 0; h < x.features(); ++h) {
    const T scale = T(1) / std::sqrt(norm.running_var(h) + epsilon);
    for (Index k = 0; k < x.length(); ++k) {
      dx(k, h) += dy(k, h) * scale * norm.weight(h);
      gradient.weight(h) += dy(k, h) * (x(k, h) - norm.running_mean(h)) * scale;
      gradient.bias(h) += dy(k, h);
    }
  }
}

/// Batch norm in training: every feature by the statistics of the whole batch.
/// @param norm      weight, bias (H)
/// @param batch     sums over all steps of all sequences
/// @param x         one of the sequences     (L, H)
/// @param y         output                   (L, H)     may be x
/// @param epsilon   is added to the variance
template <Real T>
void batch_norm_train(const Norm<T>& norm, const BatchSums& batch, ConstSequence<T> x, Sequence<T> y,
                      double epsilon = 1e-5) {
  detail::require_norm<T>(norm, x, y);
  const Index H = x.features();
  Array<double> scale(H), shift(H);
  for (Index h = 0; h < H; ++h) {
    scale(h) = static_cast<double>(norm.weight(h)) / std::sqrt(batch.variance(h) + epsilon);
    shift(h) = static_cast<double>(norm.bias(h)) - batch.mean(h) * scale(h);
  }
  for (Index k = 0; k < x.length(); ++k)
    for (Index h = 0; h < H; ++h) y(k, h) = static_cast<T>(static_cast<double>(x(k, h)) * scale(h) + shift(h));
}
/// Running statistics become (1 - momentum) old + momentum new, with the unbiased variance.
template <Real T>
void update_running(Norm<T>& norm, const BatchSums& batch, double momentum = 0.1) {
  const double steps = static_cast<double>(batch.steps), unbiased = batch.steps > 1 ? steps / (steps - 1) : 1;
  for (Index h = 0; h < norm.features(); ++h) {
    const auto mix = [&](T& old, double now) {
      old = static_cast<T>((1 - momentum) * static_cast<double>(old) + momentum * now);
    };
    mix(norm.running_mean(h), batch.mean(h));
    mix(norm.running_var(h), batch.variance(h) * unbiased);
  }
}
/// Adds one more sequence to the sums over a whole batch that the derivative needs: of dy, and of dy times the
/// normalized x.
template <Real T>
void add_cotangents(BatchSums& sums, const BatchSums& batch, ConstSequence<T> x, ConstSequence<T> dy,
                    double epsilon = 1e-5) {
  sums.steps += x.length();
  const detail::Deviations of(batch, epsilon);
  for (Index k = 0; k < x.length(); ++k)
    for (Index h = 0; h < x.features(); ++h) {
      const double d = static_cast<double>(dy(k, h));
      sums.first(h) += d;
      sums.second(h) += d * (static_cast<double>(x(k, h)) - of.mean(h)) * of.scale(h);
    }
}
/// dx += cotangent of one sequence; those of weight and bias are the sums themselves, second and first.
/// @param norm      weight, bias (H)
/// @param batch     sums of x over all sequences
/// @param sums      sums of their cotangents, by add_cotangents
/// @param x         one of the sequences      (L, H)
/// @param dy        its output's cotangent    (L, H)
/// @param dx        += cotangent of x         (L, H)
/// @param epsilon   as above
template <Real T>
void batch_norm_train_vjp(const Norm<T>& norm, const BatchSums& batch, const BatchSums& sums, ConstSequence<T> x,
                          ConstSequence<T> dy, Sequence<T> dx, double epsilon = 1e-5) {
  detail::require_norm<T>(norm, x, dy);
  detail::require_norm<T>(norm, x, dx);
  const double steps = static_cast<double>(batch.steps);
  const detail::Deviations of(batch, epsilon);
  Array<double> first(x.features()), second(x.features()), scale(x.features());
  for (Index h = 0; h < x.features(); ++h) {
    first(h) = sums.first(h) / steps;
    second(h) = sums.second(h) / steps;
    scale(h) = static_cast<double>(norm.weight(h)) * of.scale(h);
  }
  for (Index k = 0; k < x.length(); ++k)
    for (Index h = 0; h < x.features(); ++h) {
      const double z = (static_cast<double>(x(k, h)) - of.mean(h)) * of.scale(h);
      dx(k, h) += static_cast<T>(scale(h) * (static_cast<double>(dy(k, h)) - first(h) - z * second(h)));
    }
}

/// Any of these normalizations in evaluation.
/// @param norm      its arrays
/// @param kind      which it is
/// @param epsilon   as the kind has it
/// @param x         input      (L, H)
/// @param y         output     (L, H)     may be x
/// @throws          ShapeError if the sizes disagree
template <Real T>
void normalize(const Norm<T>& norm, NormKind kind, double epsilon, ConstSequence<T> x, Sequence<T> y) {
  const auto added = static_cast<T>(epsilon);
  switch (kind) {
    case NormKind::layer:
      return layer_norm<T>(norm, x, y, added);
    case NormKind::batch:
      return batch_norm<T>(norm, x, y, added);
    case NormKind::rms:
      return rms_norm<T>(norm, x, y, added);
    case NormKind::scalar:
      return scalar_norm<T>(norm, x, y, added);
    case NormKind::none:
      break;
  }
  ssm::detail::require_same_shape<T>(x, y, x.features());
  if (x.data() == y.data()) return;
  for (Index k = 0; k < x.length(); ++k) std::copy_n(x.row(k).data(), x.features(), y.row(k).data());
}
/// @param norm       its arrays
/// @param kind       which it is
/// @param epsilon    as the kind has it
/// @param x          input                     (L, H)
/// @param dy         cotangent of the output   (L, H)
/// @param dx         += cotangent of x         (L, H)
/// @param gradient   += cotangents of weight and bias
/// @throws           ShapeError if the sizes disagree
template <Real T>
void normalize_vjp(const Norm<T>& norm, NormKind kind, double epsilon, ConstSequence<T> x, ConstSequence<T> dy,
                   Sequence<T> dx, Norm<T>& gradient) {
  const auto added = static_cast<T>(epsilon);
  switch (kind) {
    case NormKind::layer:
      return layer_norm_vjp<T>(norm, x, dy, dx, gradient, added);
    case NormKind::batch:
      return batch_norm_vjp<T>(norm, x, dy, dx, gradient, added);
    case NormKind::rms:
      return rms_norm_vjp<T>(norm, x, dy, dx, gradient, added);
    case NormKind::scalar:
      return scalar_norm_vjp<T>(norm, x, dy, dx, gradient, added);
    case NormKind::none:
      break;
  }
  for (Index k = 0; k < x.length(); ++k)
    for (Index h = 0; h < x.features(); ++h) dx(k, h) += dy(k, h);
}

/// A linear map that does what batch norm in evaluation and then `map` did: for inference.
/// @throws ShapeError if the sizes disagree
template <Real T>
Linear<T> fold(const Norm<T>& norm, const Linear<T>& map, T epsilon = T(1e-5)) {
  ssm::detail::require_size("features of the norm before a linear map", map.inputs(), norm.features());
  Linear<T> result = map;
  for (Index i = 0; i < map.inputs(); ++i) {
    const T scale = norm.weight(i) / std::sqrt(norm.running_var(i) + epsilon);
    const T shift = norm.bias(i) - norm.running_mean(i) * scale;
    for (Index o = 0; o < map.outputs(); ++o) {
      result.W(o, i) = map.W(o, i) * scale;
      result.b(o) += map.W(o, i) * shift;
    }
  }
  return result;
}
/// A linear map that does what `map` and then batch norm in evaluation did.
/// @throws ShapeError if the sizes disagree
template <Real T>
Linear<T> fold(const Linear<T>& map, const Norm<T>& norm, T epsilon = T(1e-5)) {
  ssm::detail::require_size("features of the norm after a linear map", map.outputs(), norm.features());
  Linear<T> result = map;
  for (Index o = 0; o < map.outputs(); ++o) {
    const T scale = norm.weight(o) / std::sqrt(norm.running_var(o) + epsilon);
    for (auto& value : result.W.row(o)) value *= scale;
    result.b(o) = (map.b(o) - norm.running_mean(o)) * scale + norm.bias(o);
  }
  return result;
}

}  // namespace ssm::nn
