// One case at a time, in a process of its own, so that bench/compare can take turns with other programs:
//
//     ssm_cases --list
//     ssm_cases --worker s4d.ssm.layer --shape B=1,H=256,N=64,L=16384 --threads 1
//
// prints one line of JSON when the case is built, then answers each line `go` with {"s": seconds}: the protocol of
// bench/peers/peers.py. A case that has another run beside it answers with the time of that too, `other_s`. `units` are
// the useful multiplications and additions of a call (of a limit: all there are), or the bytes that must move, as the
// case says.

#include "common.hpp"

#include "support/allocation.hpp"

#include <ssm/fft/fftw.hpp>
#ifdef SSM_BENCH_WEIGHTS
#include <ssm/import/s4_older.hpp>
#endif

#include <malloc.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>

namespace {

using namespace bench;
using Run = std::function<void()>;

/// B, H, N, P, L of a case.
class Shape {
 public:
  explicit Shape(const std::string& text) {
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
      const auto equals = part.find('=');
      if (equals == std::string::npos) throw std::invalid_argument("shape: expected NAME=NUMBER, got '" + part + "'");
      const std::string name = part.substr(0, equals);
      if (name.size() != 1 || std::string("BHNPL").find(name) == std::string::npos)
        throw std::invalid_argument("shape: expected sizes B, H, N, P, L, got '" + name + "'");
      sizes_[name] = size_of(name, part.substr(equals + 1));
    }
  }
  Index operator[](const char* name) const {
    const auto found = sizes_.find(name);
    if (found == sizes_.end())
      throw std::invalid_argument(std::string("shape: expected a size ") + name + ", got none");
    return found->second;
  }
  Index get(const char* name, Index otherwise) const { return sizes_.count(name) ? sizes_.at(name) : otherwise; }

 private:
  std::map<std::string, Index> sizes_;
};

struct Built {
  Run run;
  double units = 0;
  std::string said = {};    ///< by the library: what a plan chose and holds
  double bytes = 0;         ///< held, as the library says
  const Rows* y = nullptr;  ///< the result, to compare bits
  Run other = {};           ///< what takes turns with it in one process, where two of them would differ by more
};
struct Case {
  const char* about;
  std::function<Built(const Shape&, ssm::Executor&)> build;
};

/// u and y of B sequences, and what a call does with them.
struct Signals {
  Signals(Index batch, Index length, Index features)
      : B(batch), L(length), H(features), u(noise(batch * length, features)), y(Rows::Zero(batch * length, features)) {}
  ssm::ConstBatch<float> in() const { return {u.data(), B, L, H}; }
  ssm::Batch<float> out() { return {y.data(), B, L, H}; }
  Index B, L, H;
  Rows u, y;
};
std::shared_ptr<Signals> signals(const Shape& s) { return std::make_shared<Signals>(s.get("B", 1), s["L"], s["H"]); }

double modal_work(const Shape& s) {  // 3 N of every feature-step
  return 3.0 * static_cast<double>(s.get("B", 1) * s["H"] * s["N"] * s["L"]);
}
double mimo_work(const Shape& s) {  // B u and C x on stacked parts
  return 2.0 * static_cast<double>(s.get("B", 1) * s["H"] * s["P"] * s["L"]);
}

