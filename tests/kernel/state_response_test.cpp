#include "ssm/kernel/state_response.hpp"
#include "ssm/discretize/bilinear.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "system/random_system.hpp"

using namespace ssm;

namespace {

/// Steps the dense system.
struct Stepped {
  Vector<double> alone, driven, y;
  Stepped(const DiscreteDenseSystem<double>& system, const Vector<double>& start, const std::vector<double>& u)
      : alone(start), driven(start), y(static_cast<Index>(u.size())) {
    for (Index k = 0; k < y.size(); ++k) {
      alone = (system.A_bar * alone).eval();
      driven = (system.A_bar * driven + system.B_bar * u[static_cast<std::size_t>(k)]).eval();
      y(k) = (system.C * alone)(0);
    }
  }
};

template <class Discrete>
void check(const Discrete& discrete, const DiscreteDenseSystem<double>& system, Index length, Index block) {
  const Index N = system.states();
  Random random(1);
  const Vector<double> start = Vector<double>::NullaryExpr(N, [&] { return random.normal(); });
  std::vector<double> u(static_cast<std::size_t>(length)), got(u.size(), 1.0);
  for (auto& sample : u) sample = random.normal();
  const kernel::StateResponse<double> response(discrete, block);
  kernel::StateResponse<double>::Workspace work(N, block, length);
  const Index whole = length / block * block;
  Vector<double> x = start;
  const support::AllocationCounter counter;
  response.add_free_response({start.data(), static_cast<std::size_t>(N)}, {got.data(), length, 1}, work);
  const Index taken = response.drive(u, {x.data(), static_cast<std::size_t>(N)}, work);
  CHECK(counter.count() == 0);
  CAPTURE(N, length, block);
  CHECK(taken == whole);
  const Stepped expected(system, start, u);
  for (Index k = 0; k < length; ++k) CHECK(std::abs(got[std::size_t(k)] - 1 - expected.y(k)) <= 1e-11);
  u.resize(static_cast<std::size_t>(whole));
  CHECK((x - Stepped(system, start, u).driven).cwiseAbs().maxCoeff() <= 1e-11);
}

}  // namespace

TEST_CASE("the thin factors give what stepping gives", "[kernel]") {
  const Index N = GENERATE(1, 2, 7, 16), length = GENERATE(0, 1, 2, 3, 15, 16, 17, 101), block = GENERATE(1, 4, 10);
  const auto drawn = support::random_dplr(N, 1, 17);
  const auto dplr = dense(discretize(Bilinear{}, drawn, 0.07));
  check(dplr, dplr, length, block);
  const auto diagonal = discretize(Bilinear{}, DiagonalSystem<double>{N, drawn.Lambda, drawn.B, drawn.C}, 0.07);
  check(diagonal, dense(ssm::dplr(diagonal)), length, block);
}

TEST_CASE("a block of no steps is refused", "[kernel]") {
  const auto system = dense(discretize(Bilinear{}, support::random_dplr(2, 1, 17), 0.07));
  CHECK_THROWS_AS(kernel::StateResponse<double>(system, 0), DomainError);
}
