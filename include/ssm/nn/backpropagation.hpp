#pragma once

#include "ssm/core/executor.hpp"
#include "ssm/core/team.hpp"
#include "ssm/nn/example.hpp"
#include "ssm/nn/example_values.hpp"
#include "ssm/nn/stack.hpp"
#include "ssm/nn/whole_sequences.hpp"

#include <tuple>

namespace ssm::nn {

namespace detail {

/// The memory of a value that says it.
template <class Value>
auto memory_of(Value& value) -> decltype(parts(value)) {
  return parts(value);
}

}  // namespace detail

/// Gradients of a deep stack over a batch of sequences of any lengths, by the caller's threads.
///
/// A batch is cut into a fixed number of parts; each adds up its own sequences in order, and the parts are added up in
/// order: the same bits for every number of threads, and of members of a team, who have some of the parts each. Kept
/// from batch to batch: buffers grow to what the longest asked for, 3 + 7 layers rows of H numbers for every step of
/// the batch (of the default block).
///
/// @tparam Layer       of the model
/// @tparam Sequences   how the sequences are held: whole, unless over the ranks of an MPI run
template <TrainableLayer Layer, class Sequences = WholeSequences<Layer>>
class Backpropagation {
  using T = typename Layer::Scalar;
  using Weights = StackParameters<Layer>;
  using Network = detail::Network<Layer>;
  using Scratch = detail::BlockScratch<T>;
  using Sample = detail::ExampleValues<Layer, Sequences>;

 public:
  /// Parts of a batch, and the most threads that find work.
  static constexpr Index parts = 8;

  /// @param executor   the caller's threads; must outlive it
  /// @param team       processes that share every batch, or nullptr: this one alone; must outlive it
  /// @throws           DomainError if the team has more members than a batch has parts
  explicit Backpropagation(Executor& executor, Team* team = nullptr) : executor_(executor), team_(team) {
    if (team == nullptr || Sequences::stretches) return;
    if (team->size() > parts)
      throw DomainError(ssm::detail::message("members of a team: expected at most ", parts,
                                             ", the parts of a batch, got ", team->size()));
    std::tie(first_part_, end_part_) = ssm::detail::share_of(team, parts);
  }
  /// Returns the object that says how sequences are held; its owner sets it up before a call.
  Sequences& sequences() noexcept { return sequences_; }
  /// Whether example i of a batch of so many is of this process's parts.
  bool has(Index i, Index examples) const noexcept {
    return i >= first_part_ * examples / parts && i < end_part_ * examples / parts;
  }

  /// Forwards and backwards; batch norm's running statistics are updated on the way.
  /// @param model      its layers must be fresh
  /// @param examples   sequences, one at least
  /// @param randoms    what dropout is drawn from: one for all examples, in order; or one for each, and then a member of
  ///                   a team needs its own examples alone: the others may be of no steps
  /// @param loss       loss(i, answer, danswer) of example i: returns it, and adds its cotangent; from any thread. Of a
  ///                   team's members each calls it of the examples that it has
  /// @param gradient   += cotangents of the weights
  /// @return           the sum of the losses, in order
  /// @throws           ExampleError that says which example has an error and what it is: a shape, an interval, what
  ///                   the loss throws
  template <class Loss>
  double operator()(Stack<Layer>& model, std::span<const Example<T>> examples, std::span<Random> randoms, Loss loss,
                    Weights& gradient) {
    begin(model, examples, randoms);
    for_each([&](Sample& sample, Part&) {
      sequences_.check(sample.reading, sample.u.length());
      sample.u = detail::observed_rows<T>(sample.u, sample.reading.observed, sample.seen);
      encode<T>(model.shape(), model.weights().encoder, sample.u, sample.x(0));
      ssm::detail::clear_unobserved<T>(sample.reading.observed, sample.x(0));
    });
    std::vector<std::optional<BatchSums>> batches;
    for (std::size_t i = 0; i < blocks(); ++i) batches.push_back(forward_block(i));
    batches.push_back(forward_final());
    std::vector<double> losses(examples.size());
    for_each_example([&](Index i, Part& part) {
      losses[at(i)] = answer(i, part, [&](auto out, auto dout) { return loss(i, out, dout); });
    });
    backward_final(batches.back(), gradient);
    arrays_ = parameters_of(gradient);
    ssm::detail::Rounds rounds(team_);
    for (std::size_t i = blocks(); i-- > 0;) {
      backward_block(i, batches[i], gradient);
      if (!sends_on_the_way()) add_up_block(i, rounds);
    }
    for_each([&](Sample& sample, Part& part) {
      ssm::detail::clear_unobserved<T>(sample.reading.observed, sample.dx());
      encode_vjp<T>(model.shape(), model.weights().encoder, sample.u, sample.dx(), part.gradient.encoder);
    });
    if (Sequences::stretches && model.shape().pool != Pool::none && team_->rank() > 0) forget_head(losses);
    for (std::size_t i = blocks(); sends_on_the_way() && i-- > 0;) add_up_block(i, rounds);
    add_up(rounds, gradient);
    if (team_ != nullptr) ssm::add_up(*team_, std::span(losses));
    double sum = 0;
    for (const double each : losses) sum += each;
    return sum;
  }