/// The layer from its parameters, then the whole batch from rest.
template <class Layer, class Stored, class Mode = ssm::algorithm::recurrence>
Built whole_layer(const Shape& s, const Stored& stored, ssm::Executor& threads, double units, Mode mode = {}) {
  const auto x = signals(s);
  return {[=, &threads] {
            const Layer layer(stored);
            auto plan = ssm::plan(layer, {.length = x->L, .batch = x->B, .executor = threads}, mode);
            plan(x->in(), x->out());
          },
          units,
          {},
          0,
          &x->y};
}
/// The layer and its plan are kept, states go in and out.
template <class Layer, class Stored, class... Mode>
Built kept_layer(const Shape& s, const Stored& stored, ssm::Executor& threads, double units, Mode... mode) {
  const auto x = signals(s);
  const auto layer = std::make_shared<const Layer>(stored);
  const ssm::Workload workload{.length = x->L, .batch = x->B, .executor = threads};
  const auto plan = [&] {
    if constexpr (sizeof...(mode) == 0)
      return std::make_shared<ssm::Plan<Layer>>(ssm::plan<ssm::fft::FftwBackend>(*layer, workload));
    else
      return std::make_shared<ssm::Plan<Layer>>(ssm::plan(*layer, workload, mode...));
  }();
  const auto states =
      std::make_shared<std::vector<typename Layer::State>>(static_cast<std::size_t>(x->B), layer->initial_state());
  return {[=] {
            static_cast<void>(layer);
            (*plan)(x->in(), x->out(), *states);
          },
          units, plan->explain(), static_cast<double>(plan->bytes()), &x->y};
}
/// Parameters -> layer -> the whole batch, and the gradients of <w, y> by all parameters and u.
template <class Layer, class Stored>
Built gradients(const Shape& s, const Stored& stored) {
  const auto x = signals(s);
  const auto w = std::make_shared<Rows>(noise(x->B * x->L, x->H));
  const auto du = std::make_shared<Rows>(Rows::Zero(x->B * x->L, x->H));
  double bytes = 0;  // of the parameters' gradient
  Stored sizes = stored;
  Stored::each(sizes,
               [&](const char*, auto& array, ssm::Role) { bytes += static_cast<double>(array.values().size_bytes()); });
  return {[=] {
            const Layer layer(stored);
            auto gradient = ssm::zero(stored);
            auto cotangent = layer.cotangent();
            du->setZero();
            const ssm::ConstBatch<float> dy(w->data(), x->B, x->L, x->H);
            const ssm::Batch<float> to(du->data(), x->B, x->L, x->H);
            ssm::WorkspaceOf<Layer> work;
            for (Index b = 0; b < x->B; ++b) {
              ssm::CheckpointsOf<Layer> checkpoints;
              ssm::forward_from_rest(layer, x->in()[b], x->out()[b], checkpoints);
              ssm::forward_from_rest_vjp(layer, x->in()[b], checkpoints, dy[b], to[b], cotangent, work);
            }
            layer.parameters_vjp(cotangent, gradient);
            benchmark::DoNotOptimize(gradient.D.data());
          },
          0,
          {},
          bytes,
          du.get()};
}
/// One AdamW step of a deep classifier, as the peer has it.
Built training(const Shape& s, ssm::Executor& threads, const ssm::nn::BlockShape& block = {}) {
  using Layer = ssm::S4D<float>;
  struct Work {
    ssm::Random random{1};
    ssm::nn::Stack<Layer> model;
    ssm::optim::AdamW<float> optimizer;
    ssm::nn::Backpropagation<Layer> backpropagate;
    Rows u;
    Work(const Shape& shape, ssm::Executor& executor, const ssm::nn::BlockShape& of_block)
        : model(ssm::diagonal::Linear{},
                {.features = shape["H"], .states = shape["N"], .layers = 4, .outputs = 10, .block = of_block}, random),
          optimizer(model.parameters(), {.learning_rate = 1e-3}),
          backpropagate(executor),
          u(noise(shape["B"] * shape["L"], 1)) {}
  };
  const auto work = std::make_shared<Work>(s, threads, block);
  return {[=, B = s["B"], L = s["L"]] {
    std::vector<ssm::nn::Example<float>> examples;
    for (Index b = 0; b < B; ++b) examples.push_back({ssm::ConstSequence<float>(work->u.data() + b * L, L, 1)});
    auto gradient = ssm::zero(work->model.weights());
    const double loss = work->backpropagate(
        work->model, examples, work->random,
        [B](Index i, ssm::ConstSequence<float> answer, ssm::Sequence<float> danswer) {
          return ssm::nn::cross_entropy<float>(answer.row(0), i % 10, danswer.row(0), 1 / static_cast<double>(B));
        },
        gradient);
    benchmark::DoNotOptimize(loss);
    work->optimizer.step(ssm::parameters_of(gradient));
    work->model.refresh();
  }};
}
/// Blocks of 64 steps through a deep model with an answer a step: by a stream, or each as a sequence of its own.
Built blocks(const Shape& s, bool stream) {
  using Model = ssm::nn::Stack<ssm::S4D<float>>;
  ssm::Random random(1);
  const ssm::nn::StackShape shape{.inputs = s["H"],
                                  .features = s["H"],
                                  .states = s["N"],
                                  .layers = 4,
                                  .outputs = s["H"],
                                  .pool = ssm::nn::Pool::none};
  const auto model = std::make_shared<const Model>(ssm::diagonal::Linear{}, shape, random);
  const auto run = std::make_shared<Model::Stream>(model->stream());
  run->prepare(64);
  const auto x = std::make_shared<Signals>(1, s.get("L", 1024), s["H"]);
  return {[=] {
    for (Index k = 0; k + 64 <= x->L; k += 64) {
      const auto u = x->in()[0].block(k, 64);
      const auto y = x->out()[0].block(k, 64);
      if (stream)
        run->process(u, y);
      else
        model->forward(u, y);
    }
  }};
}
/// A number of steps, one call each.
template <class Layer, class Stored>
Built steps(const Shape& s, const Stored& stored) {
  const auto layer = std::make_shared<const Layer>(stored);
  const auto x = std::make_shared<Signals>(1, s.get("L", 64), s["H"]);
  const auto state = std::make_shared<typename Layer::State>(layer->initial_state());
  return {[=] {
    const auto H = static_cast<std::size_t>(x->H);
    for (Index k = 0; k < x->L; ++k) layer->step({&x->u(k, 0), H}, {&x->y(k, 0), H}, *state);
  }};
}

