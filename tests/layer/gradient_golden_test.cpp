// Gradients of sum(y dy) + sum(x_final dx_final) by every stored number, the input and the first state.
#include "layer/golden_layer.hpp"
#include "layer/golden_method.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"
#include "ssm/layer/trainable.hpp"

using namespace ssm;
using support::Safetensors;

namespace {

/// The file's parameters.
template <class Parameters>
Parameters stored(Parameters parameters, const Safetensors& file) {
  Parameters::each(parameters, [&](const char* name, auto& array, Role) { support::fill(array, file, name); });
  return parameters;
}

template <class Number>
std::vector<Complex<double>> numbers(const Array<Number>& array) {
  std::vector<Complex<double>> result;
  for (const auto& value : array) result.emplace_back(value);
  return result;
}

std::vector<Complex<double>> expected(const Safetensors& file, const std::string& name, bool is_complex) {
  if (is_complex) return file[name + "_ri"].complex();
  const auto& values = file[name].values;
  return {values.begin(), values.end()};
}

/// Cotangents of a file: runs `vjp(layer, u, before, dy, dstate, du, gradient)` and compares all it found.
template <class Layer, class Vjp>
void check_gradient(const Safetensors& file, const Layer& layer, Vjp vjp) {
  using T = typename Layer::Scalar;
  const double allowed = std::is_same_v<T, double> ? file.tolerance() : tolerance::gradient<float>;
  const auto u = support::rows<T>(file, "u"), dy = support::rows<T>(file, "dy");
  auto du = laws::Rows<T>(laws::Rows<T>::Zero(u.rows(), u.cols()));
  const auto before = support::start(layer, file);
  auto dstate = support::start(layer, file, "dx_final_ri");
  auto gradient = zero(layer.parameters());
  vjp(layer, u, before, dy, dstate, du, gradient);

  CHECK(support::relative_error(du.template cast<double>().eval().template reshaped<Eigen::RowMajor>(),
                                file["du"].values) <= allowed);
  std::vector<Complex<double>> dx0;
  const bool real = !requires { dstate.re; }
  &&!std::is_same_v<typename Layer::State, ModalState<T>>;
  dx0 = support::numbers(dstate);
  auto dx0_expected = file["dx0_ri"].complex();
  if (real)
    for (auto& value : dx0_expected) value = value.real();
  CHECK(support::relative_error(dx0, dx0_expected) <= allowed);
  Layer::Parameters::each(gradient, [&](const std::string& name, auto& array, Role) {
    INFO("gradient of " << name);
    constexpr bool is_complex = !std::is_floating_point_v<std::remove_cvref_t<decltype(*array.begin())>>;
    CHECK(support::relative_error(numbers(array), expected(file, "d" + name, is_complex)) <= allowed);
  });
}

constexpr auto plain = [](const auto& layer, const auto& u, const auto& before, const auto& dy, auto& dstate, auto& du,
                          auto& gradient) { forward_vjp(layer, u, before, dy, dstate, du, gradient); };

}  // namespace

TEMPLATE_TEST_CASE("S4's gradients are the reference's", "[layer][gradient][golden]", float, double) {
  for (const auto& path : support::golden_files("layer", "s4_")) {
    const Safetensors file(path);
    CAPTURE(path);
    const S4Parameters<TestType> sizes(file["D"].size(0), support::size(file, "N"), file["P_ri"].size(2));
    check_gradient(file, S4<TestType>(stored(sizes, file)), plain);
  }
}

TEMPLATE_TEST_CASE("S4D's gradients are the reference's", "[layer][gradient][golden]", float, double) {
  for (const auto& path : support::golden_files("layer", "s4d_")) {
    const Safetensors file(path);
    CAPTURE(path);
    const S4DParameters<TestType> sizes(file["D"].size(0), support::size(file, "N"));
    support::with_method(file,
                         [&](auto method) { check_gradient(file, S4D<TestType>(stored(sizes, file), method), plain); });
  }
}

TEMPLATE_TEST_CASE("LSSL's gradients are the reference's", "[layer][gradient][golden]", float, double) {
  for (const auto& path : support::golden_files("layer", "lssl_")) {
    const Safetensors file(path);
    CAPTURE(path);
    const LSSLParameters<TestType> sizes(file["D"].size(0), support::size(file, "N"));
    support::with_method(
        file, [&](auto method) { check_gradient(file, LSSL<TestType>(stored(sizes, file), method), plain); });
  }
}

TEMPLATE_TEST_CASE("S5's gradients are the reference's", "[layer][gradient][golden]", float, double) {
  for (const auto& path : support::golden_files("layer", "s5_")) {
    const Safetensors file(path);
    CAPTURE(path);
    const auto spectrum = file.metadata("conj_pairs") == "half" ? Spectrum::half : Spectrum::full;
    const Index S = file["Lambda_re"].size(0), P = spectrum == Spectrum::half ? 2 * S : S;
    const S5Parameters<TestType> sizes(file["D"].size(0), P, spectrum);
    support::with_method(file, [&](auto method) {
      const S5<TestType> layer(stored(sizes, file), method);
      if (file.metadata("irregular") == "0") return check_gradient(file, layer, plain);
      std::vector<TestType> intervals, dintervals(file["interval"].values.size());
      for (const double value : file["interval"].values) intervals.push_back(static_cast<TestType>(value));
      check_gradient(
          file, layer,
          [&](const auto&, const auto& u, const auto& before, const auto& dy, auto& dstate, auto& du, auto& gradient) {
            auto cotangent = layer.cotangent();
            layer.forward_vjp(u, InLayerSteps<TestType>{intervals}, before, dy, dstate, du, dintervals, cotangent);
            layer.parameters_vjp(cotangent, gradient);
          });
      CHECK(support::relative_error(dintervals, file["dinterval"].values) <=
            (std::is_same_v<TestType, double> ? file.tolerance() : tolerance::gradient<float>));
    });
  }
}