  /// Computes the same from one random for all examples.
  template <class Loss>
  double operator()(Stack<Layer>& model, std::span<const Example<T>> examples, Random& random, Loss loss,
                    Weights& gradient) {
    return (*this)(model, examples, std::span(&random, 1), std::move(loss), gradient);
  }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  /// The memory of a value; `parts` is also a number here.
  template <class Value>
  static auto parts_of(Value& value) -> decltype(detail::memory_of(value)) {
    return detail::memory_of(value);
  }

  /// Part of a batch: the gradients it adds up, and its buffers.
  struct Part {
    Weights gradient;
    std::vector<Parameter<T>> arrays;  // of it
    std::vector<typename Layer::Cotangent> layers;
    WorkspaceOf<Layer> work;
    Scratch scratch;
  };

  void begin(Stack<Layer>& model, std::span<const Example<T>> examples, std::span<Random> randoms) {
    if (randoms.size() != 1) ssm::detail::require_size("randoms", std::ssize(examples), std::ssize(randoms));
    weights_ = &model.weights();
    network_ = &model.network();
    in_example_ = model.shape().compare ? 2 : 1;
    examples_ = std::ssize(examples);
    samples_.resize(std::max(samples_.size(), examples.size() * at(in_example_)));
    parts_.resize(parts);
    for (Index p = 0; p < parts; ++p) {
      if (p != 0 && (p < first_part_ || p >= end_part_)) continue;  // the first has the layers' sums in the end
      Part& part = parts_[at(p)];
      part.gradient = zero(model.weights());
      part.arrays = parameters_of(part.gradient);
      part.layers.clear();
      for (const Layer& layer : model.layers()) part.layers.push_back(layer.cotangent());
    }
    Sample elsewhere;  // another member's: only what is drawn for it goes on
    for (std::size_t i = 0; i < examples.size(); ++i) {
      const Example<T>& each = examples[i];
      Random& random = randoms[randoms.size() == 1 ? 0 : i];
      const bool here = has(static_cast<Index>(i), examples_);
      const auto begin_one = [&](std::size_t which, ConstSequence<T> u, const Reading<T>& reading) {
        if (here)
          samples_[which].begin(u, reading, *network_, random);
        else
          elsewhere.draw(at(u.length()), *network_, random);
      };
      begin_one(i * at(in_example_), each.u, each.reading);
      if (in_example_ == 2) begin_one(2 * i + 1, each.other, each.other_reading);
    }
  }
  std::size_t blocks() const { return network_->sizes.size(); }
  const BlockParameters<Layer>& block(std::size_t i) const { return weights_->blocks[i]; }

  /// work(i, part) for the examples of a batch that this process has.
  template <class Work>
  void for_each_example(Work work) {
    run_examples([](void* context, Index i, Part& part) { (*static_cast<Work*>(context))(i, part); }, &work);
  }
  /// work(context, i, part) for them: a pointer, so that what is around the call is compiled once for all of them.
  void run_examples(void (*work)(void*, Index, Part&), void* context) {
    executor_.run(end_part_ - first_part_, [&](Index task, Index) {
      const Index part = first_part_ + task;
      for (Index i = part * examples_ / parts; i < (part + 1) * examples_ / parts; ++i) try {
          work(context, i, parts_[at(part)]);
        } catch (const std::exception& error) {
          throw ExampleError(i, error.what());
        }
    });
  }
  /// work(sample, part) for their sequences.
  template <class Work>
  void for_each(Work work) {
    for_each_example([&](Index i, Part& part) {
      for (Index j = 0; j < in_example_; ++j) work(samples_[at(i * in_example_ + j)], part);
    });
  }

