// Every line of C++ that README.md, include/ssm/README.md and examples/README.md show, in a place where it compiles;
// snippets.cmake looks for each.
// Beside: lines that must not compile are shown in a comment.
#include <ssm/import/s4.hpp>
#include <ssm/import/s5.hpp>
#include <ssm/io/model.hpp>
// clang-format off
#include <ssm/ssm.hpp>   // everything but FFTW's transforms, files, training and MPI
// clang-format on
#include <ssm/train/trainer.hpp>
#if __has_include(<mpi.h>)
#include <ssm/mpi/time_split.hpp>
#endif

#include <iostream>

void initial_values(ssm::Random& random, const ssm::S4Shape& shape, const ssm::S4DParameters<float>& diagonal,
                    const ssm::S4Parameters<float>& low_rank) {
  // clang-format off
ssm::initial<ssm::S4<float>>(ssm::hippo::LegT{}, {.features = 128, .states = 64}, random);             // LegS LegT LagT Fourier
ssm::initial<ssm::S4<float>>(ssm::diagonal::RandomLowRank<ssm::diagonal::Linear>{}, shape, random);    // of random phase
ssm::initial<ssm::S4D<float>>(ssm::diagonal::Inverse{}, {.features = 128, .copies = 2}, random);       // Linear Unstructured, hippo::LegS ..
ssm::initial<ssm::S5<double>>(ssm::hippo::LegS{}, {.features = 128, .states = 256, .blocks = 8}, random);
  {
    const auto& parameters = diagonal;
ssm::S4D<float, 64> fixed(parameters);                          // N known at compile time
ssm::S4D<float, ssm::dynamic, double> wide(parameters);         // a state wider than the data
ssm::S4D<float> trapezoid(parameters, ssm::Bilinear{});         // a discretization: kept in its parameters, its file, its print
std::cout << trapezoid;                                         // S4D: 128 features, 64 states, bilinear, rate 1
  }
  const auto& parameters = low_rank;
ssm::S4<float> half(parameters, {.rate = 2});                   // fed at half the rate that it was trained at
ssm::LSSL<double> oracle(ssm::dense(parameters));               // the same system, dense
// ssm::S4<float> wrong(parameters, ssm::ZeroOrderHold{});         // does not compile: there is no structured form
}

void run_layers(const ssm::S4D<float>& layer, const ssm::S5<float>& s5, ssm::ConstSequence<float> u, ssm::Sequence<float> y,
                std::span<const float> u_k, std::span<float> y_k, std::span<const float> gaps,
                std::span<std::byte> bytes, ssm::ThreadPool& threads) {
  const auto &forward_layer = layer, &backward_layer = layer;
  {
    auto state = layer.initial_state();
layer.forward(u, y, state);                                     // a sequence (length, features); leaves the state behind it
layer.forward(u, y, state, ssm::algorithm::convolution{});      // the caller's choice of algorithm
layer.step(u_k, y_k, state);                                    // one sample: noexcept, allocates nothing
ssm::save(state, bytes);                                        // a state is a value: copy it, or keep it as bytes; ssm::restore
ssm::Bidirectional(forward_layer, backward_layer).forward(u, y);  // whole sequences: has no step
  }
  auto state = s5.initial_state();
s5.forward(u, y, state, ssm::algorithm::scan{.executor = threads}); // the caller's threads: ssm::ThreadPool threads(2)
s5.forward(u, ssm::InSeconds<float>{gaps, {0.01}}, y, state);   // a time step of its own for every sample
}

void own_system(const ssm::Matrix<double>& A, const ssm::Matrix<double>& B, const ssm::Matrix<double>& C,
                const ssm::Matrix<double>& D, double dt) {
  const auto &A_bar = A, &B_bar = B;
ssm::S4D<float> own(ssm::from_continuous<ssm::S4D<float>>({A, B, C, D}, dt));             // S4, S4D, S5, LSSL; dt in seconds
ssm::RectangularS5<float> filter(ssm::from_discrete<ssm::RectangularS5<float>>({A_bar, B_bar, C, D}, dt));  // any inputs, outputs
ssm::StateSpace<float> plant({A, B, C, D}, dt, ssm::ZeroOrderHold{});                     // dense, any inputs and outputs
ssm::of_previous_state({A_bar, B_bar, C, D});                                             // as scipy and MATLAB mean it: their y_k
}

