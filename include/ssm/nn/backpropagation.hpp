#pragma once

#include "ssm/core/executor.hpp"
#include "ssm/nn/dropout.hpp"
#include "ssm/nn/stack.hpp"

namespace ssm::nn {

/// A sequence to learn from.
template <Real T>
struct Example {
  ConstSequence<T> u;                 ///< (L, inputs)
  std::span<const T> intervals = {};  ///< a time step for each, for layers that take them; or empty
};

/// An error in one sequence of a batch. The message is that of what was thrown.
struct ExampleError : Error {
  /// @param which     number of the sequence in its batch, from 0
  /// @param message   what is wrong with it
  ExampleError(Index which, const std::string& message) : Error(message), example(which) {}
  Index example;  ///< number of the sequence in its batch, from 0
};

/// Gradients of a deep stack over a batch of sequences of any lengths, by the caller's threads.
///
/// A batch is cut into a fixed number of parts; each adds up its own sequences in order, and the parts are added up in
/// order: the same bits for every number of threads. Kept from batch to batch: buffers grow to what the longest asked
/// for, 3 + 7 layers rows of H numbers for every step of the batch.
template <TrainableSSMLayer Layer>
class Backpropagation {
  using T = typename Layer::Scalar;
  using Weights = StackParameters<Layer>;

 public:
  /// Parts of a batch, and the most threads that find work.
  static constexpr Index parts = 8;

  /// @param executor   the caller's threads; must outlive it
  explicit Backpropagation(Executor& executor) : executor_(executor) {}

  /// Forwards and backwards; batch norm's running statistics are updated on the way.
  /// @param model      its layers must be fresh
  /// @param examples   sequences, one at least
  /// @param random     what dropout is drawn from
  /// @param loss       loss(i, answer, danswer) of example i: returns it, and adds its cotangent; from any thread
  /// @param gradient   += cotangents of the weights
  /// @return           the sum of the losses, in order
  /// @throws           ExampleError that says which sequence has an error and what it is: a shape, an interval, what
  ///                   the loss throws
  template <class Loss>
  double operator()(Stack<Layer>& model, std::span<const Example<T>> examples, Random& random, Loss loss,
                    Weights& gradient) {
    const StackShape& shape = model.shape();
    const auto count = static_cast<Index>(examples.size());
    model_ = &model;
    samples_.resize(std::max(samples_.size(), examples.size()));
    parts_.resize(parts);
    for (Part& part : parts_) {
      part.gradient = zero(model.weights());
      part.layers.clear();
      for (const Layer& layer : model.layers()) part.layers.push_back(layer.cotangent());
    }
    for (std::size_t i = 0; i < examples.size(); ++i) samples_[i].begin(examples[i], shape, random);

    for_each(count, [&](Sample& sample, Part&) { model.encode(sample.example.u, sample.x(0)); });
    std::vector<BatchSums> batches;
    for (std::size_t i = 0; i < model.layers().size(); ++i) {
      if (shape.pre_norm) {
        batches.push_back(normalize(
            i, count, [](Sample& s, std::size_t b) { return s.x(b); },
            [](Sample& s, std::size_t b) { return s.inner(b); }));
        for_each(count, [&](Sample& sample, Part& part) { body(i, sample, part, sample.inner(i), sample.x(i + 1)); });
      } else {
        for_each(count, [&](Sample& sample, Part& part) { body(i, sample, part, sample.x(i), sample.inner(i)); });
        batches.push_back(normalize(
            i, count, [](Sample& s, std::size_t b) { return s.inner(b); },
            [](Sample& s, std::size_t b) { return s.x(b + 1); }));
      }
    }
    std::vector<double> losses(examples.size());
    for_each(count, [&](Sample& sample, Part& part) {
      losses[sample.number] =
          answer(sample, part, [&](auto out, auto dout) { return loss(static_cast<Index>(sample.number), out, dout); });
    });
    for (std::size_t i = model.layers().size(); i-- > 0;) {
      if (shape.pre_norm) {
        for_each(count, [&](Sample& sample, Part& part) {
          sample.clear_inner();
          body_vjp(i, sample, part, sample.inner(i), sample.dinner());
        });
        normalize_vjp(
            i, count, batches[i], gradient, [](Sample& s, std::size_t b) { return s.x(b); },
            [](Sample& s) { return s.dinner(); }, [](Sample& s) { return s.dx(); });
      } else {
        for_each(count, [](Sample& sample, Part&) { sample.clear_inner(); });
        normalize_vjp(
            i, count, batches[i], gradient, [](Sample& s, std::size_t b) { return s.inner(b); },
            [](Sample& s) { return s.dx(); }, [](Sample& s) { return s.dinner(); });
        for_each(count, [&](Sample& sample, Part& part) {
          sample.swap_cotangents();
          body_vjp(i, sample, part, sample.x(i), sample.dx());
        });
      }
    }
    for_each(count, [&](Sample& sample, Part& part) {
      if (shape.symbols > 0)
        embedding_vjp<T>(model.symbols(sample.example.u), sample.dx(), part.gradient.encoder.W);
      else
        linear_vjp<T>(model.weights().encoder, sample.example.u, sample.dx(), part.gradient.encoder);
    });
    for (std::size_t i = 0; i < model.layers().size(); ++i) {
      for (Index p = 1; p < parts; ++p) parts_[0].layers[i] += parts_[at(p)].layers[i];
      model.layers()[i].parameters_vjp(parts_[0].layers[i], parts_[0].gradient.blocks[i].ssm);
    }
    auto total = parameters_of(gradient);
    for (Part& part : parts_) {
      const auto each = parameters_of(part.gradient);
      for (std::size_t i = 0; i < total.size(); ++i)
        for (std::size_t j = 0; j < total[i].values.size(); ++j) total[i].values[j] += each[i].values[j];
    }
    double sum = 0;
    for (const double each : losses) sum += each;
    return sum;
  }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