  std::optional<BatchSums> forward_block(std::size_t i) {
    const BlockShape& shape = block(i).shape;
    std::optional<BatchSums> batch;
    const auto x = [i](Sample& sample) { return sample.x(i); };
    const auto inner = [i](Sample& sample) { return sample.inner(i); };
    const auto next = [i](Sample& sample) { return sample.x(i + 1); };
    auto& norm = weights_->blocks[i].norm;
    if (shape.normalizes_before()) batch = normalize(norm, shape.norm, shape.epsilon, shape.momentum, x, inner);
    for_each([&](Sample& sample, Part& part) {
      body(i, sample, part, shape.normalizes_before() ? sample.inner(i) : sample.x(i),
           shape.normalizes_after() ? sample.inner(i) : sample.x(i + 1));
    });
    if (shape.normalizes_after()) batch = normalize(norm, shape.norm, shape.epsilon, shape.momentum, inner, next);
    return batch;
  }
  void backward_block(std::size_t i, const std::optional<BatchSums>& batch, Weights& gradient) {
    const BlockShape& shape = block(i).shape;
    const auto& norm = block(i).norm;
    const auto of_norm = [i](Weights& all) -> Norm<T>& { return all.blocks[i].norm; };
    if (shape.normalizes_before()) {
      for_each([&](Sample& sample, Part& part) {
        sample.clear_inner();
        body_vjp(i, sample, part, sample.inner(i), sample.dinner());
        if (shape.residual == Residual::input) return;
        if (shape.residual == Residual::normed)
          for (std::size_t j = 0; j < sample.d.size(); ++j) sample.di[j] += sample.d[j];
        std::fill(sample.d.begin(), sample.d.end(), T(0));
      });
      normalize_vjp(
          norm, shape.norm, shape.epsilon, batch, gradient, of_norm, [i](Sample& s) { return s.x(i); },
          [](Sample& s) { return s.dinner(); }, [](Sample& s) { return s.dx(); });
      return;
    }
    if (shape.normalizes_after()) {
      for_each([](Sample& sample, Part&) { sample.clear_inner(); });
      normalize_vjp(
          norm, shape.norm, shape.epsilon, batch, gradient, of_norm, [i](Sample& s) { return s.inner(i); },
          [](Sample& s) { return s.dx(); }, [](Sample& s) { return s.dinner(); });
      for_each([](Sample& sample, Part&) { sample.swap_cotangents(); });
    }
    for_each([&](Sample& sample, Part& part) {
      if (shape.residual == Residual::input) return body_vjp(i, sample, part, sample.x(i), sample.dx());
      sample.clear_inner();
      body_vjp(i, sample, part, sample.x(i), sample.dinner());
      sample.swap_cotangents();
    });
  }
  std::optional<BatchSums> forward_final() {
    const StackShape& shape = weights_->shape;
    if (shape.norm == NormKind::none) return {};
    return normalize(
        weights_->norm, shape.norm, shape.epsilon, shape.momentum, [this](Sample& s) { return s.x(blocks()); },
        [this](Sample& s) { return s.x(blocks() + 1); });
  }
  void backward_final(const std::optional<BatchSums>& batch, Weights& gradient) {
    const StackShape& shape = weights_->shape;
    if (shape.norm == NormKind::none) return;
    for_each([](Sample& sample, Part&) { sample.clear_inner(); });
    normalize_vjp(
        weights_->norm, shape.norm, shape.epsilon, batch, gradient, [](Weights& all) -> Norm<T>& { return all.norm; },
        [this](Sample& s) { return s.x(blocks()); }, [](Sample& s) { return s.dx(); },
        [](Sample& s) { return s.dinner(); });
    for_each([](Sample& sample, Part&) { sample.swap_cotangents(); });
  }
  /// An answer to what is pooled over all members is the same on each: it counts once.
  void forget_head(std::vector<double>& losses) {
    std::fill(losses.begin(), losses.end(), 0.0);
    for (Part& part : parts_)
      for (const auto& each : part.arrays)
        if (each.name.starts_with("decoder/") || each.name.starts_with("compare/"))
          std::fill(each.values.begin(), each.values.end(), T(0));
  }
  static void add(const Parameter<T>& to, const Parameter<T>& from) {
    for (std::size_t j = 0; j < to.values.size(); ++j) to.values[j] += from.values[j];
  }
  /// Whether members send other things on the way back than gradients: then those are added up at its end.
  bool sends_on_the_way() const {
    bool sends = Sequences::stretches || weights_->shape.norm == NormKind::batch;
    for (const auto& each : weights_->blocks) sends = sends || each.shape.norm == NormKind::batch;
    return sends;
  }
  /// Begins to add up arrays of the gradient, which are chosen by name.
  template <class Chosen>
  void add_up_arrays(Chosen chosen, ssm::detail::Rounds& rounds) {
    std::vector<std::span<std::byte>> memory;
    for (const auto& each : arrays_)
      if (chosen(each.name)) memory.push_back(std::as_writable_bytes(each.values));
    rounds.add(std::move(memory), [this, chosen] {
      for (Index p = first_part_; p < end_part_; ++p)
        for (std::size_t j = 0; j < arrays_.size(); ++j)
          if (chosen(arrays_[j].name)) add(arrays_[j], parts_[at(p)].arrays[j]);
    });
  }
  /// Begins to add up what is of a block. The blocks before it may be on their way back meanwhile.
  void add_up_block(std::size_t i, ssm::detail::Rounds& rounds) {
    const std::string folder = "block" + std::to_string(i) + "/";
    add_up_arrays([folder](const std::string& name) { return name.starts_with(folder); }, rounds);
    if (network_->which[i] != Network::no_layer) add_up_layer(network_->which[i], rounds);
  }
  /// Adds up the rest, and waits for all.
  void add_up(ssm::detail::Rounds& rounds, Weights& gradient) {
    add_up_arrays([](const std::string& name) { return !name.starts_with("block"); }, rounds);
    rounds.finish();
    // Cotangents of the layers, which are turned into those of what is stored once.
    for (std::size_t i = 0; i < blocks(); ++i)
      if (const std::size_t which = network_->which[i]; which != Network::no_layer) {
        auto& stored = parts_[0].gradient.blocks[i].ssm;
        network_->layers[which].parameters_vjp(parts_[at(first_part_)].layers[which], stored);
        const auto to = parameters_of(gradient.blocks[i].ssm), from = parameters_of(stored);
        for (std::size_t j = 0; j < to.size(); ++j) add(to[j], from[j]);
      }
  }
  /// Begins to add up a layer's cotangents over all parts: they come into those of the first part of this process.
  void add_up_layer(std::size_t which, ssm::detail::Rounds& rounds) {
    auto& sum = parts_[at(first_part_)].layers[which];
    std::vector<std::span<std::byte>> memory;
    if constexpr (requires { parts_of(sum); })
      for (const auto part : parts_of(sum)) memory.push_back(part);
    const bool alone = team_ == nullptr || team_->size() == 1;
    if (!alone && memory.empty())
      throw DomainError(
          "a team: expected layers whose cotangents say what their memory is, by a function parts(cotangent), got one "
          "that does not");
    std::optional<typename Layer::Cotangent> own;
    if (!alone && team_->rank() > 0) own = sum;  // its place becomes that of the sum of the members before
    rounds.add(std::move(memory), [this, which, own = std::move(own)] {
      auto& total = parts_[at(first_part_)].layers[which];
      if (own) total += *own;
      for (Index p = first_part_ + 1; p < end_part_; ++p) total += parts_[at(p)].layers[which];
    });
  }

