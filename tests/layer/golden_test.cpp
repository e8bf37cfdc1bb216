#include "layer/golden_layer.hpp"
#include "layer/golden_method.hpp"
#include "layer/widened.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "support/fftw.hpp"

using namespace ssm;
using support::Safetensors;

namespace {

// In fp64 the files say what a layer should give. In float it is the fp64 layer of the same parameters: the files' own
// are rounded when they are read as float, and a fast mode whose step is rounded turns by some eps more in every step.

/// A run of both from the same state over the same input.
template <class Layer, class Wide, class Run>
void check_run(const Safetensors& file, const Layer& layer, const Wide& wide, Run run, double float_tolerance) {
  using T = typename Layer::Scalar;
  const auto u = support::rows<T>(file, "u");
  auto state = support::start(layer, file);
  const auto y = run(layer, u, state);
  if constexpr (std::is_same_v<T, double>) {
    support::check_run(file, y, state);
  } else {
    auto exact = wide.initial_state();
    support::set_numbers(exact, support::numbers(support::start(layer, file)));
    const laws::Rows<double> expected = run(wide, laws::Rows<double>(u.template cast<double>()), exact);
    const laws::Rows<double> got = y.template cast<double>();
    CHECK(support::relative_error(got.reshaped(), expected.reshaped()) <= float_tolerance);
    CHECK(support::relative_error(support::numbers(state), support::numbers(exact)) <= float_tolerance);
  }
}
template <class Layer, class Wide, class Mode>
void check_mode(const Safetensors& file, const Layer& layer, const Wide& wide, Mode mode, double float_tolerance) {
  check_run(
      file, layer, wide, [&](const auto& of, const auto& u, auto& state) { return laws::run(of, u, state, mode); },
      float_tolerance);
}

/// Output, final state and impulse response of a layer that convolves, in every mode.
template <class Layer, class Wide>
void check_featurewise(const Safetensors& file, const Layer& layer, const Wide& wide) {
  using T = typename Layer::Scalar;
  check_mode(file, layer, wide, algorithm::recurrence{}, tolerance::recurrence<float>);
  check_mode(file, layer, wide, algorithm::convolution<fft::EigenBackend>{}, tolerance::convolution<float>);
  check_mode(file, layer, wide, algorithm::convolution<fft::FftwBackend>{}, tolerance::convolution<float>);
  const auto without_D = [&](const auto& of) {
    const auto response = of.impulse_response(file["u"].size(0));
    std::vector<double> K(response.begin(), response.end());
    for (std::size_t h = 0; h < std::size_t(of.features()); ++h) K[h] -= double(of.parameters().D(Index(h)));
    return K;
  };
  if constexpr (std::is_same_v<T, double>)
    CHECK(support::relative_error(without_D(layer), file["K"].values) <= file.tolerance());
  else
    CHECK(support::relative_error(without_D(layer), without_D(wide)) <= tolerance::convolution<float>);
}
/// The layer, and the one in fp64 beside it.
template <template <class> class Wide, class Layer, class... Method>
void check_beside(const Safetensors& file, const Layer& layer, Method... method) {
  if constexpr (std::is_same_v<typename Layer::Scalar, double>)
    check_featurewise(file, layer, layer);
  else
    check_featurewise(file, layer, Wide<double>(support::widened(layer.parameters()), method...));
}
template <class T>
using PlainS4 = S4<T>;
template <class T>
using PlainS4D = S4D<T>;
template <class T>
using PlainLSSL = LSSL<T>;

}  // namespace

TEMPLATE_TEST_CASE("S4 is the reference's", "[layer][golden]", float, double) {
  for (const auto& path : support::golden_files("layer", "s4_")) {
    const Safetensors file(path);
    CAPTURE(path);
    S4Parameters<TestType> parameters(file["D"].size(0), support::size(file, "N"), file["P_ri"].size(2));
    support::fill_modal(parameters, file);
    support::fill(parameters.P, file, "P");
    check_beside<PlainS4>(file, S4<TestType>(parameters));
  }
}

TEMPLATE_TEST_CASE("S4D is the reference's", "[layer][golden]", float, double) {
  for (const auto& path : support::golden_files("layer", "s4d_")) {
    const Safetensors file(path);
    CAPTURE(path);
    S4DParameters<TestType> parameters(file["D"].size(0), support::size(file, "N"));
    support::fill_modal(parameters, file);
    support::with_method(file,
                         [&](auto method) { check_beside<PlainS4D>(file, S4D<TestType>(parameters, method), method); });
  }
}

TEMPLATE_TEST_CASE("LSSL is the reference's", "[layer][golden]", float, double) {
  for (const auto& path : support::golden_files("layer", "lssl_")) {
    const Safetensors file(path);
    CAPTURE(path);
    LSSLParameters<TestType> parameters(file["D"].size(0), support::size(file, "N"));
    support::fill(parameters.A, file, "A");
    support::fill(parameters.B, file, "B");
    support::fill(parameters.C, file, "C");
    support::fill(parameters.D, file, "D");
    support::fill(parameters.log_dt, file, "log_dt");
    support::with_method(
        file, [&](auto method) { check_beside<PlainLSSL>(file, LSSL<TestType>(parameters, method), method); });
  }
}

TEMPLATE_TEST_CASE("S5 is the reference's, with intervals of its own too", "[layer][golden]", float, double) {
  using T = TestType;
  for (const auto& path : support::golden_files("layer", "s5_")) {
    const Safetensors file(path);
    CAPTURE(path);
    const Index S = support::size(file, "S");
    const bool half = file.metadata("conj_pairs") == "half";
    S5Parameters<T> parameters(file["D"].size(0), half ? 2 * S : S, half ? Spectrum::half : Spectrum::full);
    support::fill(parameters.Lambda_re, file, "Lambda_re");
    support::fill(parameters.Lambda_im, file, "Lambda_im");
    support::fill(parameters.B, file, "B");
    support::fill(parameters.C, file, "C");
    support::fill(parameters.D, file, "D");
    support::fill(parameters.log_dt, file, "log_dt");
    support::with_method(file, [&](auto method) {
      const S5<T> layer(parameters, method);
      const S5<double> wide = [&] {
        if constexpr (std::is_same_v<T, double>)
          return layer;
        else
          return S5<double>(support::widened(parameters), method);
      }();
      if (file.metadata("irregular") == "0") {
        check_mode(file, layer, wide, algorithm::scan{}, tolerance::recurrence<float>);
        check_mode(file, layer, wide, algorithm::recurrence{}, tolerance::recurrence<float>);
        return;
      }
      const auto& values = file["interval"].values;
      const std::vector<T> rounded(values.begin(), values.end());
      const auto whole = [&]<class U>(const S5<U>& of, const laws::Rows<U>& u, auto& state) {
        const std::vector<U> intervals(rounded.begin(), rounded.end());
        laws::Rows<U> y(u.rows(), u.cols());
        of.forward(u, InLayerSteps<U>{intervals}, y, state);
        return y;
      };
      const auto stepped = [&]<class U>(const S5<U>& of, const laws::Rows<U>& u, auto& state) {
        laws::Rows<U> y(u.rows(), u.cols());
        const auto H = static_cast<std::size_t>(u.cols());
        for (Index k = 0; k < u.rows(); ++k)
          of.step(std::span<const U>(u.row(k).data(), H), LayerSteps{double(rounded[std::size_t(k)])},
                  std::span<U>(y.row(k).data(), H), state);
        return y;
      };
      check_run(file, layer, wide, whole, tolerance::recurrence<float>);
      check_run(file, layer, wide, stepped, tolerance::recurrence<float>);
    });
  }
}
