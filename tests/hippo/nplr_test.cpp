#include "ssm/hippo/nplr.hpp"
#include "hippo/all_measures.hpp"
#include "support/golden.hpp"
#include "support/tolerance.hpp"

using namespace ssm;

TEMPLATE_LIST_TEST_CASE("NPLR reassembles the HiPPO matrix in a unitary basis", "[hippo]", AllMeasures) {
  const Index N = GENERATE(1, 2, 3, 8, 31, 64);
  const Eigen::MatrixXd A = hippo::transition(TestType{}, N);
  const hippo::Nplr nplr = hippo::nplr(TestType{}, N);
  const double residual = (nplr.reassemble() - A).cwiseAbs().maxCoeff() / A.cwiseAbs().maxCoeff();
  const double orthogonality = (nplr.V.adjoint() * nplr.V - Eigen::MatrixXcd::Identity(N, N)).cwiseAbs().maxCoeff();
  CAPTURE(N, residual, orthogonality);
  CHECK(residual <= tolerance::matrix(N));
  CHECK(orthogonality <= tolerance::matrix(N));
  CHECK((nplr.V * nplr.B - hippo::input(TestType{}, N)).cwiseAbs().maxCoeff() <= 16 * tolerance::matrix(N));
}

TEMPLATE_LIST_TEST_CASE("conjugate modes mirror one another, a real one comes first", "[hippo]", AllMeasures) {
  const Index N = GENERATE(1, 2, 5, 8);
  const hippo::Nplr nplr = hippo::nplr(TestType{}, N), half = nplr.half();
  CHECK(half.Lambda.size() == (N + 1) / 2);
  for (Index n = 0; n < N; ++n) {
    CHECK(nplr.Lambda(n) == std::conj(nplr.Lambda(N - 1 - n)));
    if (n > 0) CHECK(nplr.Lambda(n).imag() >= nplr.Lambda(n - 1).imag());
  }
  if (N % 2 == 1) {
    CHECK(half.Lambda(0).imag() == 0);
    CHECK(half.B(0).imag() == 0);
    CHECK(half.P.row(0).imag().cwiseAbs().maxCoeff() == 0);
  }
}

TEST_CASE("the normal part of LegS has real part -1/2", "[hippo]") {
  const auto Lambda = hippo::nplr(hippo::LegS{}, 64).Lambda;
  CHECK((Lambda.real().array() + 0.5).abs().maxCoeff() <= 1e-14);
}

TEMPLATE_LIST_TEST_CASE("the spectrum and the moduli in its basis are the reference's", "[hippo][golden]",
                        AllMeasures) {
  for (const auto& path : support::golden_files("hippo", measure_name(TestType{}) + "_")) {
    const support::Safetensors file(path);
    const Index N = file["B"].size(0), R = file["P"].size(1);
    CAPTURE(path, N);
    const hippo::Nplr nplr = hippo::nplr(TestType{}, N);
    const auto Lambda = file["Lambda_ri"].complex();
    // Lambda = 0 for all N of Fourier with N = 2: relative to 1 then
    double peak = 1e-300, error = 0;
    for (Index n = 0; n < N; ++n) {
      peak = std::max(peak, std::abs(Lambda[std::size_t(n)]));
      error = std::max(error, std::abs(nplr.Lambda(n) - Lambda[std::size_t(n)]));
    }
    CHECK(error <= file.tolerance() * std::max(peak, 1.0));
    // within a group of equal eigenvalues the basis is free: compare the length of each row's projection on the group
    for (Index first = 0, last = 0; first < N; first = last) {
      while (last < N && std::abs(Lambda[std::size_t(last)] - Lambda[std::size_t(first)]) <= 1e-9 * std::max(peak, 1.0))
        ++last;
      for (Index r = 0; r <= R; ++r) {
        double got = 0, expected = 0;
        for (Index n = first; n < last; ++n) {
          got += std::norm(r < R ? nplr.P(n, r) : nplr.B(n));
          const double modulus =
              r < R ? file["absP"].values[std::size_t(n * R + r)] : file["absB"].values[std::size_t(n)];
          expected += modulus * modulus;
        }
        CHECK(std::abs(std::sqrt(got) - std::sqrt(expected)) <=
              file.tolerance() * std::max(nplr.P.cwiseAbs().maxCoeff(), nplr.B.cwiseAbs().maxCoeff()));
      }
    }
  }
}
