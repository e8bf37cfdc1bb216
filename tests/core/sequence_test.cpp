#include "ssm/core/sequence.hpp"
#include "support/catch.hpp"

#include <Eigen/Dense>

#include <vector>

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Const = ssm::ConstSequence<float>;
using Mutable = ssm::Sequence<float>;

TEST_CASE("a sequence is a view of rows in time", "[core]") {
  RowMajor u(5, 3);
  for (ssm::Index i = 0; i < u.size(); ++i) u.data()[i] = static_cast<float>(i);
  const Const view = u;
  CHECK(view.length() == 5);
  CHECK(view.features() == 3);
  CHECK(view(4, 2) == u(4, 2));
  CHECK(view.row(2)[1] == u(2, 1));
  CHECK(view.block(1, 2)(0, 0) == u(1, 0));
  CHECK(view.column(1)(3, 0) == u(3, 1));
  CHECK(view.column(1).features() == 1);

  const Const part = u.block(1, 1, 3, 2);
  CHECK(part.stride() == 3);
  CHECK(part(2, 1) == u(3, 2));

  std::vector<float> samples(12);
  Mutable flat(std::span<float>(samples), 4);
  flat(2, 3) = 9;
  CHECK(samples[11] == 9);
  const Eigen::VectorXf column = Eigen::VectorXf::LinSpaced(4, 0, 3);
  CHECK(Const(column)(3, 0) == 3);
  CHECK(Const(u.col(1))(4, 0) == u(4, 1));
}

TEST_CASE("what would copy does not become a sequence", "[core]") {
  STATIC_REQUIRE(std::convertible_to<RowMajor&, Mutable>);
  STATIC_REQUIRE(std::convertible_to<const RowMajor&, Const>);
  STATIC_REQUIRE(std::convertible_to<Mutable, Const>);
  STATIC_REQUIRE_FALSE(std::convertible_to<Const, Mutable>);
  STATIC_REQUIRE_FALSE(std::convertible_to<const RowMajor&, Mutable>);
  STATIC_REQUIRE_FALSE(std::convertible_to<RowMajor, Mutable>);  // a temporary's result would be lost
  STATIC_REQUIRE_FALSE(std::convertible_to<Eigen::MatrixXf&, Const>);
  STATIC_REQUIRE_FALSE(std::convertible_to<decltype(RowMajor() + RowMajor()), Const>);
  STATIC_REQUIRE_FALSE(std::convertible_to<Eigen::MatrixXd&, Const>);
}

TEST_CASE("sizes that make no sequence are refused", "[core]") {
  std::vector<float> samples(10);
  CHECK_THROWS_WITH(Const(std::span<const float>(samples), 3), "sequence: expected a multiple of 3 values, got 10");
  CHECK_THROWS_AS(Const(samples.data(), -1, 1), ssm::DomainError);
  CHECK_THROWS_AS(Const(samples.data(), 2, 3, 2), ssm::ShapeError);
  CHECK_THROWS_WITH(Const(samples.data(), 5, 2).block(3, 3), "sequence block: expected steps within 0..5, got 3..6");
}
