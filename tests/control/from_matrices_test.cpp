// Systems of one's own, as matrices: what scipy answers to them, every layer that can hold them answers.
#include "ssm/control/from_matrices.hpp"
#include "ssm/control/analysis.hpp"
#include "ssm/core/thread_pool.hpp"
#include "ssm/layer/state_space.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace ssm;

namespace {

Matrix<double> matrix(const support::Tensor& tensor) {
  Matrix<double> result(tensor.size(0), tensor.size(1));
  for (Index i = 0; i < result.rows(); ++i)
    for (Index j = 0; j < result.cols(); ++j) result(i, j) = tensor.values[std::size_t(i * result.cols() + j)];
  return result;
}

/// Returns a layer's output for a sequence from rest, row by row.
template <class Layer>
std::vector<double> answer(const Layer& layer, const support::Tensor& u, Index outputs) {
  using T = typename Layer::Scalar;
  const Index L = u.size(0), inputs = u.size(1);
  const std::vector<T> input(u.values.begin(), u.values.end());
  std::vector<T> y(static_cast<std::size_t>(L * outputs));
  auto state = layer.initial_state();
  layer.forward(ConstSequence<T>(input.data(), L, inputs), Sequence<T>(y.data(), L, outputs), state);
  return {y.begin(), y.end()};
}

std::vector<Complex<double>> sorted(const Array<Complex<double>>& poles) {
  std::vector<Complex<double>> all(poles.begin(), poles.end());
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return std::pair(a.real(), a.imag()) < std::pair(b.real(), b.imag()); });
  return all;
}

/// A system of N states that decays, with some eigenvalues real and some complex.
Matrices decaying(Index N, Index inputs, Index outputs, Random& random) {
  const auto drawn = [&](Index rows, Index cols) {
    return Matrix<double>(Matrix<double>::NullaryExpr(rows, cols, [&] { return random.normal(); }));
  };
  Matrices own{drawn(N, N), drawn(N, inputs), drawn(outputs, N), drawn(outputs, inputs)};
  own.A -= 2 * std::sqrt(static_cast<double>(N)) * Matrix<double>::Identity(N, N);
  return own;
}

}  // namespace

