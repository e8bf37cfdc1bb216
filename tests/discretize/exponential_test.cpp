#include "ssm/discretize/exponential.hpp"
#include "support/golden.hpp"

using namespace ssm;

TEST_CASE("phi_1 is 1 at 0 and smooth around it", "[discretize]") {
  CHECK(phi_1(Complex<double>(0)) == Complex<double>(1));
  for (const double size : {1e-300, 1e-20, 1e-10, 1e-5}) {
    const Complex<double> z(-size, size);
    CHECK(std::abs(phi_1(z) - (1.0 + z / 2.0 + z * z / 6.0)) <= 1e-15);
    CHECK(std::abs(expm1(z) - z * (1.0 + z / 2.0 + z * z / 6.0)) <= 1e-15 * size);
  }
}

TEST_CASE("expm1 and phi_1 are the reference's for every size of argument", "[discretize][golden]") {
  for (const auto& path : support::golden_files("discretize", "diagonal")) {
    const support::Safetensors file(path);
    const auto z = file["z_ri"].complex(), exponential = file["exp_ri"].complex(), phi = file["phi1_ri"].complex();
    for (std::size_t i = 0; i < z.size(); ++i) {
      CAPTURE(path, z[i]);
      CHECK(std::abs(std::exp(z[i]) - exponential[i]) <= file.tolerance() * std::abs(exponential[i]));
      CHECK(std::abs(phi_1(z[i]) - phi[i]) <= file.tolerance() * std::abs(phi[i]));
    }
  }
}
