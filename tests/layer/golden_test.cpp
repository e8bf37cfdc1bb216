#include "layer/golden_layer.hpp"
#include "layer/golden_method.hpp"
#include "ssm/fft/fftw.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"

using namespace ssm;
using support::Safetensors;

namespace {

template <class Layer, class Mode>
void check_mode(const Safetensors& file, const Layer& layer, Mode mode, double float_tolerance) {
  using T = typename Layer::Scalar;
  auto state = support::start(layer, file);
  const auto y = laws::run(layer, support::rows<T>(file, "u"), state, mode);
  support::check_run<T>(file, y, state, float_tolerance);
}

/// Output, final state and impulse response of a layer that convolves, in every mode.
template <class Layer>
void check_featurewise(const Safetensors& file, const Layer& layer) {
  using T = typename Layer::Scalar;
  check_mode(file, layer, mode::recurrence{}, tolerance::recurrence<float>);
  check_mode(file, layer, mode::convolution<fft::EigenBackend>{}, tolerance::convolution<float>);
  check_mode(file, layer, mode::convolution<fft::FftwBackend>{}, tolerance::convolution<float>);
  const auto response = layer.impulse_response(file["u"].size(0));
  std::vector<double> K(response.begin(), response.end());
  for (std::size_t h = 0; h < std::size_t(layer.features()); ++h) K[h] -= double(layer.parameters().D(Index(h)));
  CHECK(support::relative_error(K, file["K"].values) <=
        (std::is_same_v<T, double> ? file.tolerance() : tolerance::convolution<float>));
}

}  // namespace

TEMPLATE_TEST_CASE("S4 is the reference's", "[layer][golden]", float, double) {
  for (const auto& path : support::golden_files("layer", "s4_")) {
    const Safetensors file(path);
    CAPTURE(path);
    S4Parameters<TestType> parameters(file["D"].size(0), support::size(file, "N"), file["P_ri"].size(2));
    support::fill_modal(parameters, file);
    support::fill(parameters.P, file, "P");
    check_featurewise(file, S4<TestType>(parameters));
  }
}

TEMPLATE_TEST_CASE("S4D is the reference's", "[layer][golden]", float, double) {
  for (const auto& path : support::golden_files("layer", "s4d_")) {
    const Safetensors file(path);
    CAPTURE(path);
    S4DParameters<TestType> parameters(file["D"].size(0), support::size(file, "N"));
    support::fill_modal(parameters, file);
    support::with_method(file, [&](auto method) { check_featurewise(file, S4D<TestType>(parameters, method)); });
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
    support::with_method(file, [&](auto method) { check_featurewise(file, LSSL<TestType>(parameters, method)); });
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
      if (file.metadata("irregular") == "0") {
        check_mode(file, layer, mode::scan{}, tolerance::recurrence<float>);
        check_mode(file, layer, mode::recurrence{}, tolerance::recurrence<float>);
        return;
      }
      const auto& values = file["interval"].values;
      const std::vector<T> intervals(values.begin(), values.end());
      const auto u = support::rows<T>(file, "u");
      laws::Rows<T> y(u.rows(), u.cols());
      auto state = support::start(layer, file), stepped = state;
      layer.forward(u, std::span<const T>(intervals), y, state);
      support::check_run<T>(file, y, state, tolerance::recurrence<float>);
      const auto H = static_cast<std::size_t>(u.cols());
      for (Index k = 0; k < u.rows(); ++k)
        layer.step(std::span<const T>(u.row(k).data(), H), double(intervals[std::size_t(k)]),
                   std::span<T>(y.row(k).data(), H), stepped);
      support::check_run<T>(file, y, stepped, tolerance::recurrence<float>);
    });
  }
}