void plan(const ssm::S4D<float>& layer, ssm::ConstBatch<float> u, ssm::Batch<float> y, std::span<ssm::S4D<float>::State> states,
          ssm::ThreadPool& threads) {
auto run = ssm::plan(layer, {.length = 16384, .batch = 8, .executor = threads});
std::cout << run.explain();   // convolution (FFT of 32768 points): 4.2 MB held; estimated 11.6 ms a run on one thread; the ..
run(u, y, states);            // allocates nothing; the same bits for every number of threads
}

void learn(ssm::Random& random, ssm::ThreadPool& threads, ssm::Index examples) {
  const auto loss = [](ssm::Index, ssm::ConstSequence<float> answer, ssm::Sequence<float> danswer, double weight) {
    return ssm::train::LossResult{ssm::nn::cross_entropy<float>(answer.row(0), 0, danswer.row(0), weight), 0.0};
  };
using Model = ssm::nn::Stack<ssm::S4D<float>>;
Model model(ssm::diagonal::Linear{}, {.inputs = 1, .features = 64, .layers = 4, .outputs = 10}, random);
ssm::train::Trainer<ssm::S4D<float>> trainer(model, {.epochs = 20, .checkpoint = "checkpoint.safetensors"}, threads);
trainer.resume();                                     // where it was stopped or killed, to the bit
  {
    const auto sample = [](ssm::Index, ssm::Random&) { return ssm::train::Sample<float>{{0.0F}}; };
trainer.run(examples, sample, loss);                  // sample(i, random): a sequence; loss(i, answer, danswer, weight): its loss
  }
  const float sample = 0;
ssm::io::save("digits.safetensors", model);
const auto digits = ssm::io::load<Model>("digits.safetensors", {.rate = 2});  // strict, tries itself, or throws
auto hearing = digits.stream();                       // sample by sample, allocates nothing
auto logits = hearing.step({&sample, 1});
  static_cast<void>(logits);
  // clang-format on
}

void stream_it(const ssm::nn::Stack<ssm::S5<float>>& model, ssm::ConstSequence<float> u, ssm::Sequence<float> y,
               std::span<const float> u_k, ssm::ConstSequence<float> whole, ssm::Sequence<float> answer,
               std::span<const float> gaps, std::span<const std::uint8_t> mask) {
  // clang-format off
ssm::nn::Stream<ssm::S5<float>> stream = model.stream();
stream.prepare(512, {.pool = ssm::nn::Leak{ssm::Seconds{0.5}}, .on_bad_sample = ssm::nn::OnBadSample::hold, .rates = {2}});
stream.process(u, y);                                 // a block, at the speed of forward; planar audio: process(in, out, steps)
stream.step(u_k, ssm::Seconds{0.02});                 // a sample with a time of its own; stream.skip(..) where there is none
stream.set_rate(2);                                   // in place, states kept
stream.reset(u_k);                                    // as though u_k had been there for ever: no click
model.forward(whole, answer, {.intervals = ssm::InSeconds<float>{gaps, model.layer_step()}, .observed = mask});
  // clang-format on
}

void import_with_parity(const ssm::io::Configuration& told) {
  // clang-format off
const auto imported = ssm::io::import_from<ssm::io::S5Flax>(ssm::io::read("s5.safetensors"), told);  // S4v4, S4Sequence, ..
std::cout << imported.report.parity->error;
  // clang-format on
}

void import_it(ssm::ConstSequence<float> u, ssm::Sequence<float> y) {
  using namespace ssm;
  // clang-format off
const io::Configuration told(R"({"mode": "dplr", "final_act": "glu", "dt_transform": "softplus"})");
const auto imported = io::import_from<io::S4v4>(io::read("s4.safetensors"), told, "net.encoder.");  // under any prefix
for (const std::string& each : imported.report.folded) std::cout << each << std::endl;            // what was joined, and how
imported.model.forward(u, y);                                                                   // an nn::Stack<AnyLayer<float>>
io::save("here.safetensors", imported.model);
  // clang-format on
}