/// Those of an S4D behind AnyLayer, beside those of the S4D within it: one layer, one state and the same samples, so
/// that nothing but the way of the call differs.
Built steps_behind_any(const Shape& s) {
  using Within = ssm::S4D<float>;
  const auto layer = std::make_shared<const ssm::AnyLayer<float>>(
      ssm::AnyParameters<float>::of<Within>(diagonal_parameters(s["H"], s["N"])));
  const auto x = std::make_shared<Signals>(1, s.get("L", 64), s["H"]);
  const auto state = std::make_shared<ssm::AnyLayer<float>::State>(layer->initial_state());
  const auto run = [x](const auto& of, auto& from) {
    const auto H = static_cast<std::size_t>(x->H);
    for (Index k = 0; k < x->L; ++k) of.step({&x->u(k, 0), H}, {&x->y(k, 0), H}, from);
  };
  Built built{[=] { run(*layer, *state); }};
  built.other = [=] { run(*layer->get<Within>(), state->as<Within::State>()); };
  return built;
}

/// From parameters to the first sample: the layer, a state at rest, one step.
template <class Layer, class Stored>
Built first_sample(const Shape& s, const Stored& stored) {
  const auto x = std::make_shared<Signals>(1, 1, s["H"]);
  return {[=] {
    const Layer layer(stored);
    auto state = layer.initial_state();
    const auto H = static_cast<std::size_t>(x->H);
    layer.step({x->u.data(), H}, {x->y.data(), H}, state);
  }};
}
/// S4D's recurrence in double, all of it kept.
Built recurrence_in_double(const Shape& s) {
  using Layer = ssm::S4D<double>;
  ssm::Random random(7);
  const auto layer = std::make_shared<const Layer>(
      ssm::initial<Layer>(ssm::diagonal::Linear{}, {.features = s["H"], .states = s["N"]}, random));
  const auto u = std::make_shared<const ssm::Array<double>>([&] {
    ssm::Array<double> drawn(s["L"], s["H"]);
    for (double& each : drawn) each = random.uniform(-1, 1);
    return drawn;
  }());
  const auto y = std::make_shared<ssm::Array<double>>(s["L"], s["H"]);
  const auto state = std::make_shared<Layer::State>(layer->initial_state());
  return {[=] {
            layer->forward(ssm::ConstSequence<double>(u->values(), u->columns()),
                           ssm::Sequence<double>(y->values(), y->columns()), *state, ssm::algorithm::recurrence{});
          },
          modal_work(s)};
}
#ifdef SSM_BENCH_WEIGHTS
/// A deep model as state-spaces/s4 saves it, from its file to the model.
Built import_of_weights(const Shape&) {
  const std::string path = SSM_BENCH_WEIGHTS "/s4_sequence_prenorm.safetensors";
  const auto told = std::make_shared<const ssm::io::Configuration>(ssm::io::read(path).metadata.at("config"));
  return {[=] { benchmark::DoNotOptimize(ssm::io::import_from<ssm::io::S4Sequence>(ssm::io::read(path), *told)); }};
}
#endif

