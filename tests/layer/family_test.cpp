// The layers are one family: each is another where their definitions meet.
#include "layer/dense_oracle.hpp"
#include "ssm/layer/bidirectional.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"

using namespace ssm;

TEMPLATE_TEST_CASE("S4 without a low-rank part is S4D", "[layer][family]", float, double) {
  Random random(1);
  const Index N = GENERATE(1, 7, 16);
  const auto diagonal = initial<S4D<TestType>>(diagonal::Linear{}, {.features = 3, .states = N}, random);
  for (const Index rank : {0, 1, 2}) {  // of zeros
    S4Parameters<TestType> parameters(3, N, rank);
    parameters.A_re_log = diagonal.A_re_log;
    parameters.A_im = diagonal.A_im;
    parameters.B = diagonal.B;
    parameters.C = diagonal.C;
    parameters.D = diagonal.D;
    parameters.log_dt = diagonal.log_dt;
    const auto u = laws::noise<TestType>(300, 3);
    const auto y = laws::run_from_rest(S4D<TestType>(diagonal, Bilinear{}), u);
    CHECK(laws::distance(laws::run_from_rest(S4<TestType>(parameters), u), y) <= tolerance::recurrence<TestType>);
    CHECK(laws::distance(laws::run_from_rest(S4<TestType>(parameters), u, algorithm::convolution{}), y) <=
          tolerance::convolution<TestType>);
  }
}

TEMPLATE_TEST_CASE("S4 is LSSL on the same A", "[layer][family]", float, double) {
  Random random(2);
  const Index N = GENERATE(1, 7, 16);
  const auto check = [&](auto measure) {
    const auto parameters = initial<S4<TestType>>(measure, {.features = 2, .states = N}, random);
    const LSSL<double> oracle(dense(parameters));
    const auto u = laws::noise<TestType>(300, 2);
    const auto expected = laws::run_from_rest(oracle, laws::Rows<double>(u.template cast<double>()));
    CHECK(laws::distance(laws::run_from_rest(S4<TestType>(parameters), u).template cast<double>(), expected) <=
          tolerance::recurrence<TestType>);
  };
  check(hippo::LegS{});
  check(hippo::LegT{});
  check(hippo::LagT{});
  check(hippo::Fourier{});
  check(diagonal::RandomLowRank<diagonal::Linear>{.rank = 2});
}

TEST_CASE("S4 in its eigenbasis is LSSL with the HiPPO matrix itself", "[layer][family]") {
  Random random(3);
  const Index N = 12;
  const auto parameters = initial<S4<double>>(hippo::LegS{}, {.features = 1, .states = N}, random);
  const auto nplr = hippo::nplr(hippo::LegS{}, N);
  LSSLParameters<double> hippo_itself(1, N);
  Matrix<double> C = Matrix<double>::Zero(1, N);  // C V* = the rows over all modes, a conjugate pair at a time
  for (Index n = 0; n < N / 2; ++n)
    for (Index k = 0; k < N; ++k) C(0, k) += 2 * (parameters.C(0, n) * std::conj(nplr.V(k, N / 2 + n))).real();
  hippo_itself.set(0, {hippo::transition(hippo::LegS{}, N), hippo::input(hippo::LegS{}, N), C});
  hippo_itself.D = parameters.D;
  hippo_itself.log_dt = parameters.log_dt;
  const auto u = laws::noise<double>(400, 1);
  CHECK(laws::distance(laws::run_from_rest(S4<double>(parameters), u),
                       laws::run_from_rest(LSSL<double>(hippo_itself), u)) <= 1e-11);
}

TEMPLATE_TEST_CASE("S5 whose modes belong to one feature each is S4D", "[layer][family]", float, double) {
  using T = TestType;
  Random random(4);
  const Index H = 3, N = 8, M = N / 2;
  const auto diagonal = initial<S4D<T>>(diagonal::Linear{}, {.features = H, .states = N}, random);
  S5Parameters<T> parameters(H, H * N);
  parameters.D = diagonal.D;
  for (Index h = 0; h < H; ++h)
    for (Index n = 0; n < M; ++n) {
      const Index s = h * M + n;
      parameters.Lambda_re(s) = static_cast<T>(-std::exp(double(diagonal.A_re_log(h, n))));
      parameters.Lambda_im(s) = diagonal.A_im(h, n);
      parameters.B(s, h) = diagonal.B(h, n);
      parameters.C(h, s) = diagonal.C(h, n);
      parameters.log_dt(s) = diagonal.log_dt(h);
    }
  const auto u = laws::noise<T>(300, H);
  const auto check = [&](auto method) {
    CHECK(laws::distance(laws::run_from_rest(S5<T>(parameters, method), u),
                         laws::run_from_rest(S4D<T>(diagonal, method), u)) <= tolerance::recurrence<T>);
  };
  check(ZeroOrderHold{});
  check(Bilinear{});
}

namespace {

/// A layer fed every second sample of a band-limited signal at rate 2, against every second output at rate 1.
template <class Layer>
void rate_tracks(const typename Layer::Parameters& parameters) {
  const Layer layer(parameters), half(parameters, {.rate = 2});
  const Index H = layer.features();
  laws::Rows<double> u(4000, H), every_second(2000, H);
  for (Index k = 0; k < 4000; ++k) u.row(k).setConstant(std::sin(0.01 * double(k)) + std::cos(0.017 * double(k)));
  for (Index k = 0; k < 2000; ++k) every_second.row(k) = u.row(2 * k + 1);
  const auto y = laws::run_from_rest(layer, u), y_half = laws::run_from_rest(half, every_second),
             y_wrong = laws::run_from_rest(layer, every_second);
  laws::Rows<double> expected(2000, H);
  for (Index k = 0; k < 2000; ++k) expected.row(k) = y.row(2 * k + 1);
  CHECK(laws::distance(y_half, expected) < 0.05);
  CHECK(laws::distance(y_wrong, expected) > 0.1);
}

}  // namespace

TEST_CASE("at twice the rate a slow signal gives every second sample, in every layer", "[layer][family]") {
  Random random(3);
  rate_tracks<S4<double>>(initial<S4<double>>(hippo::LegS{}, {.features = 3, .states = 16, .dt_max = 1e-2}, random));
  rate_tracks<S4D<double>>(initial<S4D<double>>(hippo::LegS{}, {.features = 3, .states = 16, .dt_max = 1e-2}, random));
  rate_tracks<LSSL<double>>(
      initial<LSSL<double>>(hippo::LegS{}, {.features = 3, .states = 16, .dt_max = 1e-2}, random));
  rate_tracks<S5<double>>(initial<S5<double>>(hippo::LegS{}, {.features = 3, .states = 16, .dt_max = 1e-2}, random));
}
