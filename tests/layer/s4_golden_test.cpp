#include "layer/golden_layer.hpp"
#include "ssm/kernel/generating_function.hpp"
#include "ssm/layer/s4.hpp"

using namespace ssm;

TEST_CASE("each stage of S4's kernel is the reference's", "[layer][golden]") {
  for (const auto& path : support::golden_files("layer", "s4_")) {
    const support::Safetensors file(path);
    S4Parameters<double> parameters(file["D"].size(0), support::size(file, "N"), file["P_ri"].size(2));
    support::fill_modal(parameters, file);
    support::fill(parameters.P, file, "P");
    const Index L = file["u"].size(0), H = parameters.features(), R = parameters.rank();
    const kernel::Circle circle{L, 1.0};  // the paper's roots of unity
    const auto expected_C = file["C_tilde_ri"].complex(), expected_spectrum = file["spectrum_ri"].complex();
    const auto CB = file["cauchy_CB_ri"].complex(), CP = file["cauchy_CP_ri"].complex(),
               PB = file["cauchy_PB_ri"].complex(), PP = file["cauchy_PP_ri"].complex();
    const auto& node = file["node"].values;
    std::vector<Complex<double>> C_all, spectrum_all(expected_spectrum.size());
    std::vector<Complex<double>> cb(CB.size()), cp(CP.size()), pb(PB.size()), pp(PP.size());
    for (Index h = 0; h < H; ++h) {
      const auto system = parameters.system(h);
      const double dt = std::exp(parameters.log_dt(h));
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