TEST_CASE("a system as matrices answers as scipy does, in every layer that holds it", "[layer]") {
  for (const auto& path : support::made_files("own")) {
    CAPTURE(path);
    const support::Safetensors file(path);
    const double tolerance = file.tolerance(), dt = file["dt"].values[0];
    const Matrices theirs{matrix(file["A_bar"]), matrix(file["B_bar"]), matrix(file["C"]), matrix(file["D"])};
    const Matrices here = of_previous_state(theirs);
    const auto& u = file["u"];
    const auto& y = file["y"].values;
    const Index inputs = theirs.B.cols(), outputs = theirs.C.rows();
    const auto check = [&](const auto& layer) {
      CHECK(support::relative_error(answer(layer, u, outputs), y) <= tolerance);
    };

    const auto dense = StateSpace<double>::discrete(here);
    const RectangularS5<double> modes(from_discrete<RectangularS5<double>>(here, dt));
    check(dense);
    check(modes);
    check(RectangularS5<double>(from_discrete<RectangularS5<double>>(here, dt, Bilinear{})));
    CHECK(support::relative_error(answer(StateSpace<float>::discrete(here), u, outputs), y) <= 5e-6);
    if (inputs == 1 && outputs == 1) {
      check(S4D<double>(from_discrete<S4D<double>>(here, dt)));
      check(S4D<double>(from_discrete<S4D<double>>(here, dt, Bilinear{})));
      check(S4<double>(from_discrete<S4<double>>(here, dt)));
      check(S5<double>(from_discrete<S5<double>>(here, dt)));
      check(LSSL<double>(from_discrete<LSSL<double>>(here, dt)));
      check(LSSL<double>(from_discrete<LSSL<double>>(here, dt, ZeroOrderHold{})));
      check(LSSL<double>(from_discrete<LSSL<double>>(here, dt, ForwardEuler{})));
    }

    const auto omega = std::span<const double>(file["omega"].values);
    const auto response = file["response_ri"].complex();
    CHECK(support::relative_error(frequency_response(dense, omega), response) <= tolerance);
    CHECK(support::relative_error(frequency_response(modes, omega), response) <= tolerance);
    CHECK(support::relative_error(sorted(poles(dense)), file["poles_ri"].complex()) <=
          1e-8);  // double ones move as sqrt(eps)

    if (!file.contains("A")) continue;
    const Matrices continuous{matrix(file["A"]), matrix(file["B"]), theirs.C, theirs.D};
    const StateSpace<double> held(continuous, dt, ZeroOrderHold{});
    CHECK((held.matrices().A - theirs.A).norm() <= tolerance * theirs.A.norm());
    CHECK((held.matrices().B - theirs.B).norm() <= tolerance * theirs.B.norm());
    const auto expected = answer(held, u, outputs);
    const auto same = [&](const auto& layer) {
      CHECK(support::relative_error(answer(layer, u, outputs), expected) <= tolerance);
    };
    same(RectangularS5<double>(from_continuous<RectangularS5<double>>(continuous, dt)));
    if (inputs == 1 && outputs == 1) {
      same(S4D<double>(from_continuous<S4D<double>>(continuous, dt)));
      auto dense_parameters = from_continuous<LSSL<double>>(continuous, dt);
      same(LSSL<double>(dense_parameters, ZeroOrderHold{}));
      const auto bilinear = answer(LSSL<double>(dense_parameters), u, outputs);
      CHECK(support::relative_error(answer(S4<double>(from_continuous<S4<double>>(continuous, dt)), u, outputs),
                                    bilinear) <= tolerance);
    }
  }
}

TEST_CASE("S4 takes a HiPPO matrix of one's own with its low rank", "[layer]") {
  const auto check = [](auto measure, Index N) {
    CAPTURE(N);
    const Matrix<double> A = hippo::transition(measure, N), B = hippo::input(measure, N);
    const Matrices own{A, B, Matrix<double>::Ones(1, N), Matrix<double>::Constant(1, 1, 0.5)};
    const auto expected = LSSL<double>(from_continuous<LSSL<double>>(own, 0.01)).impulse_response(100);
    const S4<double> layer(from_continuous<S4<double>>(own, hippo::low_rank(measure, N), 0.01));
    CHECK(support::relative_error(layer.impulse_response(100), expected) <= 1e-9);
  };
  for (const Index N : {1, 2, 5, 16, 33}) {
    check(hippo::LegS{}, N);
    check(hippo::LegT{}, N);
  }
  const Matrix<double> A = hippo::transition(hippo::LegS{}, 4);
  const Matrices own{A, Matrix<double>::Ones(4, 1), Matrix<double>::Ones(1, 4), Matrix<double>::Zero(1, 1)};
  CHECK_THROWS_WITH(from_continuous<S4<double>>(own, Matrix<double>::Ones(4, 1), 0.01),
                    support::ContainsSubstring("A + P P^T: expected a skew matrix"));
  CHECK_THROWS_WITH(from_continuous<S4<double>>(own, Matrix<double>::Ones(3, 1), 0.01),
                    support::ContainsSubstring("rows of P: expected 4, got 3"));
}

TEST_CASE("several systems are as many features", "[layer]") {
  Random random(2);
  const std::vector<Matrices> own{decaying(4, 1, 1, random), decaying(4, 1, 1, random), decaying(4, 1, 1, random)};
  const auto together = LSSL<double>(from_continuous<LSSL<double>>(std::span<const Matrices>(own), 0.1));
  const auto response = together.impulse_response(20);
  for (Index h = 0; h < 3; ++h) {
    const auto alone = LSSL<double>(from_continuous<LSSL<double>>(own[std::size_t(h)], 0.1)).impulse_response(20);
    for (Index k = 0; k < 20; ++k) CHECK(response(k, h) == alone(k, 0));
  }
}