  /// Returns the sums over the batch, where the norm is of a batch.
  template <class From, class To>
  std::optional<BatchSums> normalize(Norm<T>& norm, NormKind kind, double epsilon, double momentum, From from, To to) {
    if (kind != NormKind::batch) {
      for_each([&](Sample& sample, Part&) { nn::normalize<T>(norm, kind, epsilon, from(sample), to(sample)); });
      return {};
    }
    const BatchSums batch = sum(norm.features(), [&](Sample& sample, BatchSums& of) { of.add<T>(from(sample)); });
    for_each([&](Sample& sample, Part&) { batch_norm_train<T>(norm, batch, from(sample), to(sample), epsilon); });
    update_running(norm, batch, momentum);
    return batch;
  }
  template <class OfNorm, class X, class Dy, class Dx>
  void normalize_vjp(const Norm<T>& norm, NormKind kind, double epsilon, const std::optional<BatchSums>& batch,
                     Weights& gradient, OfNorm of_norm, X x, Dy dy, Dx dx) {
    if (!batch)
      return for_each([&](Sample& sample, Part& part) {
        nn::normalize_vjp<T>(norm, kind, epsilon, x(sample), dy(sample), dx(sample), of_norm(part.gradient));
      });
    const auto sums = sum(norm.features(), [&](Sample& sample, BatchSums& of) {
      add_cotangents<T>(of, *batch, x(sample), dy(sample), epsilon);
    });
    for (Index h = 0; h < norm.features(); ++h) {
      of_norm(gradient).weight(h) += static_cast<T>(sums.second(h));
      of_norm(gradient).bias(h) += static_cast<T>(sums.first(h));
    }
    for_each([&](Sample& sample, Part&) {
      batch_norm_train_vjp<T>(norm, *batch, sums, x(sample), dy(sample), dx(sample), epsilon);
    });
  }
  /// Sums over a batch, part by part and in order.
  template <class Add>
  BatchSums sum(Index features, Add add) {
    std::vector<BatchSums> each(at(parts), BatchSums(features));
    for_each([&](Sample& sample, Part& part) { add(sample, each[at(&part - parts_.data())]); });
    BatchSums total(features);
    ssm::detail::in_order(team_, team_ == nullptr ? std::vector<std::span<std::byte>>{} : parts_of(total), [&] {
      for (Index p = first_part_; p < end_part_; ++p) total += each[at(p)];
    });
    return total;
  }

