// Layers of random shapes and parameters against the dense fp64 oracle: random sizes, methods, rates, scalars, cut into
// chunks that each run in a mode of their own, the state going from one to the next.
//
//     random_shapes [COUNT [SEED]]      trial i draws from seed SEED + i; a failure names its seed
#include "layer/dense_oracle.hpp"
#include "ssm/core/thread_pool.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "support/fftw.hpp"

#include <charconv>
#include <cstdio>
#include <functional>
#include <iostream>

using namespace ssm;

namespace {

Index between(Random& random, Index low, Index high) {
  return low + static_cast<Index>(random.bits() % static_cast<std::uint64_t>(high - low + 1));
}

template <class T>
double allowed = tolerance::convolution<T> + tolerance::recurrence<T>;

/// A trial, and the distance of its output from the oracle's as a share of the allowed one.
struct Trial {
  std::string what;
  double error = 0;
};

template <class Layer>
using Mode = std::function<void(const Layer&, ConstSequence<typename Layer::Scalar>, Sequence<typename Layer::Scalar>,
                                typename Layer::State&)>;

template <class Layer>
void step_by_step(const Layer& layer, ConstSequence<typename Layer::Scalar> u, Sequence<typename Layer::Scalar> y,
                  typename Layer::State& state) {
  for (Index k = 0; k < u.length(); ++k) layer.step(u.row(k), y.row(k), state);
}

/// u in chunks of random length, each in a random one of the modes.
template <class Layer>
laws::Rows<double> run_in_chunks(const Layer& layer, const laws::Rows<typename Layer::Scalar>& u,
                                 const std::vector<Mode<Layer>>& modes, Random& random) {
  laws::Rows<typename Layer::Scalar> y(u.rows(), u.cols());
  auto state = layer.initial_state();
  for (Index first = 0; first < u.rows();) {
    const Index count = between(random, 1, u.rows() - first);
    const auto& mode = modes[static_cast<std::size_t>(between(random, 0, static_cast<Index>(modes.size()) - 1))];
    mode(layer, ConstSequence<typename Layer::Scalar>(u).block(first, count),
         Sequence<typename Layer::Scalar>(y).block(first, count), state);
    first += count;
  }
  return y.template cast<double>();
}

template <class Layer>
std::vector<Mode<Layer>> featurewise_modes() {
  return {[](const auto& layer, auto u, auto y, auto& state) { layer.forward(u, y, state); },
          [](const auto& layer, auto u, auto y, auto& state) { layer.forward(u, y, state, algorithm::convolution{}); },
          [](const auto& layer, auto u, auto y, auto& state) {
            layer.forward(u, y, state, algorithm::convolution<fft::FftwBackend>{});
          },
          step_by_step<Layer>};
}

template <class Layer, class Method>
Trial featurewise(const std::string& what, const Layer& layer, const LSSLParameters<double>& oracle, Method method,
                  Random& random) {
  using T = typename Layer::Scalar;
  const auto u = laws::noise<T>(between(random, 0, 400), layer.features(), random.bits());
  const auto y = run_in_chunks(layer, u, featurewise_modes<Layer>(), random);
  const auto exact = support::dense_response(oracle, method, layer.rate(), u);
  return {what + ", H = " + std::to_string(layer.features()) + ", N = " + std::to_string(layer.states()) +
              ", L = " + std::to_string(u.rows()),
          laws::distance(y, exact) / allowed<T>};
}

/// Modes of any decay and turn, B and C of any size; of an odd N mode 0 is real.
template <class Parameters>
void draw_modes(Parameters& parameters, Random& random) {
  using T = std::remove_reference_t<decltype(parameters.D(0))>;
  const auto complex = [&](bool real) {
    const double re = random.normal(), im = random.normal();
    return Complex<T>(static_cast<T>(re), real ? T(0) : static_cast<T>(im));
  };
  for (Index c = 0; c < parameters.copies(); ++c)
    for (Index n = 0; n < parameters.A_im.columns(); ++n) {
      const bool real = multiplicity(n, parameters.states) == 1;
      parameters.A_re_log(c, n) = static_cast<T>(random.uniform(-3, 3));
      parameters.A_im(c, n) = real ? T(0) : static_cast<T>(random.uniform(-30, 30));
      parameters.B(c, n) = complex(real);
    }
  for (Index h = 0; h < parameters.features(); ++h) {
    for (Index n = 0; n < parameters.C.columns(); ++n)
      parameters.C(h, n) = complex(multiplicity(n, parameters.states) == 1);
    parameters.D(h) = static_cast<T>(random.normal());
    parameters.log_dt(h) = static_cast<T>(std::log(random.log_uniform(1e-3, 1e-1)));
  }
}

template <class T>
Trial trial(Random& random) {
  const std::string scalar = std::is_same_v<T, float> ? "float" : "double";
  const Index H = between(random, 1, 5), N = between(random, 1, 40);
  const std::optional<Index> copies = H % 2 == 0 && random.uniform() < 0.5 ? std::optional(H / 2) : std::nullopt;
  const Sampling sampling{random.log_uniform(0.5, 2)};
  switch (between(random, 0, 5)) {
    case 0: {
      S4DParameters<T> parameters(H, N, copies);
      draw_modes(parameters, random);
      return featurewise("S4D " + scalar, S4D<T>(parameters, sampling), dense(parameters), ZeroOrderHold{}, random);
    }
    case 1: {
      S4DParameters<T> parameters(H, N, copies);
      draw_modes(parameters, random);
      return featurewise("S4D bilinear " + scalar, S4D<T>(parameters, Bilinear{}, sampling), dense(parameters),
                         Bilinear{}, random);
    }
    case 2: {
      S4Parameters<T> parameters(H, N, between(random, 0, 3), copies);
      draw_modes(parameters, random);
      for (Index c = 0; c < parameters.copies(); ++c)
        for (Index n = 0; n < parameters.P.columns(); ++n)
          for (Index r = 0; r < parameters.rank(); ++r) {
            const double re = random.normal(), im = random.normal();
            parameters.P(c, n, r) = Complex<T>(static_cast<T>(re), multiplicity(n, N) == 1 ? T(0) : static_cast<T>(im));
          }
      return featurewise("S4 " + scalar, S4<T>(parameters, sampling), dense(parameters), Bilinear{}, random);
    }
    case 3: {
      const auto parameters = initial<LSSL<T>>(hippo::LegS{}, {.features = H, .states = N}, random);
      LSSLParameters<double> wide(H, N);
      for (Index h = 0; h < H; ++h) {
        wide.set(h, parameters.system(h));
        wide.D(h) = double(parameters.D(h));
        wide.log_dt(h) = double(parameters.log_dt(h));
      }
      const GeneralizedBilinear method{random.uniform(0.5, 1)};
      return featurewise("LSSL " + scalar, LSSL<T>(parameters, method, sampling), wide, method, random);
    }
    default: {
      static ThreadPool two(2);
      const Spectrum spectrum = random.uniform() < 0.5 ? Spectrum::half : Spectrum::full;
      const TimeSteps steps = random.uniform() < 0.5 ? TimeSteps::per_mode : TimeSteps::shared;
      const auto parameters =
          initial<S5<T>>(hippo::LegS{}, {.features = H, .states = N, .spectrum = spectrum, .steps = steps}, random);
      const S5<T> layer(parameters, sampling);
      const auto u = laws::noise<T>(between(random, 0, 400), H, random.bits());
      const std::string what = "S5 " + scalar + ", H = " + std::to_string(H) + ", P = " + std::to_string(N) +
                               ", L = " + std::to_string(u.rows());
      if (random.uniform() < 0.5) {
        const auto y = run_in_chunks<S5<T>>(
            layer, u,
            {[](const auto& l, auto in, auto out, auto& state) { l.forward(in, out, state); },
             [](const auto& l, auto in, auto out, auto& state) { l.forward(in, out, state, {.executor = two}); },
             step_by_step<S5<T>>},
            random);
        return {what,
                laws::distance(y, support::s5_response(parameters, ZeroOrderHold{}, sampling.rate, u)) / allowed<T>};
      }
      std::vector<T> intervals(static_cast<std::size_t>(u.rows()));
      for (auto& interval : intervals) interval = static_cast<T>(random.uniform() < 0.1 ? 0 : random.uniform(0, 3));
      laws::Rows<T> y(u.rows(), H);
      auto state = layer.initial_state();
      layer.forward(u, InLayerSteps<T>{intervals}, y, state);
      const auto exact = support::s5_response(parameters, ZeroOrderHold{}, sampling.rate, u, intervals);
      return {what + ", uneven", laws::distance(y.template cast<double>(), exact) / allowed<T>};
    }
  }
}

bool read(const char* text, std::uint64_t& number) {
  const char* const end = text + std::string_view(text).size();
  return std::from_chars(text, end, number).ptr == end && end != text;
}

}  // namespace

int main(int count, char** arguments) {
  std::uint64_t trials = 300, seed = 1;
  if (count > 3 || (count > 1 && !read(arguments[1], trials)) || (count > 2 && !read(arguments[2], seed))) {
    std::cerr << "usage: random_shapes [COUNT [SEED]], whole numbers\n";
    return 2;
  }
  std::uint64_t failed = 0;
  Trial worst;
  for (std::uint64_t i = 0; i < trials; ++i) {
    Random random(seed + i);
    const Trial drawn = random.uniform() < 0.5 ? trial<float>(random) : trial<double>(random);
    if (!(drawn.error <= 1)) {
      ++failed;
      std::cout << "seed " << seed + i << ": " << drawn.what << ": " << drawn.error << " of the allowed error\n";
    } else if (drawn.error > worst.error) {
      worst = drawn;
    }
  }
  std::cout << "seeds " << seed << ".." << seed + trials - 1 << "; worst of the rest: " << worst.what << ": "
            << worst.error << " of the allowed error\n"
            << trials - failed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