TEST_CASE("matrices that a layer cannot hold are refused by name", "[layer]") {
  Random random(2);
  const Matrices fine = decaying(3, 1, 1, random);
  const auto with_A = [&](const Matrix<double>& A) {
    Matrices other = fine;
    other.A = A;
    return other;
  };
  const auto says = [](const char* text) { return support::ContainsSubstring(text); };
  const Matrices jordan = with_A(Matrix<double>{{-1, 1, 0}, {0, -1, 1}, {0, 0, -1}});
  CHECK_THROWS_WITH(from_continuous<S4D<double>>(jordan, 0.1),
                    says("A: expected a matrix with a basis of eigenvectors"));
  CHECK_THROWS_WITH(from_continuous<S5<double>>(jordan, 0.1),
                    says("A: expected a matrix with a basis of eigenvectors"));
  CHECK_NOTHROW(LSSL<double>(from_continuous<LSSL<double>>(jordan, 0.1)));
  const Matrices growing = with_A(Matrix<double>{{0.5, 0, 0}, {0, -1, 0}, {0, 0, -2}});
  CHECK_THROWS_WITH(from_continuous<S4D<double>>(growing, 0.1), says("A: expected modes that do not grow"));
  CHECK_THROWS_WITH(from_continuous<S4<double>>(growing, 0.1), says("A: expected modes that do not grow"));
  CHECK_NOTHROW(from_continuous<S5<double>>(growing, 0.1));
  const Matrices delay = with_A(Matrix<double>{{0, 0, 0}, {0, 0.5, 0}, {0, 0, 0.2}});
  CHECK_THROWS_WITH(from_discrete<S4D<double>>(delay, 0.1),
                    says("expected one that a zero-order hold can give, got 0"));
  CHECK_NOTHROW(from_discrete<S4D<double>>(delay, 0.1, Bilinear{}));
  CHECK_THROWS_WITH(of_previous_state(delay), says("A: expected a matrix with an inverse"));
  const Matrices turned = with_A(Matrix<double>{{-1, 0, 0}, {0, 0.5, 0}, {0, 0, 0.2}});
  CHECK_THROWS_WITH(from_discrete<LSSL<double>>(turned, 0.1), says("A: expected a matrix that a bilinear can give"));
  CHECK_NOTHROW(from_discrete<LSSL<double>>(turned, 0.1, ForwardEuler{}));
  CHECK_THROWS_WITH(from_continuous<S4D<double>>(fine, 0.0), says("dt: expected a positive finite number, got 0"));
  CHECK_THROWS_WITH(from_continuous<S4D<double>>(decaying(3, 2, 1, random), 0.1), says("inputs of a feature's system"));
  CHECK_THROWS_WITH(from_continuous<S5<double>>(with_A(Matrix<double>::Ones(2, 2)), 0.1),
                    says("rows of B: expected 2"));
  CHECK_THROWS_AS(from_continuous<S5<double>>(with_A(Matrix<double>::Constant(3, 3, std::nan(""))), 0.1), DomainError);
  CHECK_THROWS_WITH(S5<double>(from_continuous<S5<double>>(decaying(3, 2, 3, random), 0.1)), says("see RectangularS5"));
  CHECK_THROWS_WITH(S5<double>(from_continuous<S5<double>>(decaying(3, 2, 2, random), 0.1)),
                    says("D: expected a vector"));
}

