// The stated error of the recurrences over their whole range: every layer and initial value, every dt, inputs of every
// kind, as a whole, in pieces and step by step.
#include "layer/laws.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"

using namespace ssm;

namespace {

constexpr Index run_length = 16'384, input_kinds = 5;
const std::vector<double> all_dt{1e-3, 3e-3, 1e-2, 1e-1};

/// Noise, a constant, a ramp, a slow sine, an impulse: by column, again and again, beginning with kind `first`.
template <class T>
laws::Rows<T> every_input(Index L, Index features, Index first = 0) {
  Random random(3);
  laws::Rows<T> u(L, features);
  for (Index k = 0; k < L; ++k)
    for (Index h = 0; h < features; ++h) {
      const double time = double(k) / double(L);
      const double values[input_kinds] = {random.normal(), 1, time, std::sin(18.85 * time), k == 0 ? 1.0 : 0.0};
      u(k, h) = static_cast<T>(values[(first + h) % input_kinds]);
    }
  return u;
}

/// Expected output, and the size of the terms whose sum it is.
struct Exact {
  std::vector<double> y;
  double peak = 0, terms = 0;
  void add(double output, double magnitude) {
    y.push_back(output);
    peak = std::max(peak, std::abs(output));
    terms = std::max(terms, magnitude);
  }
};

/// A diagonal plus low rank system by its definition, in R: x = A_bar x - P_bar Q_bar^T x + B_bar u.
template <class R, class T>
Exact exact(const DiscreteDplrSystem<double>& system, double D, const laws::Rows<T>& u, Index h) {
  using C = std::complex<R>;
  const Index M = system.Delta.size(), rank = system.P_bar.cols();
  std::vector<C> x(static_cast<std::size_t>(M));
  Exact result;
  for (Index k = 0; k < u.rows(); ++k) {
    std::vector<R> s(static_cast<std::size_t>(rank));
    for (Index n = 0; n < M; ++n)
      for (Index r = 0; r < rank; ++r)
        s[std::size_t(r)] += R(multiplicity(n, system.states)) * (C(system.Q_bar(n, r)) * x[std::size_t(n)]).real();
    R output = R(D) * R(u(k, h)), magnitude = std::abs(output);
    for (Index n = 0; n < M; ++n) {
      C& state = x[std::size_t(n)];
      state += C(system.Delta(n)) * state + C(system.B_bar(n)) * R(u(k, h));
      for (Index r = 0; r < rank; ++r) state -= C(system.P_bar(n, r)) * s[std::size_t(r)];
      const C term = R(multiplicity(n, system.states)) * C(system.C(n)) * state;
      output += term.real();
      magnitude += std::abs(term);
    }
    result.add(double(output), double(magnitude));
  }
  return result;
}
/// Computes the same for a dense system.
template <class T>
Exact exact(const DiscreteDenseSystem<double>& system, double D, const laws::Rows<T>& u, Index h) {
  Vector<double> x = Vector<double>::Zero(system.A_bar.rows());
  Exact result;
  for (Index k = 0; k < u.rows(); ++k) {
    x = (system.A_bar * x + system.B_bar * double(u(k, h))).eval();
    const Vector<double> terms = system.C.row(0).transpose().cwiseProduct(x);
    result.add(terms.sum() + D * double(u(k, h)), terms.cwiseAbs().sum() + std::abs(D * double(u(k, h))));
  }
  return result;
}

/// The error of a column relative to its peak; where the terms of the output cancel one another to less than a fifth,
/// to a fifth of what they come to: no sum in T is nearer than that.
template <class T>
double error(const laws::Rows<T>& y, Index h, const Exact& expected) {
  double worst = 0;
  for (Index k = 0; k < y.rows(); ++k) {
    const double off = std::abs(double(y(k, h)) - expected.y[std::size_t(k)]);
    worst = off <= worst ? worst : off;  // NaN stays
  }
  return worst / std::max(expected.peak, expected.terms / 3);
}

template <class Layer, class Init>
typename Layer::Parameters drawn(Init init, Index features, Index states, double dt) {
  Random random(1);
  typename Layer::Shape shape{};
  shape.features = features;
  shape.states = states;
  shape.dt_min = shape.dt_max = dt;
  return initial<Layer>(init, shape, random);
}

/// Whole, in pieces, step by step; `same` says that all three are the same bits.
template <class Layer>
void check_ways(const Layer& layer, const laws::Rows<typename Layer::Scalar>& u, double allowed, bool same,
                const std::vector<Exact>& expected) {
  using T = typename Layer::Scalar;
  auto state = layer.initial_state(), in_pieces = state, stepped = state;
  const auto whole = laws::run(layer, u, state), steps = laws::step_by_step(layer, u, stepped);
  laws::Rows<T> pieces(u.rows(), u.cols());
  for (Index k = 0, piece = 1; k < u.rows(); k += piece, piece = piece * 7 % 101 + 1) {
    const Index count = std::min(piece, u.rows() - k);
    layer.forward(u.middleRows(k, count), pieces.middleRows(k, count), in_pieces);
  }
  if (same) {
    CHECK(pieces == whole);
    CHECK(steps == whole);
    CHECK(in_pieces == state);
    CHECK(stepped == state);
  }
  for (Index h = 0; h < u.cols(); ++h) {
    CAPTURE(h % input_kinds, expected[std::size_t(h)].peak, expected[std::size_t(h)].terms);
    CHECK(error(whole, h, expected[std::size_t(h)]) <= allowed);
    CHECK(error(pieces, h, expected[std::size_t(h)]) <= allowed);
    CHECK(error(steps, h, expected[std::size_t(h)]) <= allowed);
  }
}

template <class R, class Layer, class Method, class Init>
void check_modal(Method method, Init init, Index states, double allowed,
                 Index H = sizeof(typename Layer::Scalar) == 4 ? 15 : 5, Index first = 0) {
  using T = typename Layer::Scalar;
  for (const double dt : all_dt) {
    const auto parameters = drawn<Layer>(init, H, states, dt);
    const auto u = every_input<T>(run_length, H, first);
    std::vector<Exact> expected;
    for (Index h = 0; h < H; ++h) {
      const double own_dt = std::exp(double(parameters.log_dt(h)));
      if constexpr (requires { parameters.P; })
        expected.push_back(exact<R>(discretize(method, parameters.system(h), own_dt), double(parameters.D(h)), u, h));
      else
        expected.push_back(
            exact<R>(dplr(discretize(method, parameters.system(h), own_dt)), double(parameters.D(h)), u, h));
    }
    CAPTURE(dt, states);
    check_ways(Layer(parameters), u, allowed, true, expected);
  }
}

}  // namespace

