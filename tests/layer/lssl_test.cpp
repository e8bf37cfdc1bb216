#include "ssm/layer/lssl.hpp"
#include "layer/dense_oracle.hpp"
#include "support/fftw.hpp"

#include <Eigen/Eigenvalues>

using namespace ssm;

namespace {

template <class T, class Measure, class Method>
void check_against_dense(Measure measure, Index N, double dt, Method method) {
  Random random(7);
  const auto parameters = initial<LSSL<T>>(measure, {.features = 2, .states = N, .dt_min = dt, .dt_max = dt}, random);
  LSSLParameters<double> wide(2, N);
  for (Index h = 0; h < 2; ++h) {
    wide.set(h, parameters.system(h));
    wide.D(h) = double(parameters.D(h));
    wide.log_dt(h) = double(parameters.log_dt(h));
  }
  const LSSL<T> layer(parameters, method);
  const auto u = laws::noise<T>(2000, 2);
  const auto exact = support::dense_response(wide, method, 1, u);
  CAPTURE(N, dt);
  CHECK(laws::distance(laws::run_from_rest(layer, u).template cast<double>(), exact) <= tolerance::recurrence<T>);
  CHECK(laws::distance(laws::run_from_rest(layer, u, algorithm::convolution{}).template cast<double>(), exact) <=
        tolerance::convolution<T>);
}

}  // namespace

TEMPLATE_TEST_CASE("LSSL is the dense fp64 system, for every measure and method", "[layer]", float, double) {
  const Index N = GENERATE(1, 15, 32);
  const double dt = GENERATE(1e-3, 1e-1);
  check_against_dense<TestType>(hippo::LegS{}, N, dt, Bilinear{});
  check_against_dense<TestType>(hippo::LegS{}, N, dt, ZeroOrderHold{});
  check_against_dense<TestType>(hippo::LegT{}, N, dt, Bilinear{});
  check_against_dense<TestType>(hippo::LagT{}, N, dt, GeneralizedBilinear{0.7});
  check_against_dense<TestType>(hippo::Fourier{}, N, dt, BackwardEuler{});
}

TEST_CASE("LSSL satisfies the concept and takes every discretization", "[layer]") {
  STATIC_REQUIRE(SSMLayer<LSSL<float>>);
  STATIC_REQUIRE(SSMLayer<LSSL<double, 16>>);
  STATIC_REQUIRE(SSMLayer<LSSL<float, dynamic, double>>);
  STATIC_REQUIRE(std::constructible_from<LSSL<float>, const LSSLParameters<float>&, ForwardEuler>);
  STATIC_REQUIRE(std::constructible_from<LSSL<float>, const LSSLParameters<float>&, GeneralizedBilinear, Sampling>);
}

TEST_CASE("LSSL refuses parameters that are no layer", "[layer]") {
  Random random(1);
  const auto good = initial<LSSL<float>>(hippo::LegS{}, {.features = 2, .states = 5}, random);
  auto bad = good;
  bad.A = Array<float>(2, 5, 4);
  CHECK_THROWS_WITH(LSSL<float>(bad), "A: expected shape (2, 5, 5), got (2, 5, 4)");
  bad = good;
  bad.A(1, 1, 1) = std::nanf("");
  CHECK_THROWS_AS(LSSL<float>(bad), DomainError);
  CHECK_THROWS_AS(LSSL<float>(good, {.rate = 0}), DomainError);
  CHECK_THROWS_AS((LSSL<float, 6>(good)), ShapeError);
  CHECK_THROWS_AS((initial<LSSL<float>>(hippo::LegS{}, {.features = 1, .dt_min = 1, .dt_max = 0.1}, random)),
                  DomainError);
  CHECK_THROWS_AS(bad.set(0, {Eigen::MatrixXd(4, 4), Eigen::MatrixXd(4, 1), Eigen::MatrixXd(1, 4)}), ShapeError);
}

namespace {

/// Directions above 1 % of the largest singular value that all kernels of a layer span over 196 steps, whatever its C.
Index directions(const LSSLParameters<double>& parameters) {
  constexpr Index L = 196;
  Matrix<double> gram = Matrix<double>::Zero(L, L), table(L, parameters.states);
  for (Index h = 0; h < parameters.features(); ++h) {
    const auto system = discretize(Bilinear{}, parameters.system(h), std::exp(parameters.log_dt(h)));
    Vector<double> x = system.B_bar;
    for (Index k = 0; k < L; ++k) {
      table.row(k) = x.transpose();
      x = (system.A_bar * x).eval();
    }
    gram += table * table.transpose();
  }
  const Eigen::SelfAdjointEigenSolver<Matrix<double>> solver(gram, Eigen::EigenvaluesOnly);
  const auto squares = solver.eigenvalues();
  return (squares.array() > 1e-4 * squares.maxCoeff()).count();
}

}  // namespace

TEST_CASE("kernels of a random matrix span a few directions, HiPPO's span most", "[layer]") {
  // why a frozen random A remembers little (LSSL, section 5.4): its kernels are nearly all alike
  Random random(1);
  const LSSLShape shape{.features = 8, .states = 128};  // N of their models
  const auto of_random = initial<LSSL<double>>(RandomMatrix{}, shape, random);
  CHECK(directions(of_random) < 12);
  CHECK(directions(initial<LSSL<double>>(hippo::LegS{}, shape, random)) > 100);
  for (Index i = 0; i < 128 * 128; ++i) REQUIRE(of_random.A.data()[i] == of_random.A.data()[7 * 128 * 128 + i]);
}
