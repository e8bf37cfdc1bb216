#pragma once

#include "ssm/layer/concept.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

/// Laws of every layer. Each law takes a layer, any SSMLayer; a layer is added by one line in cases.hpp.
namespace laws {

/// Returns the error of a mode.
enum class Mode { exact, transforms };

using ssm::Index;
template <class T>
using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <ssm::TimeInvariantSSMLayer L>
using Signal = Rows<typename L::Scalar>;

template <class T>
Rows<T> noise(Index length, Index features, std::uint64_t seed = 1) {
  ssm::Random random(seed);
  return Rows<T>::NullaryExpr(length, features, [&] { return static_cast<T>(random.normal()); });
}

/// Largest difference relative to the peak of `expected`, column by column apart.
template <class A, class B>
double distance(const A& got, const B& expected) {
  double worst = 0;
  for (Index h = 0; h < expected.cols() && expected.rows() > 0; ++h) {
    const double error = static_cast<double>((got.col(h) - expected.col(h)).cwiseAbs().maxCoeff());
    const double peak = static_cast<double>(expected.col(h).cwiseAbs().maxCoeff());
    worst = std::max(worst, error == 0 ? 0 : error / peak);
    if (std::isnan(error)) return HUGE_VAL;
  }
  return worst;
}

template <class L, class... M>
Signal<L> run(const L& layer, const Signal<L>& u, typename L::State& state, M... mode) {
  Signal<L> y(u.rows(), u.cols());
  layer.forward(u, y, state, mode...);
  return y;
}
template <class L, class... M>
Signal<L> run_from_rest(const L& layer, const Signal<L>& u, M... mode) {
  auto state = layer.initial_state();
  return run(layer, u, state, mode...);
}

/// A state is compared by what it does: the response it gives with no input.
template <class L>
Signal<L> free_response(const L& layer, typename L::State state, Index length = 40) {
  return run(layer, Signal<L>(Signal<L>::Zero(length, layer.features())), state);
}

inline const std::vector<Index> lengths{0, 1, 2, 3, 31, 64, 65, 127, 500};

/// `other` is the same layer in another mode; its states are the layer's.
template <class L>
void another_mode_is_the_default(const L& layer, const L& in_other_mode) {
  using T = typename L::Scalar;
  for (const Index length : lengths) {
    const auto u = noise<T>(length, layer.features());
    auto one = layer.initial_state(), other = one;
    run(layer, noise<T>(20, layer.features(), 2), one);  // not from rest
    other = one;
    Signal<L> expected(length + 40, layer.features()), got = expected;  // and then silence: the state as it is heard
    expected.topRows(length) = run(layer, u, one);
    expected.bottomRows(40) = free_response(layer, one);
    got.topRows(length) = run(in_other_mode, u, other);
    got.bottomRows(40) = free_response(layer, other);
    CAPTURE(length);
    CHECK(distance(got, expected) <= tolerance::convolution<T> + tolerance::recurrence<T>);
  }
}

template <class L>
void chunks_of_any_cut_are_the_whole(const L& layer, Mode mode) {
  using T = typename L::Scalar;
  const auto u = noise<T>(200, layer.features());
  auto whole_state = layer.initial_state();
  const auto whole = run(layer, u, whole_state);
  for (const Index chunk : {1, 2, 7, 64, 199, 200, 300}) {
    auto state = layer.initial_state();
    Signal<L> y(u.rows(), u.cols());
    for (Index first = 0; first < u.rows(); first += chunk) {
      const Index count = std::min(chunk, u.rows() - first);
      layer.forward(u.middleRows(first, count), y.middleRows(first, count), state);
    }
    CAPTURE(chunk);
    CHECK(distance(y, whole) <= tolerance::chunks<T> + (mode == Mode::transforms ? tolerance::convolution<T> : 0));
    CHECK(distance(free_response(layer, state), free_response(layer, whole_state)) <= tolerance::chunks<T> * 2);
  }
}

template <class L>
Signal<L> step_by_step(const L& layer, const Signal<L>& u, typename L::State& state) {
  using T = typename L::Scalar;
  Signal<L> y(u.rows(), u.cols());
  const auto H = static_cast<std::size_t>(layer.features());
  for (Index k = 0; k < u.rows(); ++k)
    layer.step(std::span<const T>(u.row(k).data(), H), std::span<T>(y.row(k).data(), H), state);
  return y;
}

template <class L>
void step_is_forward(const L& layer) {
  using T = typename L::Scalar;
  const auto u = noise<T>(300, layer.features());
  auto stepped = layer.initial_state(), forwarded = stepped;
  const auto y = step_by_step(layer, u, stepped);
  CHECK(distance(y, run(layer, u, forwarded)) <= tolerance::chunks<T>);
  CHECK(distance(free_response(layer, stepped), free_response(layer, forwarded)) <= tolerance::chunks<T>);
}

template <class L>
void linear_and_time_invariant(const L& layer) {
  using T = typename L::Scalar;
  const Index length = 100, delay = 17;
  const auto u = noise<T>(length, layer.features(), 1), v = noise<T>(length, layer.features(), 2);
  const Signal<L> y = run_from_rest(layer, u), z = run_from_rest(layer, v);
  const Signal<L> mixed = run_from_rest(layer, Signal<L>(T(2) * u - T(3) * v));
  CHECK(distance(mixed, Signal<L>(T(2) * y - T(3) * z)) <= 4 * tolerance::convolution<T>);
  Signal<L> late = Signal<L>::Zero(length + delay, layer.features());
  late.bottomRows(length) = u;
  const Signal<L> shifted = run_from_rest(layer, late);
  CHECK(distance(Signal<L>(shifted.bottomRows(length)), y) <= tolerance::convolution<T>);
}

template <class L>
void causal_to_the_bit(const L& layer) {
  using T = typename L::Scalar;
  const auto u = noise<T>(60, layer.features());
  auto changed = u;
  changed.row(33).array() += T(5);
  const auto y = run_from_rest(layer, u), z = run_from_rest(layer, changed);
  CHECK(y.topRows(33) == z.topRows(33));
  CHECK((y.row(33) - z.row(33)).cwiseAbs().minCoeff() > 0);
}

template <class L>
void the_impulse_response_is_the_response_to_an_impulse(const L& layer) {
  using T = typename L::Scalar;
  for (const Index length : {0, 1, 2, 97, 256}) {
    Signal<L> impulse = Signal<L>::Zero(length, layer.features());
    if (length > 0) impulse.row(0).setOnes();
    const auto response = layer.impulse_response(length);
    REQUIRE((response.rows() == length && response.columns() == layer.features()));
    const Eigen::Map<const Signal<L>> got(response.data(), length, layer.features());
    CHECK(distance(got, run_from_rest(layer, impulse)) <= tolerance::convolution<T>);
  }
  CHECK_THROWS_AS(layer.impulse_response(-1), ssm::DomainError);
}

template <class L>
void a_state_rolled_back_repeats_itself(const L& layer) {
  using T = typename L::Scalar;
  const auto u = noise<T>(50, layer.features());
  auto state = layer.initial_state();
  run(layer, u, state);
  const auto before = state;
  const auto first = run(layer, u, state);
  state = before;
  CHECK(run(layer, u, state) == first);
}

template <class L>
void const_from_two_threads(const L& layer) {
  using T = typename L::Scalar;
  const auto u = noise<T>(200, layer.features()), v = noise<T>(200, layer.features(), 9);
  const Signal<L> y = run_from_rest(layer, u), z = run_from_rest(layer, v);
  Signal<L> y_thread, z_thread;
  std::thread one([&] { y_thread = run_from_rest(layer, u); });
  std::thread two([&] { z_thread = run_from_rest(layer, v); });
  one.join();
  two.join();
  CHECK(y_thread == y);
  CHECK(z_thread == z);
}

template <class L>
void step_allocates_nothing(const L& layer) {
  using T = typename L::Scalar;
  const auto H = static_cast<std::size_t>(layer.features());
  std::vector<T> u(H, T(1)), y(H);
  auto state = layer.initial_state();
  const support::AllocationCounter counter;
  for (int k = 0; k < 10; ++k) layer.step(u, y, state);
  CHECK(counter.count() == 0);
}

template <class L>
void in_place_is_the_same(const L& layer) {
  using T = typename L::Scalar;
  Signal<L> u = noise<T>(90, layer.features());
  const Signal<L> y = run_from_rest(layer, u);
  auto state = layer.initial_state();
  layer.forward(u, u, state);
  CHECK(u == y);
}

template <class L>
void strided_and_unaligned_views_are_the_same(const L& layer) {
  using T = typename L::Scalar;
  const Index H = layer.features();
  const Signal<L> u = noise<T>(70, H), y = run_from_rest(layer, u);
  Signal<L> wide_u = Signal<L>::Constant(70, H + 3, T(7)), wide_y = wide_u;
  wide_u.middleCols(1, H) = u;
  auto state = layer.initial_state();
  layer.forward(wide_u.middleCols(1, H), wide_y.middleCols(1, H), state);
  CHECK(Signal<L>(wide_y.middleCols(1, H)) == y);
  CHECK((wide_y.leftCols(1).array() == T(7)).all());  // nothing beside the view is touched
  CHECK((wide_y.rightCols(2).array() == T(7)).all());
}

template <class L>
void what_is_not_finite_stays_after_its_time(const L& layer, bool mixes) {
  using T = typename L::Scalar;
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    auto u = noise<T>(60, layer.features());
    const Signal<L> clean = run_from_rest(layer, Signal<L>(u.topRows(21)));
    u(21, 0) = bad;
    auto state = layer.initial_state();
    const auto y = run(layer, u, state);
    CHECK(distance(Signal<L>(y.topRows(21)), clean) <= tolerance::convolution<T>);
    CHECK_FALSE(y.col(0).bottomRows(39).array().isFinite().any());
    if (layer.features() > 1 && !mixes) CHECK(y.col(1).array().isFinite().all());
    CHECK_FALSE(free_response(layer, state, 5).col(0).array().isFinite().any());  // the state carries it
  }
}