/// All kernels of a layer whose C~ is given.
template <class Backend>
Built cauchy(const Shape& s) {
  struct Feature {
    ssm::DplrSystem<double> system;
    ssm::RowVector<ssm::Complex<double>> C_tilde;
    double dt;
  };
  const Index L = s["L"];
  const auto stored = parameters(s["H"], s["N"]);
  const auto features = std::make_shared<std::vector<Feature>>();
  const Index points = ssm::kernel::CauchyKernel<float, Backend>(L).points();
  for (Index h = 0; h < s["H"]; ++h) {
    const double dt = std::exp(static_cast<double>(stored.log_dt(h)));
    const auto system = stored.system(h);
    features->push_back(
        {system, ssm::kernel::truncated_output(discretize(ssm::Bilinear{}, system, dt), {points, 1}), dt});
  }
  return {[=] {
    ssm::kernel::CauchyKernel<float, Backend> kernel(L);
    Rows K(static_cast<Index>(features->size()), L);
    for (Index h = 0; h < K.rows(); ++h) {
      const Feature& feature = (*features)[static_cast<std::size_t>(h)];
      kernel(feature.system, feature.C_tilde, feature.dt, {&K(h, 0), static_cast<std::size_t>(L)});
    }
    benchmark::DoNotOptimize(K.data());
  }};
}