TEST_CASE("an undamped system keeps turning", "[layer]") {
  const double turn = 0.3;
  const Matrices own{Matrix<double>{{0, -turn}, {turn, 0}}, Matrix<double>{{1}, {0}}, Matrix<double>{{1, 0}},
                     Matrix<double>{{0}}};
  const auto check = [&](const auto& layer) {
    const auto response = layer.impulse_response(10001);
    CHECK(std::abs(response(10000, 0) / response(0, 0) - std::cos(turn * 10000) -
                   std::sin(turn * 10000) * (response(1, 0) / response(0, 0) - std::cos(turn)) / std::sin(turn)) <=
          1e-8);
  };
  check(S4D<double>(from_continuous<S4D<double>>(own, 1.0)));
  check(S5<double>(from_continuous<S5<double>>(own, 1.0)));
}

TEST_CASE("an integrator adds up", "[layer]") {
  const Matrices own{Matrix<double>{{0}}, Matrix<double>{{1}}, Matrix<double>{{1}}, Matrix<double>{{0}}};
  const auto check = [](const auto& layer) {
    const auto response = layer.impulse_response(10001);
    CHECK(std::abs(response(0, 0) - 0.1) <= 1e-15);
    CHECK(std::abs(response(10000, 0) - 0.1) <= 1e-15);
    std::vector<double> u(10000, 1), y(u.size());
    auto state = layer.initial_state();
    layer.forward(ConstSequence<double>(u.data(), 10000, 1), Sequence<double>(y.data(), 10000, 1), state);
    CHECK(std::abs(y.back() - 1000) <= 1e-9);
  };
  check(S4D<double>(from_continuous<S4D<double>>(own, 0.1)));
  check(S4<double>(from_continuous<S4<double>>(own, 0.1)));
  check(S5<double>(from_continuous<S5<double>>(own, 0.1)));
  auto slower = from_continuous<S4D<double>>(own, 0.1);
  slower.A_re_log(0, 0) = -700;  // e^-700 is next to the smallest number there is
  check(S4D<double>(slower));
}

TEST_CASE("a rectangular S5 steps, runs in pieces and in threads as it runs as a whole", "[layer]") {
  Random random(5);
  for (const auto& sizes : {std::pair<Index, Index>{3, 2}, {1, 4}, {5, 5}, {20, 3}}) {
    const Index inputs = sizes.first, outputs = sizes.second;
    CAPTURE(inputs, outputs);
    const RectangularS5<double> layer(
        from_continuous<RectangularS5<double>>(decaying(6, inputs, outputs, random), 0.1));
    CHECK(layer.inputs() == inputs);
    CHECK(layer.outputs() == outputs);
    const Index L = 3000;
    Array<double> u(L, inputs), y(L, outputs), z(L, outputs);
    for (auto& value : u) value = random.normal();
    const ConstSequence<double> input(u.data(), L, inputs);
    const Sequence<double> whole(y.data(), L, outputs), other(z.data(), L, outputs);
    auto state = layer.initial_state();
    layer.forward(input, whole, state);
    ThreadPool pool(2);
    auto threaded = layer.initial_state();
    layer.forward(input, other, threaded, algorithm::scan{pool});
    CHECK(std::equal(y.begin(), y.end(), z.begin()));
    auto stepped = layer.initial_state();
    {
      const support::AllocationCounter counter;
      for (Index k = 0; k < L; ++k) layer.step(input.row(k), other.row(k), stepped);
      CHECK(counter.count() == 0);
    }
    CHECK(support::relative_error(z, y) <= 1e-12);
    auto pieces = layer.initial_state();
    layer.forward(input.block(0, 1700), other.block(0, 1700), pieces);
    layer.forward(input.block(1700, L - 1700), other.block(1700, L - 1700), pieces);
    CHECK(support::relative_error(z, y) <= 1e-12);
    if (inputs == outputs) {
      const Sequence<double> in_place(u.data(), L, inputs);
      CHECK_THROWS_WITH(layer.forward(ConstSequence<double>(in_place), in_place, pieces),
                        support::ContainsSubstring("memory of y: expected its own"));
    }
    CHECK_THROWS_AS(layer.forward(input, Sequence<double>(z.data(), L / 2, outputs), pieces), ShapeError);
  }
}

