#include "ssm/hippo/online_memory.hpp"
#include "ssm/discretize/bilinear.hpp"
#include "support/allocation.hpp"
#include "support/golden.hpp"
#include "support/tolerance.hpp"

using namespace ssm;
using Memory = hippo::OnlineMemory<hippo::LegS>;

TEST_CASE("the O(N) update is the dense bilinear step", "[hippo]") {
  const Index N = GENERATE(1, 2, 5, 32);
  Memory memory(N);
  const DenseSystem<double> system{hippo::transition(hippo::LegS{}, N), hippo::input(hippo::LegS{}, N),
                                   Eigen::MatrixXd::Zero(1, N)};
  Eigen::VectorXd c = Eigen::VectorXd::Zero(N);
  for (int k = 1; k <= 50; ++k) {
    const double sample = std::sin(0.3 * k);
    memory.update(sample);
    const auto step = discretize(Bilinear{}, system, 1.0 / k);
    c = step.A_bar * c + step.B_bar * sample;
    CHECK((memory.coefficients() - c).cwiseAbs().maxCoeff() <= tolerance::matrix(N) * 16);
  }
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

TEST_CASE("an update allocates nothing", "[hippo]") {
  Memory memory(64);
  const support::AllocationCounter counter;
  for (int k = 0; k < 10; ++k) memory.update(1.0);
  CHECK(counter.count() == 0);
}

TEST_CASE("an online memory refuses what has no meaning", "[hippo]") {
  CHECK_THROWS_AS(Memory(0), DomainError);
  Memory memory(4);
  CHECK_THROWS_AS(memory.reconstruct(), DomainError);
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