TEST_CASE("S4D keeps its error for every initial value, dt and input, and to the bit in pieces", "[layer][accuracy]") {
  constexpr double allowed = tolerance::recurrence<float>;
  check_modal<double, S4D<float>>(ZeroOrderHold{}, diagonal::Linear{}, 1, allowed);
  check_modal<double, S4D<float>>(ZeroOrderHold{}, diagonal::Linear{}, 64, allowed);
  check_modal<double, S4D<float>>(ZeroOrderHold{}, diagonal::Inverse{}, 64, allowed);
  check_modal<double, S4D<float>>(ZeroOrderHold{}, hippo::LegS{}, 64, allowed);
  check_modal<double, S4D<float>>(ZeroOrderHold{}, diagonal::Unstructured{}, 64, allowed);
}

TEST_CASE("S4D's modes that hardly decay keep the floor of 2 eps sqrt(L)", "[layer][accuracy]") {
  const double floor = 2 * std::numeric_limits<float>::epsilon() * std::sqrt(double(run_length));
  check_modal<double, S4D<float>>(ZeroOrderHold{}, hippo::Fourier{}, 32, floor);
}

TEST_CASE("S4 keeps its error for every measure, dt and input, and to the bit in pieces", "[layer][accuracy]") {
  constexpr double allowed = tolerance::recurrence<float>;
  check_modal<double, S4<float>>(Bilinear{}, hippo::LegS{}, 16, allowed);
  check_modal<double, S4<float>>(Bilinear{}, hippo::LegS{}, 64, allowed);
  check_modal<double, S4<float>>(Bilinear{}, hippo::LegT{}, 64, allowed);
  check_modal<double, S4<float>>(Bilinear{}, hippo::LagT{}, 32, allowed);
  check_modal<double, S4<float>>(Bilinear{}, hippo::Fourier{}, 32, allowed);
}