void published_models(ssm::Random& random) {
  using namespace ssm;
  // clang-format off
nn::StackShape s4{.features = 128, .states = 64, .layers = 6};                             // norm, S4, GELU, GLU, residual
nn::Stack<S4<float>> of_s4(hippo::LegS{}, s4, random);

nn::BlockShape s5_block{.norm = nn::NormKind::batch, .activation = nn::Activation::tanh_gelu, .mixing = nn::Mixing::half_glu1};
nn::StackShape s5{.features = 96, .states = 128, .layers = 6, .block = s5_block, .log_softmax = true};
nn::Stack<S5<float>> of_s5(hippo::LegS{}, s5, random);                                     // or Bidirectional<S5<float>>

nn::BlockShape annotated_block{.epsilon = 1e-6, .activation = nn::Activation::tanh_gelu};  // flax's norm and GELU
nn::StackShape annotated{.features = 128, .layers = 4, .block = annotated_block, .log_softmax = true};
nn::Stack<S4<float>> of_annotated(hippo::LegS{}, annotated, random);

nn::BlockShape first{.residual = nn::Residual::normed, .mixing = nn::Mixing::none};        // s5-pytorch: two blocks for each of its own
nn::BlockShape second{.residual = nn::Residual::normed, .layer = false, .activation = nn::Activation::identity,
                      .gate = nn::Activation::gelu, .width = 128, .bias = false};
nn::StackShape s5_pytorch{.inputs = 64, .features = 64, .outputs = 64, .pool = nn::Pool::none, .block = first,
                          .feed_forward = second, .encoder = nn::Encoder::none, .decoder = false};
nn::Stack<S5<float>> of_s5_pytorch(hippo::LegS{}, s5_pytorch, random);

  const S4DShape sizes{.features = 128};
auto one_way = AnyParameters<float>::of<S4D<float>>(initial<S4D<float>>(diagonal::Linear{}, sizes, random));
using BothWays = Bidirectional<S5<float>>;
auto two_ways = AnyParameters<float>::of<BothWays>(initial<BothWays>(hippo::LegS{}, {.features = 128}, random));
  const auto make = [&](Index i) { return i % 2 == 0 ? one_way : two_ways; };
nn::StackParameters<AnyLayer<float>> several(s4, random, make);                            // make(i): parameters of block i's layer
nn::Stack<AnyLayer<float>> of_several(several);
  // clang-format on
}

#if __has_include(<mpi.h>)
int begin_ranks(int argc, char** argv, void (*work)(ssm::mpi::Communicator&)) {
  // clang-format off
return ssm::mpi::run(argc, argv, work);                                  // work(world) on every rank of mpirun; an error of one ends all
      // clang-format on
}
void over_ranks(ssm::mpi::Communicator& world, const ssm::S4D<float>& layer, ssm::ConstSequence<float> u,
                ssm::Sequence<float> y, ssm::S4D<float>::State& state, ssm::ConstSequence<float> dy,
                ssm::S4D<float>::State& dstate, ssm::Sequence<float> du, ssm::S4D<float>::Cotangent& cotangent,
                ssm::nn::Stack<ssm::S4D<float>>& model, ssm::Executor& threads) {
  // clang-format off
ssm::mpi::TimeSplit split(layer, world);                                 // S4D, S5, S4, LSSL; the same on every rank: checked
const auto before = split.forward(u, y, state);                          // u, y of this rank; log2(ranks) messages, whatever the length
split.forward_vjp(u, before, dy, dstate, du, cotangent);                 // ssm::mpi::InOrder{} as last argument: one rank's bits
ssm::train::Trainer<ssm::S4D<float>> trainer(model, {}, threads, &world);  // the model that one process would train, to the bit
      // clang-format on
}
#endif