  /// out = residual + z, of the normalized input n.
  void body(std::size_t i, Sample& sample, Part& part, ConstSequence<T> n, Sequence<T> out) {
    const BlockShape& shape = block(i).shape;
    const BlockSizes& size = network_->sizes[i];
    const Index L = n.length(), H = n.features();
    Scratch& scratch = part.scratch;
    const bool plain_glu = shape.has_plain_glu();
    const detail::BlockRows<T> rows{scratch.room(detail::Use::repeated, L, shape.channels > 1 ? size.inputs : 0),
                                    sample.y(i),
                                    scratch.room(detail::Use::active, L, size.active),
                                    sample.wide(i),
                                    scratch.room(detail::Use::gate, L, plain_glu ? 0 : size.mixed),
                                    scratch.room(detail::Use::mixed, L, shape.width ? size.mixed : 0)};
    detail::block_body<Layer, T>(
        block(i), n, rows, out,
        [&](ConstSequence<T> u, Sequence<T> y) {
          const std::size_t layer = network_->which[i];
          sequences_.forward(layer, network_->layers[layer], u, sample.reading.intervals, y, sample.kept[i]);
        },
        [](const Linear<T>& map, ConstSequence<T> x, Sequence<T> y) { linear<T>(map, x, y); },
        [&](int which, Sequence<T> of) { sample.mask(2 * i + static_cast<std::size_t>(which), of); });
    if (shape.residual == Residual::none) return;
    const T* const base = shape.residual == Residual::input ? sample.x(i).data() : n.data();
    for (Index j = 0; j < L * H; ++j) out.data()[j] += base[j];
  }
  /// Adds to din, and to the gradients; the residual's own share stays where it is, in dx.
  void body_vjp(std::size_t i, Sample& sample, Part& part, ConstSequence<T> n, Sequence<T> din) {
    detail::block_body_vjp<Layer, T>(
        block(i), n, sample.y(i), sample.wide(i), sample.dx(), din, part.gradient.blocks[i], part.scratch,
        [&](ConstSequence<T> u, ConstSequence<T> dy, Sequence<T> du) {
          const std::size_t layer = network_->which[i];
          sequences_.forward_vjp(layer, network_->layers[layer], u, sample.reading.intervals, sample.kept[i], dy, du,
                                 part.layers[layer], part.work);
        },
        [&](int which, Sequence<T> of) { sample.mask(2 * i + static_cast<std::size_t>(which), of); });
  }