TEST_CASE("layers of one, two and four features keep it too", "[layer][accuracy]") {
  constexpr double allowed = tolerance::recurrence<float>;
  for (const Index H : {1, 2, 4})
    for (Index first = 0; first < input_kinds; first += H) {
      check_modal<double, S4D<float>>(ZeroOrderHold{}, diagonal::Linear{}, 64, allowed, H, first);
      check_modal<double, S4D<float>>(ZeroOrderHold{}, diagonal::Inverse{}, 33, allowed, H, first);
      check_modal<double, S4<float>>(Bilinear{}, hippo::LegS{}, 64, allowed, H, first);
      check_modal<double, S4<float>>(Bilinear{}, hippo::LegT{}, 15, allowed, H, first);
    }
  check_modal<long double, S4D<double>>(ZeroOrderHold{}, diagonal::Linear{}, 16, tolerance::recurrence<double>, 1);
}

TEST_CASE("in fp64 S4D and S4 keep theirs", "[layer][accuracy]") {
  constexpr double allowed = tolerance::recurrence<double>;
  check_modal<long double, S4D<double>>(ZeroOrderHold{}, diagonal::Linear{}, 16, allowed);
  check_modal<long double, S4<double>>(Bilinear{}, hippo::LegS{}, 16, allowed);
}

TEST_CASE("LSSL keeps its error for every dt and input, and to the bit in pieces", "[layer][accuracy]") {
  const auto check = [](auto measure, Index states, double dt) {
    const auto parameters = drawn<LSSL<float>>(measure, input_kinds, states, dt);
    const auto u = every_input<float>(run_length, input_kinds);
    std::vector<Exact> expected;
    for (Index h = 0; h < input_kinds; ++h)
      expected.push_back(exact(discretize(Bilinear{}, parameters.system(h), std::exp(double(parameters.log_dt(h)))),
                               double(parameters.D(h)), u, h));
    CAPTURE(dt, states);
    check_ways(LSSL<float>(parameters), u, tolerance::recurrence<float>, true, expected);
  };
  for (const double dt : all_dt)
    for (const Index states : {1, 16, 33, 64}) {
      check(hippo::LegS{}, states, dt);
      check(hippo::LegT{}, states, dt);
    }
}

TEST_CASE("S5 keeps its error for every dt and input, in pieces and step by step", "[layer][accuracy]") {
  for (const double dt : all_dt)
    for (Index kind = 0; kind < input_kinds; ++kind) {
      const Index H = 3;
      const auto parameters = drawn<S5<float>>(hippo::LegS{}, H, 64, dt);
      laws::Rows<float> u(run_length, H);
      const auto all = every_input<float>(run_length, input_kinds);
      for (Index h = 0; h < H; ++h) u.col(h) = float(h + 1) * all.col(kind);
      std::vector<Exact> expected(static_cast<std::size_t>(H));
      std::vector<Complex<double>> x(static_cast<std::size_t>(parameters.modes()));
      std::vector<DiscreteMode<double>> modes;
      for (Index s = 0; s < parameters.modes(); ++s)
        modes.push_back(discretize_mode(ZeroOrderHold{}, Complex<double>(parameters.dt(s) * parameters.Lambda(s))));
      for (Index k = 0; k < run_length; ++k) {
        std::vector<double> y(3), terms(3);
        for (Index h = 0; h < H; ++h)
          terms[std::size_t(h)] = std::abs(y[std::size_t(h)] = double(parameters.D(h) * u(k, h)));
        for (Index s = 0; s < parameters.modes(); ++s) {
          Complex<double> drive = 0;
          for (Index h = 0; h < H; ++h) drive += Complex<double>(parameters.B(s, h)) * double(u(k, h));
          auto& state = x[std::size_t(s)];
          state += modes[std::size_t(s)].Delta * state + parameters.dt(s) * modes[std::size_t(s)].gain * drive;
          for (Index h = 0; h < H; ++h) {
            const auto term = parameters.count(s) * (Complex<double>(parameters.C(h, s)) * state);
            y[std::size_t(h)] += term.real();
            terms[std::size_t(h)] += std::abs(term);
          }
        }
        for (Index h = 0; h < H; ++h) expected[std::size_t(h)].add(y[std::size_t(h)], terms[std::size_t(h)]);
      }
      CAPTURE(dt, kind);
      check_ways(S5<float>(parameters), u, tolerance::recurrence<float>, false, expected);
    }
}