  /// One sequence, with the values of every block that the backward run needs.
  struct Sample {
    std::size_t number = 0;
    Example<T> example{{nullptr, 0, 0}};
    Index H = 0;
    std::vector<std::vector<T>> xs, inners, ssms, wides, masks;
    std::vector<CheckpointsOf<Layer>> checkpoints;
    std::vector<T> d, di;

    void begin(const Example<T>& next, const StackShape& shape, Random& random) {
      example = next;
      H = shape.features;
      const std::size_t size = at(next.u.length() * H), layers = at(shape.layers);
      const auto fit = [](auto& all, std::size_t count, std::size_t each) {
        all.resize(count);
        for (auto& one : all) one.resize(each);
      };
      fit(xs, layers + 1, size);
      fit(inners, layers, size);
      fit(ssms, layers, size);
      fit(wides, layers, 2 * size);
      fit(masks, shape.dropout > 0 ? 2 * layers : 0, at(H));
      checkpoints.resize(layers);
      for (auto& mask : masks) draw_dropout<T>(shape.dropout, random, mask);
      d.assign(size, T(0));
      di.resize(size);
    }
    Sequence<T> rows(std::vector<T>& from, Index features) const { return {from.data(), example.u.length(), features}; }
    Sequence<T> x(std::size_t i) { return rows(xs[i], H); }
    Sequence<T> inner(std::size_t i) { return rows(inners[i], H); }
    Sequence<T> ssm(std::size_t i) { return rows(ssms[i], H); }
    Sequence<T> wide(std::size_t i) { return rows(wides[i], 2 * H); }
    Sequence<T> dx() { return rows(d, H); }
    Sequence<T> dinner() { return rows(di, H); }
    void clear_inner() { std::fill(di.begin(), di.end(), T(0)); }
    void swap_cotangents() { d.swap(di); }
    void mask(std::size_t which, Sequence<T> of) const {
      if (!masks.empty()) dropout<T>(masks[which], of);
    }
  };
  /// Part of a batch: the gradients it adds up, and its buffers.
  struct Part {
    Weights gradient;
    std::vector<typename Layer::Cotangent> layers;
    WorkspaceOf<Layer> work;
    std::array<std::vector<T>, 5> buffers;
    /// Returns rows with whatever numbers are there.
    Sequence<T> room(std::size_t which, Index length, Index features) {
      if (buffers[which].size() < at(length * features)) buffers[which].resize(at(length * features));
      return {buffers[which].data(), length, features};
    }
    /// Returns rows of zeros.
    Sequence<T> buffer(std::size_t which, Index length, Index features) {
      const Sequence<T> result = room(which, length, features);
      std::fill_n(result.data(), length * features, T(0));
      return result;
    }
  };