const std::map<std::string, Case> cases{
    {"limit.fma",
     {"multiplications and additions in registers, as many as the machine can; units: of single numbers",
      [](const Shape&, ssm::Executor&) -> Built {
        using Pack = ssm::simd::Pack<float>;
        constexpr Index rounds = 1 << 20, chains = 12;
        return {[] {
                  std::array<Pack, chains> x;
                  x.fill(Pack(1.0F));
                  const Pack factor = in_registers(Pack(0.999F)), term = in_registers(Pack(0.001F));
                  for (Index i = 0; i < rounds; ++i)
                    for (auto& each : x) each = fma(each, factor, term);
                  float sum = 0;
                  for (const auto& each : x) {
                    std::array<float, Pack::size> lanes;
                    each.store(lanes.data());
                    sum += lanes[0];
                  }
                  benchmark::DoNotOptimize(sum);
                },
                static_cast<double>(rounds * chains * Pack::size)};
      }}},
    {"limit.memcpy",
     {"memcpy of P L complex numbers; units: bytes read and written",
      [](const Shape& s, ssm::Executor&) -> Built {
        const auto size = static_cast<std::size_t>(2 * s["P"] * s["L"]);
        const auto from = std::make_shared<std::vector<float>>(size, 1.0F),
                   to = std::make_shared<std::vector<float>>(size);
        return {[=] {
                  std::memcpy(to->data(), from->data(), size * sizeof(float));
                  benchmark::DoNotOptimize(to->data());
                },
                2.0 * static_cast<double>(size * sizeof(float))};
      }}},
    {"limit.sgemm",
     {"the matrix products of S5 as two whole ones by Eigen; units: multiplications and additions",
      [](const Shape& s, ssm::Executor&) -> Built {
        const Index steps = s.get("B", 1) * s["L"];
        const auto u = std::make_shared<Rows>(noise(steps, s["H"])), x = std::make_shared<Rows>(steps, s["P"]),
                   y = std::make_shared<Rows>(steps, s["H"]), B = std::make_shared<Rows>(noise(s["H"], s["P"])),
                   C = std::make_shared<Rows>(noise(s["P"], s["H"]));
        return {[=] {
                  x->noalias() = *u * *B;
                  y->noalias() = *x * *C;
                },
                mimo_work(s)};
      }}},
    {"limit.fftw",
     {"H convolutions by FFTW from row to row, spectra kept: what a transform can do at best",
      [](const Shape& s, ssm::Executor&) -> Built {
        const Index L = s["L"], rows = s.get("B", 1) * s["H"];
        const auto conv = std::make_shared<ssm::conv::Causal<float, ssm::fft::FftwBackend>>(L, L);
        const auto u = std::make_shared<Rows>(noise(rows, L)), y = std::make_shared<Rows>(rows, L);
        const auto spectrum =
            std::make_shared<std::vector<ssm::Complex<float>>>(static_cast<std::size_t>(conv->bins()), 1.0F);
        return {[=] {
          const auto size = static_cast<std::size_t>(L);
          for (Index h = 0; h < rows; ++h)
            (*conv)(*spectrum, ssm::ConstSequence<float>({&(*u)(h, 0), size}, 1),
                    ssm::Sequence<float>({&(*y)(h, 0), size}, 1));
        }};
      }}},
    {"s4d.ssm.layer",
     {"parameters -> discretization -> recurrence; units: 3 N of every feature-step",
      [](const Shape& s, ssm::Executor& threads) {
        return whole_layer<ssm::S4D<float>>(s, diagonal_parameters(s["H"], s["N"]), threads, modal_work(s));
      }}},
    {"s4d.ssm.recurrence",
     {"the recurrence, discretization kept; units: 3 N of every feature-step",
      [](const Shape& s, ssm::Executor& threads) {
        return kept_layer<ssm::S4D<float>>(s, diagonal_parameters(s["H"], s["N"]), threads, modal_work(s),
                                           ssm::algorithm::recurrence{});
      }}},
    {"s4d.ssm.convolution",
     {"the convolution (FFTW), its spectra kept",
      [](const Shape& s, ssm::Executor& threads) {
        return kept_layer<ssm::S4D<float>>(s, diagonal_parameters(s["H"], s["N"]), threads, modal_work(s),
                                           ssm::algorithm::convolution<ssm::fft::FftwBackend>{});
      }}},
    {"s4d.ssm.convolution_eigen",
     {"the convolution (Eigen's transforms), its spectra kept",
      [](const Shape& s, ssm::Executor& threads) {
        return kept_layer<ssm::S4D<float>>(s, diagonal_parameters(s["H"], s["N"]), threads, modal_work(s),
                                           ssm::algorithm::convolution<>{});
      }}},
    {"s4d.ssm.planned",
     {"the mode that the planner takes, all of it kept",
      [](const Shape& s, ssm::Executor& threads) {
        return kept_layer<ssm::S4D<float>>(s, diagonal_parameters(s["H"], s["N"]), threads, modal_work(s));
      }}},
    {"s4.ssm.recurrence",
     {"the recurrence, discretization kept",
      [](const Shape& s, ssm::Executor& threads) {
        return kept_layer<ssm::S4<float>>(s, parameters(s["H"], s["N"]), threads, modal_work(s),
                                          ssm::algorithm::recurrence{});
      }}},
    {"s4.ssm.convolution",
     {"the convolution (FFTW), its spectra kept",
      [](const Shape& s, ssm::Executor& threads) {
        return kept_layer<ssm::S4<float>>(s, parameters(s["H"], s["N"]), threads, modal_work(s),
                                          ssm::algorithm::convolution<ssm::fft::FftwBackend>{});
      }}},
    {"s4.ssm.layer",
     {"parameters -> discretization -> recurrence",
      [](const Shape& s, ssm::Executor& threads) {
        return whole_layer<ssm::S4<float>>(s, parameters(s["H"], s["N"]), threads, modal_work(s));
      }}},
    {"s4.ssm.kernel",
     {"parameters -> kernel by thin factors, nothing given",
      [](const Shape& s, ssm::Executor&) -> Built {
        const auto stored = std::make_shared<const ssm::S4Parameters<float>>(parameters(s["H"], s["N"]));
        return {[=, L = s["L"]] {
          const ssm::S4<float> layer(*stored);
          benchmark::DoNotOptimize(layer.impulse_response(L).data());
        }};
      }}},
    {"s4.ssm.cauchy",
     {"parameters and C~ -> kernel by Cauchy sums in lanes, Woodbury, inverse transform (FFTW)",
      [](const Shape& s, ssm::Executor&) -> Built { return cauchy<ssm::fft::FftwBackend>(s); }}},
    {"s4.ssm.cauchy_eigen",
     {"the same, inverse transform by Eigen",
      [](const Shape& s, ssm::Executor&) -> Built { return cauchy<ssm::fft::EigenBackend>(s); }}},
    {"lssl.ssm.layer",
     {"parameters -> discretization -> recurrence",
      [](const Shape& s, ssm::Executor& threads) {
        return whole_layer<ssm::LSSL<float>>(s, dense_parameters(s["H"], s["N"]), threads, 0);
      }}},
    {"s5.ssm.layer",
     {"parameters -> discretization -> scan; units: the multiplications and additions of B u and C x",
      [](const Shape& s, ssm::Executor& threads) {
        return whole_layer<ssm::S5<float>>(s, mimo_parameters(s["H"], s["P"]), threads, mimo_work(s),
                                           ssm::algorithm::scan{});
      }}},
    {"s4d.ssm.fwdbwd",
     {"parameters -> discretization -> recurrence, and back to gradients of all parameters and u",
      [](const Shape& s, ssm::Executor&) {
        return gradients<ssm::S4D<float>>(s, diagonal_parameters(s["H"], s["N"]));
      }}},
    {"s4.ssm.fwdbwd",
     {"the same of S4",
      [](const Shape& s, ssm::Executor&) { return gradients<ssm::S4<float>>(s, parameters(s["H"], s["N"])); }}},
    {"s5.ssm.fwdbwd",
     {"the same of S5, by tiles",
      [](const Shape& s, ssm::Executor&) { return gradients<ssm::S5<float>>(s, mimo_parameters(s["H"], s["P"])); }}},
    {"lssl.ssm.fwdbwd",
     {"the same of LSSL",
      [](const Shape& s, ssm::Executor&) { return gradients<ssm::LSSL<float>>(s, dense_parameters(s["H"], s["N"])); }}},
    {"train.s4d.ssm",
     {"one AdamW step of a deep classifier: 4 layers, layer norm, GELU, GLU, mean over time",
      [](const Shape& s, ssm::Executor& threads) { return training(s, threads); }}},
    {"train.batch_norm.ssm",
     {"the same with batch norm",
      [](const Shape& s, ssm::Executor& threads) { return training(s, threads, {.norm = ssm::nn::NormKind::batch}); }}},
    {"train.tanh_gelu.ssm",
     {"the same with the tanh form of GELU",
      [](const Shape& s, ssm::Executor& threads) {
        return training(s, threads, {.activation = ssm::nn::Activation::tanh_gelu});
      }}},
    {"s4d.ssm.mixed",
     {"parameters -> discretization -> recurrence -> y W, W (H, H): what stands against an attention layer",
      [](const Shape& s, ssm::Executor& threads) -> Built {
        const auto layer = whole_layer<ssm::S4D<float>>(s, diagonal_parameters(s["H"], s.get("N", 64)), threads, 0);
        const auto W = std::make_shared<const Rows>(noise(s["H"], s["H"]));
        const auto mixed = std::make_shared<Rows>(*layer.y);
        return {[=] {
          layer.run();
          mixed->noalias() = *layer.y * *W;
        }};
      }}},
    {"s5.ssm.kept",
     {"the scan, all of it kept; units: the multiplications and additions of B u and C x",
      [](const Shape& s, ssm::Executor& threads) {
        return kept_layer<ssm::S5<float>>(s, mimo_parameters(s["H"], s["P"]), threads, mimo_work(s));
      }}},
    {"s5.ssm.uneven",
     {"the scan with an interval of its own for every step",
      [](const Shape& s, ssm::Executor& threads) -> Built {
        const auto layer = std::make_shared<const ssm::S5<float>>(mimo_parameters(s["H"], s["P"]));
        const auto x = signals(s);
        const auto intervals = std::make_shared<std::vector<float>>(static_cast<std::size_t>(x->L), 1.5F);
        return {[=, &threads] {
                  for (Index b = 0; b < x->B; ++b) {
                    auto state = layer->initial_state();
                    layer->forward(x->in()[b], ssm::InLayerSteps<float>{*intervals}, x->out()[b], state,
                                   ssm::algorithm::scan{.executor = threads});
                  }
                },
                mimo_work(s)};
      }}},
    {"scan.ssm",
     {"x_k = a x_(k-1) + v_k of P complex modes, in place; units: bytes read and written",
      [](const Shape& s, ssm::Executor&) -> Built {
        const Index P = s["P"], L = s["L"];
        const auto Delta = std::make_shared<Rows>(Rows::Constant(2, P, -0.01F)),
                   x = std::make_shared<Rows>(Rows::Zero(2, P)), re = std::make_shared<Rows>(noise(L, P)),
                   im = std::make_shared<Rows>(noise(L, P));
        return {[=] {
                  ssm::scan::sequential<float, float>({{Delta->row(0).data(), 1, P}, {Delta->row(1).data(), 1, P}},
                                                      {{re->data(), L, P}, {im->data(), L, P}},
                                                      {{x->row(0).data(), 1, P}, {x->row(1).data(), 1, P}});
                },
                16.0 * static_cast<double>(P * L)};
      }}},
    {"step.s4d.ssm",
     {"L calls of step (64 unless said)",
      [](const Shape& s, ssm::Executor&) { return steps<ssm::S4D<float>>(s, diagonal_parameters(s["H"], s["N"])); }}},
    {"step.any.ssm",
     {"the same of an S4D behind AnyLayer; in turns with those of the S4D within it",
      [](const Shape& s, ssm::Executor&) { return steps_behind_any(s); }}},
    {"stack.ssm.process",
     {"blocks of 64 steps through a stream of a deep S4D, 4 layers",
      [](const Shape& s, ssm::Executor&) { return blocks(s, true); }}},
    {"stack.ssm.forward",
     {"the same blocks, each as a sequence from rest",
      [](const Shape& s, ssm::Executor&) { return blocks(s, false); }}},
    {"step.s4.ssm",
     {"L calls of step (64 unless said)",
      [](const Shape& s, ssm::Executor&) { return steps<ssm::S4<float>>(s, parameters(s["H"], s["N"])); }}},
    {"step.s5.ssm",
     {"L calls of step (64 unless said)",
      [](const Shape& s, ssm::Executor&) { return steps<ssm::S5<float>>(s, mimo_parameters(s["H"], s["P"])); }}},
    {"s4d.ssm.double",
     {"the recurrence in double from a state that is kept; units: 3 N of every feature-step",
      [](const Shape& s, ssm::Executor&) { return recurrence_in_double(s); }}},
    {"first.s4d.ssm",
     {"from parameters to the first sample",
      [](const Shape& s, ssm::Executor&) {
        return first_sample<ssm::S4D<float>>(s, diagonal_parameters(s["H"], s["N"]));
      }}},
    {"first.s4.ssm",
     {"from parameters to the first sample",
      [](const Shape& s, ssm::Executor&) { return first_sample<ssm::S4<float>>(s, parameters(s["H"], s["N"])); }}},
    {"first.s5.ssm",
     {"from parameters to the first sample",
      [](const Shape& s, ssm::Executor&) { return first_sample<ssm::S5<float>>(s, mimo_parameters(s["H"], s["P"])); }}},
#ifdef SSM_BENCH_WEIGHTS
    {"import.ssm",
     {"weights of a deep S4 model, as its own project saves them, from the file to the model",
      [](const Shape& s, ssm::Executor&) { return import_of_weights(s); }}},
#endif
};

