#include "ssm/kernel/cauchy_kernel.hpp"
#include "kernel/legs_system.hpp"
#include "ssm/discretize/dense.hpp"
#include "ssm/kernel/generating_function.hpp"
#include "ssm/kernel/krylov.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

#include <tuple>

using namespace ssm;

namespace {

template <class T, class Kernel>
double error_against_krylov(Kernel&& kernel, const DplrSystem<double>& system, double dt, Index length) {
  const auto discrete = discretize(Bilinear{}, system, dt);
  std::vector<T> K(static_cast<std::size_t>(length));
  kernel(system, kernel::truncated_output(discrete, {kernel.points(), 1}), dt, K);
  const auto exact = kernel::krylov(dense(discrete), length);
  const Vector<double> got = Eigen::Map<const Vector<T>>(K.data(), length).template cast<double>();
  return (got - exact).cwiseAbs().maxCoeff() / exact.cwiseAbs().maxCoeff();
}

template <class T, class A>
struct Of {
  using scalar = T;
  using kernel = kernel::CauchyKernel<T, fft::EigenBackend, A>;
};
using AllKernels =
    std::tuple<Of<float, simd::native>, Of<double, simd::native>, Of<float, simd::scalar>, Of<double, simd::scalar>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("the Cauchy kernel in lanes is the Krylov kernel", "[kernel]", AllKernels) {
  using T = typename TestType::scalar;
  const Index length = GENERATE(1, 2, 97, 128, 1000);
  typename TestType::kernel kernel(length);
  const Index N = GENERATE(1, 2, 3, 8, 64);
  const double dt = GENERATE(1e-3, 1e-2, 1e-1);
  CAPTURE(N, length, dt);
  CHECK(error_against_krylov<T>(kernel, support::legs(N), dt, length) <= tolerance::kernel<T>);
}

TEMPLATE_LIST_TEST_CASE("the Cauchy kernel in lanes holds for every rank", "[kernel]", AllKernels) {
  using T = typename TestType::scalar;
  const Index N = GENERATE(2, 5, 16), R = GENERATE(0, 1, 2, 3, max_rank), length = GENERATE(50, 256);
  const bool free = GENERATE(false, true);
  typename TestType::kernel kernel(length);
  CAPTURE(N, R, length, free);
  CHECK(error_against_krylov<T>(kernel, support::random_dplr(N, R, 31, free), 0.05, length) <= tolerance::kernel<T>);
}

TEMPLATE_LIST_TEST_CASE("slow modes that turn fast and meet a node cost the Cauchy kernel no digits", "[kernel]",
                        AllKernels) {
  using T = typename TestType::scalar;
  const Index L = 4096;
  typename TestType::kernel kernel(L);
  const double dt = 1e-3;  // a mode's peak is then as wide as the distance of nodes
  DplrSystem<double> system = support::random_dplr(4, 0, 3);
  for (const Index j : {700, 1301}) {  // the nodes they meet
    const double tau = std::tan(3.14159265358979 * static_cast<double>(j) / static_cast<double>(L));
    system.Lambda << Complex<double>(-0.5, 2 / dt * tau), Complex<double>(-0.5, 1.9 / dt * tau);
    CHECK(error_against_krylov<T>(kernel, system, dt, L) <= tolerance::kernel<T>);
  }
}

TEST_CASE("the Cauchy kernel keeps its buffers and says what it takes", "[kernel]") {
  const auto system = support::legs(16);
  kernel::CauchyKernel<float> kernel(1000);
  CHECK(kernel.points() == fft::fast_length(1000));
  const auto C_tilde = kernel::truncated_output(discretize(Bilinear{}, system, 0.01), {kernel.points(), 1});
  std::vector<float> K(1000), again(10);
  kernel(system, C_tilde, 0.01, K);
  const support::AllocationCounter counter;
  kernel(system, C_tilde, 0.01, again);
  const std::size_t allocations = counter.count();
  CHECK(allocations == 0);
  CHECK(std::equal(again.begin(), again.end(), K.begin()));
  std::vector<float> long_one(static_cast<std::size_t>(kernel.points()) + 1);
  CHECK_THROWS_WITH(kernel(system, C_tilde, 0.01, long_one),
                    support::ContainsSubstring("length of the kernel") && support::ContainsSubstring("1001"));
  CHECK_THROWS_WITH(kernel(system, C_tilde.head(3), 0.01, K), support::ContainsSubstring("modes of C~"));
  CHECK_THROWS_AS(kernel(system, C_tilde, 0.0, K), DomainError);
  CHECK_THROWS_AS(kernel::CauchyKernel<float>(0), DomainError);
}