  template <class Work>
  void for_each(Index count, Work work) {
    executor_.run(parts, [&](Index part, Index) {
      for (Index i = part * count / parts; i < (part + 1) * count / parts; ++i) {
        samples_[at(i)].number = at(i);
        try {
          work(samples_[at(i)], parts_[at(part)]);
        } catch (const std::exception& error) {
          throw ExampleError(i, error.what());
        }
      }
    });
  }
  std::span<T> all(Sequence<T> x) const { return {x.data(), at(x.length() * x.features())}; }

  template <class From, class To>
  BatchSums normalize(std::size_t i, Index count, From from, To to) {
    auto& norm = model_->weights().blocks[i].norm;
    if (!norm.running()) {
      for_each(count, [&](Sample& sample, Part&) { layer_norm<T>(norm, from(sample, i), to(sample, i)); });
      return BatchSums(norm.features());
    }
    const BatchSums batch =
        sum(count, norm.features(), [&](Sample& sample, BatchSums& of) { of.add<T>(from(sample, i)); });
    for_each(count, [&](Sample& sample, Part&) { batch_norm_train<T>(norm, batch, from(sample, i), to(sample, i)); });
    update_running(norm, batch);
    return batch;
  }
  template <class X, class Dy, class Dx>
  void normalize_vjp(std::size_t i, Index count, const BatchSums& batch, Weights& gradient, X x, Dy dy, Dx dx) {
    const auto& norm = model_->weights().blocks[i].norm;
    if (!norm.running())
      return for_each(count, [&](Sample& sample, Part& part) {
        layer_norm_vjp<T>(norm, x(sample, i), dy(sample), dx(sample), part.gradient.blocks[i].norm);
      });
    const auto sums = sum(count, norm.features(), [&](Sample& sample, BatchSums& of) {
      add_cotangents<T>(of, batch, x(sample, i), dy(sample));
    });
    for (Index h = 0; h < norm.features(); ++h) {
      gradient.blocks[i].norm.weight(h) += static_cast<T>(sums.second(h));
      gradient.blocks[i].norm.bias(h) += static_cast<T>(sums.first(h));
    }
    for_each(count, [&](Sample& sample, Part&) {
      batch_norm_train_vjp<T>(norm, batch, sums, x(sample, i), dy(sample), dx(sample));
    });
  }
  /// Sums over a batch, part by part and in order.
  template <class Add>
  BatchSums sum(Index count, Index features, Add add) {
    std::vector<BatchSums> each(at(parts), BatchSums(features));
    for_each(count, [&](Sample& sample, Part& part) { add(sample, each[at(&part - parts_.data())]); });
    BatchSums total(features);
    for (const auto& one : each) total += one;
    return total;
  }