template <class L>
void silence_is_not_subnormal(const L& layer) {
  using T = typename L::Scalar;
  auto state = layer.initial_state();
  run(layer, noise<T>(50, layer.features()), state);
  const Signal<L> nothing = Signal<L>::Zero(20'000, layer.features());
  Signal<L> y;
  for (int k = 0; k < (sizeof(T) == 4 ? 2 : 8); ++k) y = run(layer, nothing, state);  // longer than the slowest mode
  CHECK(y.cwiseAbs().maxCoeff() < T(1e-20));
  for (const T value : y.reshaped()) REQUIRE((value == 0 || std::abs(value) >= std::numeric_limits<T>::min()));
}

template <class L>
void sizes_that_disagree_are_refused(const L& layer) {
  using T = typename L::Scalar;
  const Index H = layer.features();
  auto state = layer.initial_state();
  Signal<L> u = noise<T>(10, H), wide = noise<T>(10, H + 1), shorter = noise<T>(9, H);
  CHECK_THROWS_AS(layer.forward(wide, u, state), ssm::ShapeError);
  CHECK_THROWS_AS(layer.forward(u, wide, state), ssm::ShapeError);
  CHECK_THROWS_AS(layer.forward(u, shorter, state), ssm::ShapeError);
  CHECK(free_response(layer, state).isZero(0));  // a refused call leaves the state alone
}

}  // namespace laws