  /// The loss of example i; its cotangent goes into the head's gradients, and into dx.
  template <class Loss>
  double answer(Index i, Part& part, Loss loss) {
    const StackShape& shape = weights_->shape;
    const Index H = shape.features;
    Scratch& scratch = part.scratch;
    Sample* const first = &samples_[at(i * in_example_)];
    const Sequence<T> x = first->x(first->xs.size() - 1);
    if (shape.pool == Pool::none && first->reading.counted)
      throw DomainError("counted steps: expected none where every step has an answer, got some");
    if (shape.pool == Pool::none) return decode(part, x, first->dx(), loss);
    const Index rows = in_example_;
    const Sequence<T> pooled = scratch.zeros(detail::Use::pooled, rows, H),
                      dpooled = scratch.zeros(detail::Use::dpooled, rows, H);
    for (Index j = 0; j < rows; ++j)
      first[j].pooled =
          sequences_.pool(shape.pool, first[j].counted(first[j].x(first[j].xs.size() - 1)), pooled.row(j));
    const double value = shape.compare ? compared(part, pooled, dpooled, loss) : decode(part, pooled, dpooled, loss);
    for (Index j = 0; j < rows; ++j)
      sequences_.pool_vjp(shape.pool, first[j].pooled, dpooled.row(j), first[j].counted(first[j].dx()));
    return value;
  }
  template <class Loss>
  double compared(Part& part, ConstSequence<T> pooled, Sequence<T> dpooled, Loss loss) {
    const StackShape& shape = weights_->shape;
    const Index H = shape.features;
    Scratch& scratch = part.scratch;
    const Sequence<T> both = scratch.room(detail::Use::active, 1, 4 * H),
                      dboth = scratch.zeros(detail::Use::dactive, 1, 4 * H), m = scratch.room(detail::Use::mixed, 1, H),
                      slope = scratch.room(detail::Use::slope, 1, H), dm = scratch.zeros(detail::Use::dmixed, 1, H);
    compare<T>(pooled.row(0), pooled.row(1), both.row(0));
    linear<T>(weights_->compare, both, m);
    detail::apply<T>(shape.compare_activation, m, m, slope);
    const double value = decode(part, m, dm, loss);
    detail::fill(dm, [&](Index k, Index h) { return dm(k, h) * slope(k, h); });
    linear_vjp<T>(weights_->compare, both, dm, dboth, part.gradient.compare);
    compare_vjp<T>(pooled.row(0), pooled.row(1), dboth.row(0), dpooled.row(0), dpooled.row(1));
    return value;
  }
  /// The loss of the decoder's answer to rows x; dx += cotangent.
  template <class Loss>
  double decode(Part& part, ConstSequence<T> x, Sequence<T> dx, Loss loss) {
    const StackShape& shape = weights_->shape;
    const Sequence<T> out = part.scratch.zeros(detail::Use::answer, x.length(), shape.outputs),
                      dout = part.scratch.zeros(detail::Use::danswer, x.length(), shape.outputs);
    network_->answer(x, out, [](const Linear<T>& map, ConstSequence<T> u, Sequence<T> y) { linear<T>(map, u, y); });
    const double value = loss(ConstSequence<T>(out), dout);
    if (shape.log_softmax && shape.decoder)
      for (Index k = 0; k < out.length(); ++k) log_softmax_vjp<T>(out.row(k), dout.row(k));
    if (shape.decoder)
      linear_vjp<T>(weights_->decoder, x, dout, dx, part.gradient.decoder);
    else
      detail::fill(dx, [&](Index k, Index h) { return dx(k, h) + dout(k, h); });
    return value;
  }

  Executor& executor_;
  Team* team_;
  Index first_part_ = 0, end_part_ = parts;  // that this process has
  Weights* weights_ = nullptr;
  const Network* network_ = nullptr;
  Index examples_ = 0, in_example_ = 1;
  Sequences sequences_;
  std::vector<Sample> samples_;
  std::vector<Part> parts_;
  std::vector<Parameter<T>> arrays_;  // of the gradient
};

}  // namespace ssm::nn