  /// out = x + GLU(mix(GELU(layer(in)))), dropped out in two places.
  void body(std::size_t i, Sample& sample, Part& part, ConstSequence<T> in, Sequence<T> out) {
    const auto& block = model_->weights().blocks[i];
    const Index L = in.length(), H = in.features();
    if (sample.example.intervals.empty())
      forward_from_rest(model_->layers()[i], in, sample.ssm(i), sample.checkpoints[i]);
    else
      model_->run_layer(i, in, sample.ssm(i), sample.example.intervals);
    const Sequence<T> active = part.room(0, L, H), x = sample.x(i);
    activate<Gelu, T>({}, all(sample.ssm(i)), all(active));
    sample.mask(2 * i, active);
    linear<T>(block.mix, active, sample.wide(i));
    glu<T>(sample.wide(i), out);
    sample.mask(2 * i + 1, out);
    for (Index j = 0; j < L * H; ++j) out.data()[j] += x.data()[j];
  }
  /// Adds to din, and to the gradients; the sum's own share stays where it is, in dx.
  void body_vjp(std::size_t i, Sample& sample, Part& part, ConstSequence<T> in, Sequence<T> din) {
    const auto& block = model_->weights().blocks[i];
    const Index L = in.length(), H = in.features();
    const Sequence<T> active = part.room(0, L, H), slope = part.room(4, L, H), dout = part.room(3, L, H),
                      dactive = part.buffer(1, L, H), dwide = part.buffer(2, L, 2 * H);
    std::copy_n(sample.dx().data(), L * H, dout.data());
    sample.mask(2 * i + 1, dout);
    glu_vjp<T>(sample.wide(i), dout, dwide);
    activate<Gelu, T>({}, all(sample.ssm(i)), all(active), all(slope));
    sample.mask(2 * i, active);
    linear_vjp<T>(block.mix, active, dwide, dactive, part.gradient.blocks[i].mix);
    sample.mask(2 * i, dactive);
    for (Index j = 0; j < L * H; ++j) dout.data()[j] = slope.data()[j] * dactive.data()[j];
    const Layer& layer = model_->layers()[i];
    if (sample.example.intervals.empty()) {
      forward_from_rest_vjp(layer, in, sample.checkpoints[i], dout, din, part.layers[i], part.work);
    } else {
      auto rest = layer.initial_state(), unused = rest;
      if constexpr (requires {
                      layer.forward_vjp(in, sample.example.intervals, rest, dout, unused, din, std::span<T>{},
                                        part.layers[i]);
                    })
        layer.forward_vjp(in, sample.example.intervals, rest, dout, unused, din, std::span<T>{}, part.layers[i]);
    }
  }

  template <class Loss>
  double answer(Sample& sample, Part& part, Loss loss) {
    const StackShape& shape = model_->shape();
    const Index L = sample.example.u.length(), H = shape.features, rows = model_->answers(L);
    const Sequence<T> x = sample.x(model_->layers().size()), out = part.buffer(0, rows, shape.outputs),
                      dout = part.buffer(1, rows, shape.outputs);
    if (shape.pool == Pool::none) {
      linear<T>(model_->weights().decoder, x, out);
      const double value = loss(ConstSequence<T>(out), dout);
      linear_vjp<T>(model_->weights().decoder, x, dout, sample.dx(), part.gradient.decoder);
      return value;
    }
    const Sequence<T> pooled = part.buffer(2, 1, H), dpooled = part.buffer(3, 1, H);
    model_->pool(x, pooled.row(0));
    linear<T>(model_->weights().decoder, pooled, out);
    const double value = loss(ConstSequence<T>(out), dout);
    linear_vjp<T>(model_->weights().decoder, pooled, dout, dpooled, part.gradient.decoder);
    if (shape.pool == Pool::mean)
      mean_pool_vjp<T>(dpooled.row(0), sample.dx());
    else
      last_pool_vjp<T>(dpooled.row(0), sample.dx());
    return value;
  }

  Executor& executor_;
  Stack<Layer>* model_ = nullptr;
  std::vector<Sample> samples_;
  std::vector<Part> parts_;
};

}  // namespace ssm::nn
