#include "ssm/conv/causal.hpp"
#include "ssm/core/random.hpp"
#include "support/allocation.hpp"
#include "support/backends.hpp"
#include "support/golden.hpp"
#include "support/tolerance.hpp"

using namespace ssm;
template <class T>
using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

namespace {

template <class T>
Rows<T> noise(Index rows, Index columns, std::uint64_t seed) {
  Random random(seed);
  return Rows<T>::NullaryExpr(rows, columns, [&] { return static_cast<T>(random.normal()); });
}

template <class T>
Rows<double> causal_reference(const Rows<T>& u, const Rows<T>& K) {
  Rows<double> y = Rows<double>::Zero(u.rows(), u.cols());
  for (Index k = 0; k < u.rows(); ++k)
    for (Index j = 0; j <= std::min(k, K.rows() - 1); ++j)
      y.row(k) += K.row(j).template cast<double>().cwiseProduct(u.row(k - j).template cast<double>());
  return y;
}

template <class Backend, class T>
Rows<T> convolve(const Rows<T>& u, const Rows<T>& K) {
  Rows<T> y(u.rows(), u.cols());
  conv::causal<Backend, T>(u, K, y);
  return y;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("convolution of any two lengths is its definition", "[conv]", support::AllBackends) {
  using T = typename TestType::scalar;
  const Index L = GENERATE(0, 1, 2, 13, 64, 65, 127), M = GENERATE(0, 1, 5, 64, 300);
  const auto u = noise<T>(L, 2, 1), K = noise<T>(M, 2, 2);
  const auto expected = causal_reference(u, K);
  const auto y = convolve<typename TestType::backend, T>(u, K);
  CAPTURE(L, M);
  if (L == 0) return;
  const double peak = std::max(expected.cwiseAbs().maxCoeff(), 1e-300);
  CHECK((y.template cast<double>() - expected).cwiseAbs().maxCoeff() <= tolerance::convolution<T> * peak);
}

TEMPLATE_LIST_TEST_CASE("a NaN is heard from there on as far as the kernel reaches", "[conv]", support::AllBackends) {
  using T = typename TestType::scalar;
  auto u = noise<T>(40, 1, 1);
  const auto K = noise<T>(5, 1, 2);
  auto quiet = u;
  quiet(10, 0) = quiet(20, 0) = 0;
  u(10, 0) = std::numeric_limits<T>::quiet_NaN();
  u(20, 0) = std::numeric_limits<T>::infinity();
  const auto y = convolve<typename TestType::backend, T>(u, K);
  const auto rest = convolve<typename TestType::backend, T>(quiet, K);
  for (Index k = 0; k < 40; ++k) {
    const bool hit = (k >= 10 && k < 15) || (k >= 20 && k < 25);
    CAPTURE(k);
    CHECK(std::isnan(y(k, 0)) == hit);
    if (!hit) CHECK(y(k, 0) == rest(k, 0));
  }
}

TEST_CASE("convolution works in place, on strided views, and allocates only to prepare", "[conv]") {
  auto wide = noise<double>(30, 4, 3);
  const auto K = noise<double>(30, 2, 4);
  const Rows<double> u = wide.middleCols(1, 2);
  const auto expected = causal_reference(u, K);
  conv::causal<fft::EigenBackend, double>(wide.middleCols(1, 2), K, wide.middleCols(1, 2));
  CHECK((wide.middleCols(1, 2) - expected).cwiseAbs().maxCoeff() <= 1e-12);

  conv::Causal<double> one(30, 30);
  Rows<double> y(30, 2);
  std::vector<Complex<double>> spectrum(static_cast<std::size_t>(one.bins()));
  const support::AllocationCounter counter;
  one.transform(ConstSequence<double>(K).column(0), spectrum);
  one(spectrum, ConstSequence<double>(u).column(0), Sequence<double>(y).column(0));
  CHECK(counter.count() == 0);
  one(spectrum, ConstSequence<double>(u).column(0).block(0, 7), Sequence<double>(y).column(1).block(0, 7));  // shorter
  CHECK((y.col(1).head(7) - expected.col(0).head(7)).cwiseAbs().maxCoeff() <= 1e-12);
  spectrum.pop_back();
  CHECK_THROWS_AS(one(spectrum, ConstSequence<double>(u).column(0), Sequence<double>(y).column(0)), ShapeError);
}

TEST_CASE("convolution refuses sizes that disagree", "[conv]") {
  const auto u = noise<double>(8, 2, 1), K = noise<double>(8, 3, 1);
  CHECK_THROWS_WITH((convolve<fft::EigenBackend, double>(u, K)), "features of u: expected 3, got 2");
  CHECK_THROWS_AS(conv::Causal<double>(-1, 2), DomainError);
}

TEMPLATE_LIST_TEST_CASE("causal convolutions are the reference's", "[conv][golden]", support::AllBackends) {
  using T = typename TestType::scalar;
  for (const auto& path : support::golden_files("conv", "causal_")) {
    const support::Safetensors file(path);
    const auto rows = [&](const char* name) {
      const auto& tensor = file[name];
      return Rows<T>(
          Eigen::Map<const Rows<double>>(tensor.values.data(), tensor.size(0), tensor.size(1)).template cast<T>());
    };
    const auto y = convolve<typename TestType::backend, T>(rows("u"), rows("K"));
    CAPTURE(path);
    CHECK(support::relative_error(y.template cast<double>().eval().template reshaped<Eigen::RowMajor>(),
                                  file["y"].values) <=
          (std::is_same_v<T, double> ? file.tolerance() : tolerance::convolution<float>));
  }
}

TEMPLATE_LIST_TEST_CASE("the convolution's vjp is adjoint in u and in K", "[conv][gradient]", support::AllBackends) {
  using T = typename TestType::scalar;
  using Backend = typename TestType::backend;
  using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Random random(3);
  const auto noise = [&](Index rows) {
    return Rows(Rows::NullaryExpr(rows, 2, [&] { return static_cast<T>(random.normal()); }));
  };
  for (const auto& [L, M] : {std::pair<Index, Index>{1, 1}, {7, 3}, {3, 7}, {257, 64}, {0, 4}, {5, 0}}) {
    CAPTURE(L, M);
    const Rows u = noise(L), K = noise(M), dy = noise(L);
    Rows y(L, 2), du = Rows::Zero(L, 2), dK = Rows::Zero(M, 2);
    conv::causal<Backend, T>(u, K, y);
    conv::causal_vjp<Backend, T>(u, K, dy, du, dK);
    const auto inner = [](const Rows& a, const Rows& b) {
      return a.template cast<double>().cwiseProduct(b.template cast<double>()).sum();
    };
    const double expected = inner(y, dy), size = std::sqrt(inner(y, y) * inner(dy, dy));
    CHECK(std::abs(inner(u, du) - expected) <= tolerance::gradient<T> * size);
    CHECK(std::abs(inner(K, dK) - expected) <= tolerance::gradient<T> * size);
  }
}
