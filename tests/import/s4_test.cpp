// Weights of state-spaces/s4 as its own code saves them: answers are its own.
#include "ssm/import/s4.hpp"
#include "import/import_testing.hpp"

using namespace ssm;
using namespace import_testing;
using support::ContainsSubstring;

namespace {

/// (batch, features, L) as (batch, L, features).
std::vector<float> time_first(const std::vector<float>& all, std::vector<Index>& shape) {
  std::vector<float> turned(all.size());
  for (Index b = 0; b < shape[0]; ++b)
    for (Index h = 0; h < shape[1]; ++h)
      for (Index k = 0; k < shape[2]; ++k)
        turned[static_cast<std::size_t>((b * shape[2] + k) * shape[1] + h)] =
            all[static_cast<std::size_t>((b * shape[1] + h) * shape[2] + k)];
  std::swap(shape[1], shape[2]);
  return turned;
}
/// Holds a file's model to the answer in it.
template <class Source>
void check(const std::filesystem::path& path, bool features_first) {
  CAPTURE(path.filename());
  const io::File file = io::read(path);
  const auto imported = io::import_from<Source, double>(file, told_in(file));
  auto shape = file.tensors.at("io.u").shape, turned = shape;
  auto u = numbers_of(file, "io.u"), expected = numbers_of(file, "io.y");
  if (features_first) {
    u = time_first(u, shape);
    expected = time_first(expected, turned);
  }
  const bool every = imported.model.shape().pool == nn::Pool::none;
  const Index rows = every ? shape[1] : 1, outputs = imported.model.shape().outputs;
  const std::vector<double> wide(u.begin(), u.end());
  std::vector<double> got(expected.size());
  for (Index b = 0; b < shape[0]; ++b)
    imported.model.forward({wide.data() + b * shape[1] * shape[2], shape[1], shape[2]},
                           {got.data() + b * rows * outputs, rows, outputs});
  CHECK(support::relative_error(got, expected) <= tolerance_of(file));
  CHECK_FALSE(imported.report.told.empty());
}

}  // namespace

TEST_CASE("S4's blocks answer as its own code does", "[import][golden]") {
  Index files = 0;
  for (const char* kind : {"s4_diag", "s4_dplr"})
    for (const auto& path : support::golden_files("checkpoint", kind)) {
      check<io::S4v4>(path, false);
      ++files;
    }
  CHECK(files >= 31);
}

TEST_CASE("the minimal S4D and the example's models answer as their own code does", "[import][golden]") {
  check<io::S4Minimal>(support::golden_files("checkpoint", "s4d_minimal").front(), true);
  for (const char* kind : {"s4d_stack", "s4_stack"})
    for (const auto& path : support::golden_files("checkpoint", kind)) check<io::S4Example>(path, false);
}

TEST_CASE("what S4's own code cannot make is refused, and choices are checked", "[import][golden]") {
  const io::File file = reference("s4_diag");
  const auto read = [&](const std::string& json) {
    return said([&] { return io::import_from<io::S4v4>(file, io::Configuration(json)); });
  };
  CHECK(read(R"({"mode": "diag"})") == "accepted");
  CHECK_THAT(read("{}"), ContainsSubstring("layer.kernel.P: expected in the file, is not there"));
  CHECK_THAT(read(R"({"mode": "nplr"})"), ContainsSubstring("configuration 'mode': expected dplr, diag, got \"nplr\""));
  CHECK_THAT(read(R"({"mode": "diag", "gate": 2})"), ContainsSubstring("configuration 'gate': expected none"));
  CHECK_THAT(read(R"({"mode": "diag", "channels": 2})"), ContainsSubstring("expected shape (2, "));
  CHECK_THAT(read(R"({"mode": "diag", "final_act": null})"),
             ContainsSubstring("output_linear.0.bias: expected no such array"));
  const auto imported = io::import_from<io::S4v4>(file, io::Configuration(R"({"mode": "diag"})"));
  const auto& told = imported.report.told;
  CHECK(std::find(told.begin(), told.end(), "disc = zoh (not told: the project's default)") != told.end());
}

TEST_CASE("the end of a kernel that was taken off is put back", "[import]") {
  Vector<Complex<double>> Lambda(2);
  Lambda << Complex<double>(-0.5, 3), Complex<double>(-0.4, 7);
  Matrix<Complex<double>> P(2, 1);
  P << 0.3, Complex<double>(0.1, 0.2);
  RowVector<Complex<double>> C(2);
  C << Complex<double>(1, 2), Complex<double>(-1, 0.5);
  const double dt = 0.1;
  // a kernel of C~ over 16 steps is that of C less its own from step 16 on: they agree where C is given back
  const RowVector<Complex<double>> back = io::detail::truncation_of_pairs_undone(Lambda, P, C, dt, 16);
  Matrix<Complex<double>> A = Matrix<Complex<double>>::Zero(4, 4), I = Matrix<Complex<double>>::Identity(4, 4);
  Matrix<Complex<double>> factor(4, 1);
  factor << P, P.conjugate();
  A.diagonal() << Lambda, Lambda.conjugate();
  A -= factor * factor.adjoint();
  const Matrix<Complex<double>> A_bar =
      Eigen::PartialPivLU<Matrix<Complex<double>>>(I - dt / 2 * A).solve(I + dt / 2 * A);
  Matrix<Complex<double>> power = I;
  for (int i = 0; i < 16; ++i) power = power * A_bar;
  RowVector<Complex<double>> all(4), stored(4);
  all << back, back.conjugate();
  stored << C, C.conjugate();
  CHECK((all - all * power - stored).cwiseAbs().maxCoeff() <= 1e-13);
  Vector<Complex<double>> undamped = Lambda;
  undamped(0) = Complex<double>(-1e-300, 0);
  CHECK_THROWS_AS(io::detail::truncation_of_pairs_undone(
                      undamped, Matrix<Complex<double>>(Matrix<Complex<double>>::Zero(2, 1)), C, dt, 16),
                  io::FormatError);
}
