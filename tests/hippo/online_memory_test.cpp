#include "ssm/hippo/online_memory.hpp"
#include "hippo/all_measures.hpp"
#include "ssm/discretize/dense.hpp"
#include "support/allocation.hpp"
#include "support/golden.hpp"
#include "support/tolerance.hpp"

using namespace ssm;
using Memory = hippo::OnlineMemory<hippo::LegS>;

namespace {

template <class Measure>
hippo::OnlineMemory<Measure> memory_of(Index N, double window) {
  if constexpr (std::is_same_v<Measure, hippo::LegS>) {
    return hippo::OnlineMemory<Measure>(N);
  } else {
    return hippo::OnlineMemory<Measure>(N, window);
  }
}
/// Returns the rate of time in the measure's matrix at time t.
template <class Measure>
double pace(double window, double t) {
  return std::is_same_v<Measure, hippo::LegS> ? 1 / t : hippo::Basis<Measure>::extent / window;
}
template <class Measure>
DenseSystem<double> system_of(Index N) {
  return {hippo::transition(Measure{}, N), hippo::input(Measure{}, N), Eigen::MatrixXd::Zero(1, N)};
}

template <class Measure, class Method>
void check_update(Index N, Method method) {
  const double window = 30;
  auto memory = memory_of<Measure>(N, window);
  Eigen::VectorXd c = Eigen::VectorXd::Zero(N);
  for (int k = 1; k <= 50; ++k) {
    const double sample = std::sin(0.3 * k), duration = k % 3 == 0 ? 0.4 : 1;  // uneven
    memory.update(sample, method, duration);
    const auto step = discretize(method, system_of<Measure>(N), duration * pace<Measure>(window, memory.time()));
    c = step.A_bar * c + step.B_bar * sample;
    CHECK((memory.coefficients() - c).cwiseAbs().maxCoeff() <= tolerance::matrix(N) * 16);
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("the O(N) update is the dense step, also when uneven", "[hippo]", AllMeasures) {
  const Index N = GENERATE(1, 2, 5, 32);
  CAPTURE(N);
  check_update<TestType>(N, Bilinear{});
  check_update<TestType>(N, BackwardEuler{});
  if (N <= 2) check_update<TestType>(N, ForwardEuler{});  // unstable beyond
}

TEMPLATE_LIST_TEST_CASE("the rate of change is the measure's equation", "[hippo]", AllMeasures) {
  const Index N = 8;
  const double window = 3, step = 1e-4;
  const auto f = [](double t) { return std::sin(t) + 0.3 * std::cos(5 * t); };
  auto memory = memory_of<TestType>(N, window);
  for (int k = 0; k < 20'000; ++k) memory.update(f((k + 0.5) * step), step);
  const Eigen::VectorXd before = memory.coefficients();
  memory.update(f(memory.time() + step / 2), step);
  const double middle = memory.time() - step / 2;
  const Eigen::VectorXd rate = (memory.coefficients() - before) / step, c = (memory.coefficients() + before) / 2;
  const auto system = system_of<TestType>(N);
  const Eigen::VectorXd expected = pace<TestType>(window, middle) * (system.A * c + system.B * f(middle));
  CHECK((rate - expected).cwiseAbs().maxCoeff() <= 1e-3 * expected.cwiseAbs().maxCoeff());
}

TEST_CASE("a memory sees the past at chosen times", "[hippo]") {
  const double step = 0.05, window = 20;
  const auto f = [](double t) { return std::sin(2 * std::numbers::pi * t / 10); };  // twice a window: Fourier's case
  hippo::OnlineMemory<hippo::LegS> whole(80);
  hippo::OnlineMemory<hippo::LegT> legendre(40, window);
  hippo::OnlineMemory<hippo::LagT> laguerre(100, 1);
  hippo::OnlineMemory<hippo::Fourier> fourier(41, window);
  for (int k = 0; k < 2000; ++k) {
    const double sample = f((k + 0.5) * step);
    whole.update(sample, step);
    legendre.update(sample, step);
    laguerre.update(sample, step);
    fourier.update(sample, step);
  }
  for (const double age : {1.0, 3.7, 9.0, 15.0}) {
    const std::vector<double> time{100 - age};
    CAPTURE(age);
    CHECK(std::abs(whole.reconstruct(time)[0] - f(time[0])) < 0.05);
    CHECK(std::abs(legendre.reconstruct(time)[0] - f(time[0])) < 0.02);
    CHECK(std::abs(fourier.reconstruct(time)[0] - f(time[0])) < 0.1);
    if (age < 10) CHECK(std::abs(laguerre.reconstruct(time)[0] - f(time[0])) < 0.25);  // converges slowly
  }
  CHECK(legendre.oldest() == Approx(80));
  CHECK_THROWS_AS(legendre.reconstruct(std::vector<double>{79.0}), DomainError);
  CHECK_NOTHROW(whole.reconstruct(std::vector<double>{0.0}));
}

TEST_CASE("a polynomial of the past is remembered", "[hippo]") {
  Memory memory(8);
  const int L = 4000;
  const auto f = [](double s) { return 1 + s - 2 * s * s; };
  for (int k = 0; k < L; ++k) memory.update(f((k + 0.5) / L));
  const auto past = memory.reconstruct();
  double worst = 0;
  for (int k = 0; k < L; ++k) worst = std::max(worst, std::abs(past[std::size_t(k)] - f((k + 0.5) / L)));
  CHECK(worst < 0.01);
  CHECK(memory.count() == L);
}

TEMPLATE_LIST_TEST_CASE("an update allocates nothing", "[hippo]", AllMeasures) {
  auto memory = memory_of<TestType>(64, 100);
  const support::AllocationCounter counter;
  for (int k = 0; k < 10; ++k) memory.update(1.0);
  CHECK(counter.count() == 0);
}

TEST_CASE("an online memory refuses what has no meaning", "[hippo]") {
  CHECK_THROWS_AS(Memory(0), DomainError);
  CHECK_THROWS_AS(hippo::OnlineMemory<hippo::LegT>(0, 1), DomainError);
  CHECK_THROWS_AS(hippo::OnlineMemory<hippo::LegT>(4, -1), DomainError);
  Memory memory(4);
  CHECK_THROWS_AS(memory.reconstruct(), DomainError);
  for (const double duration : {0.0, -1.0, std::nan("")}) CHECK_THROWS_AS(memory.update(1.0, duration), DomainError);
  CHECK(memory.count() == 0);
  memory.update(1.0);
  const std::vector<double> late{1.5};
  CHECK_THROWS_WITH(memory.reconstruct(late), "time to reconstruct: expected within 0..1, got 1.5");
}

TEST_CASE("coefficients and reconstruction are the reference's", "[hippo][golden]") {
  for (const auto& path : support::golden_files("hippo", "online_memory_legs_")) {
    const support::Safetensors file(path);
    const Index N = file["c_bilinear"].size(1);
    CAPTURE(path, N);
    const auto& f = file["f"].values;
    Memory bilinear(N), backward(N), forward(N);
    std::size_t next = 0;
    for (std::size_t k = 0; k < f.size(); ++k) {
      bilinear.update(f[k]);
      backward.update(f[k], BackwardEuler{});
      if (forward.count() < N) {
        forward.update(f[k]);
      } else {
        forward.update(f[k], ForwardEuler{});
      }
      if (next >= file["k"].values.size() || static_cast<double>(k + 1) != file["k"].values[next]) continue;
      const auto row = [&](const char* name) {
        const auto& all = file[name].values;
        const auto at = static_cast<std::ptrdiff_t>(next) * N;
        return std::vector<double>(all.begin() + at, all.begin() + at + N);
      };
      CHECK(support::relative_error(bilinear.coefficients(), row("c_bilinear")) <= file.tolerance());
      CHECK(support::relative_error(backward.coefficients(), row("c_backward_euler")) <= file.tolerance());
      CHECK(support::relative_error(forward.coefficients(), row("c_forward_euler")) <= file.tolerance());
      ++next;
    }
    CHECK(next == file["k"].values.size());
    const auto past = bilinear.reconstruct();
    CHECK(support::relative_error(past, file["reconstruction"].values) <= file.tolerance());
    double square = 0;
    for (std::size_t k = 0; k < f.size(); ++k) square += (past[k] - f[k]) * (past[k] - f[k]);
    CHECK(std::sqrt(square / static_cast<double>(f.size())) == Approx(file["rms_error"].values[0]).epsilon(1e-9));
  }
}