double seconds(const Run& run, Index times) {
  const auto start = std::chrono::steady_clock::now();
  for (Index i = 0; i < times; ++i) run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / static_cast<double>(times);
}

double status_mib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == key) {
      double kib = 0;
      status >> kib;
      return kib / 1024;
    }
  return 0;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

/// FNV-1a of the bytes.
std::string bits_of(const Rows* y) {
  if (y == nullptr) return "";
  std::uint64_t hash = 14695981039346656037ULL;
  const auto* bytes = reinterpret_cast<const unsigned char*>(y->data());
  for (std::size_t i = 0; i < static_cast<std::size_t>(y->size()) * sizeof(float); ++i)
    hash = (hash ^ bytes[i]) * 1099511628211ULL;
  return std::to_string(hash);
}

int work(const std::string& name, const std::string& shape, Index threads) {
  const auto found = cases.find(name);
  if (found == cases.end()) throw std::invalid_argument("case: expected one of --list, got '" + name + "'");
  ssm::ThreadPool pool(threads);
  const Built built = found->second.build(Shape(shape), pool);
  malloc_trim(0);
  const double before = status_mib("VmRSS:"), code = status_mib("RssFile:");
  std::ofstream("/proc/self/clear_refs") << 5;
  const double first = seconds(built.run, 1);
  const double peak = status_mib("VmHWM:") - before - (status_mib("RssFile:") - code);  // without code that is read in
  const std::string bits = bits_of(built.y);
  double second = first;
  std::size_t allocations = 0;
  if (first < 1) {
    const support::AllocationCounter counter;
    second = seconds(built.run, 1);
    allocations = counter.count();
  }
  const Index inner = std::clamp<Index>(static_cast<Index>(0.01 / std::max(second, 1e-9)), 1, 100000);
  std::cout.precision(9);
  std::cout << "{\"peak_mib\": " << peak << ", \"first_s\": " << first << ", \"second_s\": " << second
            << ", \"inner\": " << inner << ", \"units\": " << built.units << ", \"bytes\": " << built.bytes
            << ", \"said\": " << quoted(built.said) << ", \"allocations\": " << allocations << ", \"bits\": \"" << bits
            << "\"}" << std::endl;
  for (std::string line; std::getline(std::cin, line) && line == "go";) {
    std::cout << "{\"s\": " << seconds(built.run, inner);
    if (built.other) std::cout << ", \"other_s\": " << seconds(built.other, inner);
    std::cout << "}" << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  std::map<std::string, std::string> options{{"--worker", ""}, {"--shape", ""}, {"--threads", "1"}};
  if (argc == 2 && std::string(argv[1]) == "--list") {
    for (const auto& [name, each] : cases)
      std::cout << name << std::string(28 - std::min<std::size_t>(27, name.size()), ' ') << each.about << '\n';
    return 0;
  }
  for (int i = 1; i < argc; i += 2) {
    const auto option = options.find(argv[i]);
    if (option == options.end() || i + 1 == argc)
      throw std::invalid_argument(std::string("expected --list, or --worker CASE --shape SHAPE [--threads N], got ") +
                                  argv[i]);
    option->second = argv[i + 1];
  }
  return work(options["--worker"], options["--shape"], size_of("--threads", options["--threads"]));
} catch (const std::exception& error) {
  std::cout << "{\"error\": " << quoted(error.what()) << "}" << std::endl;
  return 1;
}
