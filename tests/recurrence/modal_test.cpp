#include "ssm/recurrence/modal.hpp"
#include "layer/laws.hpp"
#include "ssm/discretize/bilinear.hpp"
#include "system/random_system.hpp"

using namespace ssm;

namespace {

/// The lanes against the definition in fp64, one feature at a time: output and state, from a state.
template <class T, class X, class Arch, Index Rank = dynamic>
void check_lanes(Index H, Index N, Index R, Index L) {
  detail::ModalRecurrence<T, dynamic, X, Arch, Rank> recurrence(H, N, R);
  detail::ModalRecurrence<double, dynamic, double, simd::scalar> definition(H, N, R);
  ModalState<X> fast = recurrence.rest();
  auto exact = definition.rest();
  const auto systems = [&](Index h) {
    return discretize(Bilinear{}, support::random_dplr(N, R, 40 + std::uint64_t(h)), 0.003 * double(h + 1));
  };
  recurrence.set(systems, std::vector<T>(std::size_t(H), T(0.25)));
  definition.set(systems, std::vector<double>(std::size_t(H), 0.25));
  for (Index h = 0; h < H; ++h) {
    for (Index n = 0; n < modes_of(N); ++n) {
      fast.set(
          h, n,
          {static_cast<X>(0.1 * double(n + 1)), multiplicity(n, N) == 1 ? X(0) : static_cast<X>(-0.2 * double(h))});
      exact.set(h, n, Complex<double>(fast.x(h, n)));
    }
  }
  const auto u = laws::noise<T>(L, H);
  const laws::Rows<double> wide = u.template cast<double>();
  laws::Rows<T> y(L, H);
  laws::Rows<double> expected(L, H);
  recurrence(0, u, y, fast);
  for (Index h = 0; h < H; ++h) definition.reference(h, wide.col(h), expected.col(h), exact);
  CAPTURE(H, N, R, L);
  // of all features together: the one sample of a sequence of one may be next to nothing
  CHECK((y.template cast<double>() - expected).cwiseAbs().maxCoeff() <=
        tolerance::recurrence<T> * expected.cwiseAbs().maxCoeff());
  double error = 0, peak = 0;
  for (Index h = 0; h < H; ++h)
    for (Index n = 0; n < modes_of(N); ++n) {
      error = std::max(error, std::abs(Complex<double>(fast.x(h, n)) - exact.x(h, n)));
      peak = std::max(peak, std::abs(exact.x(h, n)));
    }
  CHECK(error <= tolerance::recurrence<T> * peak);

  // what is beyond the last feature stays 0
  double beyond = 0, inside = 0;
  for (Index h = 0; h < (H + simd::group<X> - 1) / simd::group<X> * simd::group<X>; ++h)
    for (Index n = 0; n < modes_of(N); ++n) (h < H ? inside : beyond) += double(std::abs(fast.x(h, n)));
  CHECK(beyond == 0);
  CHECK(inside > 0);
}

template <class T, class X, class Arch>
void check_all_sizes() {
  for (const Index H : {1, 3, 16, 17, 40})
    for (const Index N : {1, 2, 7, 9, 24})
      for (const Index R : {0, 1, 2, 3})
        for (const Index L : {1, 63, 64, 65, 200}) {
          check_lanes<T, X, Arch>(H, N, R, L);
          if (R == 0) check_lanes<T, X, Arch, 0>(H, N, R, L);
        }
}

}  // namespace

TEMPLATE_TEST_CASE("features side by side are one feature at a time", "[layer][simd]", simd::scalar, simd::native) {
  check_all_sizes<float, float, TestType>();
  check_all_sizes<double, double, TestType>();
  check_all_sizes<float, double, TestType>();
}

TEMPLATE_TEST_CASE("a mode that no input drives still answers with its state", "[layer][simd]", float, double) {
  using T = TestType;
  const Index H = 3, N = 8, L = 70;
  detail::ModalRecurrence<T, dynamic, T, simd::native> recurrence(H, N, 0);
  ModalState<T> state = recurrence.rest();
  laws::Rows<double> expected = laws::Rows<double>::Zero(L, H);
  const auto undriven = [&](Index h) {
    auto system = discretize(Bilinear{}, support::random_dplr(N, 0, std::uint64_t(h)), 0.01);
    system.B_bar.setZero();
    return system;
  };
  recurrence.set(undriven, std::vector<T>(std::size_t(H)));
  for (Index h = 0; h < H; ++h) {
    const auto system = undriven(h);
    for (Index n = 0; n < modes_of(N); ++n) {
      state.set(h, n, {T(100), T(-20)});
      Complex<double> x(100, -20);
      for (Index k = 0; k < L; ++k) {
        x += system.Delta(n) * x;
        expected(k, h) += 2 * (system.C(n) * x).real();
      }
    }
  }
  laws::Rows<T> y = laws::noise<T>(L, H);
  recurrence(0, y, y, state);
  CHECK((y.template cast<double>() - expected).cwiseAbs().maxCoeff() <=
        tolerance::recurrence<T> * expected.cwiseAbs().maxCoeff());
}

TEST_CASE("a group of features in the middle is that of the whole", "[layer][simd]") {
  const Index H = 40, N = 8, L = 100;
  detail::ModalRecurrence<float, dynamic, float, simd::native> recurrence(H, N, 1);
  recurrence.set([&](Index h) { return discretize(Bilinear{}, support::random_dplr(N, 1, std::uint64_t(h)), 0.01); },
                 std::vector<float>(std::size_t(H), 0.5F));
  auto whole = recurrence.rest(), parts = whole;
  const auto u = laws::noise<float>(L, H);
  laws::Rows<float> y(L, H), z(L, H);
  recurrence(0, u, y, whole);
  const ConstSequence<float> in = u;
  const Sequence<float> out = z;
  for (const auto& [first, count] : {std::pair<Index, Index>{32, 8}, {0, 16}, {16, 16}})
    recurrence(first, in.columns(first, count), out.columns(first, count), parts);
  CHECK(y == z);
  CHECK(whole == parts);
}
