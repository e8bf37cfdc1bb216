#include "layer/laws.hpp"
#include "ssm/fft/fftw.hpp"
#include "ssm/layer/s4.hpp"
#include "support/golden.hpp"

using namespace ssm;

namespace {

template <class T>
struct Case {
  S4Parameters<T> parameters;
  typename S4<T>::State start;
  laws::Rows<T> u;

  explicit Case(const support::Safetensors& file)
      : parameters(file["D"].size(0), std::stol(file.metadata("N")), file["P_ri"].size(2)) {
    const auto real = [&](const char* name, auto& array) {
      std::transform(file[name].values.begin(), file[name].values.end(), array.begin(), [](double v) { return T(v); });
    };
    const auto complex = [&](const char* name, auto& array) {
      const auto values = file[name].complex();
      REQUIRE(static_cast<Index>(values.size()) == array.size());
      std::transform(values.begin(), values.end(), array.begin(), [](auto v) { return Complex<T>(v); });
    };
    real("A_re_log", parameters.A_re_log);
    real("A_im", parameters.A_im);
    real("D", parameters.D);
    real("log_dt", parameters.log_dt);
    complex("P_ri", parameters.P);
    complex("B_ri", parameters.B);
    complex("C_ri", parameters.C);
    u = Eigen::Map<const laws::Rows<double>>(file["u"].values.data(), file["u"].size(0), file["u"].size(1))
            .template cast<T>();
    start = S4<T>(parameters).initial_state();
    const auto x0 = file["x0_ri"].complex();
    for (std::size_t i = 0; i < x0.size(); ++i) {
      start.re.data()[i] = T(x0[i].real());
      start.im.data()[i] = T(x0[i].imag());
    }
  }
};

template <class T, class Mode>
void check_forward(Mode mode, double float_tolerance) {
  for (const auto& path : support::golden_files("layer", "s4_")) {
    const support::Safetensors file(path);
    const double tolerance = std::is_same_v<T, double> ? file.tolerance() : float_tolerance;
    const Case<T> given(file);
    const S4<T> layer(given.parameters);
    auto state = given.start;
    const auto y = laws::run(layer, given.u, state, mode);
    CAPTURE(path);
    CHECK(support::relative_error(y.template cast<double>().eval().template reshaped<Eigen::RowMajor>(),
                                  file["y"].values) <= tolerance);
    std::vector<Complex<double>> final_state;
    for (Index i = 0; i < state.re.size(); ++i) final_state.emplace_back(state.re.data()[i], state.im.data()[i]);
    CHECK(support::relative_error(final_state, file["x_final_ri"].complex()) <= tolerance);
    const auto response = layer.impulse_response(given.u.rows());
    std::vector<double> K(response.begin(), response.end());
    for (std::size_t h = 0; h < std::size_t(layer.features()); ++h) K[h] -= double(given.parameters.D(Index(h)));
    CHECK(support::relative_error(K, file["K"].values) <= tolerance);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("S4's output, final state and impulse response are the reference's", "[layer][golden]", float,
                   double) {
  check_forward<TestType>(mode::recurrence{}, tolerance::recurrence<float>);
  check_forward<TestType>(mode::convolution<fft::EigenBackend>{}, tolerance::convolution<float>);
  check_forward<TestType>(mode::convolution<fft::FftwBackend>{}, tolerance::convolution<float>);
}

TEST_CASE("each stage of S4's kernel is the reference's", "[layer][golden]") {
  for (const auto& path : support::golden_files("layer", "s4_")) {
    const support::Safetensors file(path);
    const Case<double> given(file);
    const Index L = given.u.rows(), H = given.parameters.features(), R = given.parameters.rank();
    const kernel::Circle circle{L, 1.0};  // the paper's roots of unity
    const auto expected_C = file["C_tilde_ri"].complex(), expected_spectrum = file["spectrum_ri"].complex();
    const auto CB = file["cauchy_CB_ri"].complex(), CP = file["cauchy_CP_ri"].complex(),
               PB = file["cauchy_PB_ri"].complex(), PP = file["cauchy_PP_ri"].complex();
    const auto& node = file["node"].values;
    std::vector<Complex<double>> C_all, spectrum_all(expected_spectrum.size());
    std::vector<Complex<double>> cb(CB.size()), cp(CP.size()), pb(PB.size()), pp(PP.size());
    for (Index h = 0; h < H; ++h) {
      const auto system = given.parameters.system(h);
      const double dt = std::exp(given.parameters.log_dt(h));
      const auto C_tilde = kernel::truncated_output(discretize(Bilinear{}, system, dt), circle);
      C_all.insert(C_all.end(), C_tilde.begin(), C_tilde.end());

      std::vector<Complex<double>> half(static_cast<std::size_t>(L / 2 + 1));
      kernel::generating_function(system, C_tilde, dt, circle, half);
      for (Index j = 0; j < L; ++j)
        spectrum_all[std::size_t(j * H + h)] = j <= L / 2 ? half[std::size_t(j)] : std::conj(half[std::size_t(L - j)]);

      std::vector<Complex<double>> g;
      for (const double j : node) {
        const Complex<double> z = std::polar(1.0, -2 * std::numbers::pi * j / double(L));
        g.push_back(2 / dt * (1.0 - z) / (1.0 + z));
      }
      kernel::CauchySums cauchy(system, C_tilde);
      const auto sums = cauchy(g);
      for (Index j = 0; j < sums.rows(); ++j) {
        const Index at = j * H + h;
        cb[std::size_t(at)] = sums(j, 0);
        for (Index a = 0; a < R; ++a) {
          cp[std::size_t(at * R + a)] = sums(j, 1 + a);
          pb[std::size_t(at * R + a)] = sums(j, (1 + a) * (1 + R));
          for (Index b = 0; b < R; ++b) pp[std::size_t((at * R + a) * R + b)] = sums(j, (1 + a) * (1 + R) + 1 + b);
        }
      }
    }
    CAPTURE(path);
    CHECK(support::relative_error(C_all, expected_C) <= file.tolerance());
    CHECK(support::relative_error(spectrum_all, expected_spectrum) <= file.tolerance());
    CHECK(support::relative_error(cb, CB) <= file.tolerance());
    CHECK(support::relative_error(cp, CP) <= file.tolerance());
    CHECK(support::relative_error(pb, PB) <= file.tolerance());
    CHECK(support::relative_error(pp, PP) <= file.tolerance());
  }
}