TEST_CASE("gradients of a rectangular S5 are those of differences", "[layer]") {
  Random random(6);
  for (const auto& sizes : {std::pair<Index, Index>{3, 2}, {2, 4}, {2, 2}}) {
    const Index inputs = sizes.first, outputs = sizes.second;
    CAPTURE(inputs, outputs);
    const Index L = 12;
    auto parameters = from_continuous<RectangularS5<double>>(decaying(5, inputs, outputs, random), 0.1);
    std::vector<double> u(std::size_t(L * inputs)), dy(std::size_t(L * outputs)), y(dy.size()), du(u.size());
    for (auto& value : u) value = random.normal();
    for (auto& value : dy) value = random.normal();
    const auto loss = [&](const S5Parameters<double>& at) {
      const RectangularS5<double> layer(at);
      auto state = layer.initial_state();
      layer.forward(ConstSequence<double>(u.data(), L, inputs), Sequence<double>(y.data(), L, outputs), state);
      return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
    };
    const RectangularS5<double> layer(parameters);
    auto cotangent = layer.cotangent();
    layer.forward_vjp(ConstSequence<double>(u.data(), L, inputs), ConstSequence<double>(dy.data(), L, outputs),
                      Sequence<double>(du.data(), L, inputs), cotangent);
    S5Parameters<double> gradient = parameters;
    S5Parameters<double>::each(gradient, [](const char*, auto& array, Role) {
      for (auto& value : array) value = 0;
    });
    layer.parameters_vjp(cotangent, gradient);
    const auto slope = [&](auto& value, auto direction) {
      const auto kept = value;
      constexpr double step = 1e-5;
      value = kept + step * direction;
      const double above = loss(parameters);
      value = kept - step * direction;
      const double below = loss(parameters);
      value = kept;
      return (above - below) / (2 * step);
    };
    std::map<std::string, std::vector<Complex<double>>> found;
    S5Parameters<double>::each(gradient, [&](const char* name, auto& array, Role) {
      for (const auto& value : array) found[name].push_back(Complex<double>(value));
    });
    S5Parameters<double>::each(parameters, [&](const char* name, auto& array, Role) {
      CAPTURE(name);
      auto expected = found[name].begin();
      for (auto& value : array) {
        CHECK(std::abs(slope(value, 1.0) - expected->real()) <= 1e-6 * (1 + std::abs(*expected)));
        if constexpr (!std::is_floating_point_v<std::remove_reference_t<decltype(value)>>)
          CHECK(std::abs(slope(value, Complex<double>(0, 1)) - expected->imag()) <= 1e-6 * (1 + std::abs(*expected)));
        ++expected;
      }
    });
    for (std::size_t i = 0; i < u.size(); ++i)
      CHECK(std::abs(slope(u[i], 1.0) - du[i]) <= 1e-6 * (1 + std::abs(du[i])));
  }
}

TEST_CASE("a dense system of several inputs rests in its steady state and starts without a click", "[layer]") {
  Random random(7);
  const StateSpace<double> dense(decaying(5, 2, 3, random), 0.1);
  const RectangularS5<double> modes(from_continuous<RectangularS5<double>>(decaying(5, 2, 3, random), 0.1));
  const std::vector<double> u{0.7, -1.3};
  const auto check = [&](const auto& layer) {
    auto state = steady_state(layer, std::span<const double>(u));
    std::vector<double> first(3), later(3);
    layer.step(u, first, state);
    for (int k = 0; k < 100; ++k) layer.step(u, later, state);
    CHECK(support::relative_error(later, first) <= 1e-12);
    const std::vector<double> still{0};
    const auto response = frequency_response(layer, std::span<const double>(still));
    for (Index out = 0; out < 3; ++out)
      CHECK(std::abs(response(0, out, 0) * u[0] + response(0, out, 1) * u[1] - first[std::size_t(out)]) <= 1e-12);
  };
  check(dense);
  check(modes);
}
