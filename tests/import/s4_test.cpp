// Weights of state-spaces/s4 as its own code saves them: answers are its own.
#include "ssm/import/s4.hpp"
#include "import/import_testing.hpp"
#include "ssm/import/s4_sequence.hpp"

using namespace ssm;
using namespace import_testing;
using support::ContainsSubstring;

TEST_CASE("S4's blocks answer as its own code does", "[import][golden]") {
  CHECK(check_parity<io::S4v4>("s4_diag") + check_parity<io::S4v4>("s4_dplr") >= 31);
}

TEST_CASE("the minimal S4D and the example's models answer as their own code does", "[import][golden]") {
  CHECK(check_parity<io::S4Minimal>("s4d_minimal") >= 1);
  CHECK(check_parity<io::S4Example>("s4d_stack") + check_parity<io::S4Example>("s4_stack") >= 3);
}

TEST_CASE("what S4's own code cannot make is refused, and choices are checked", "[import][golden]") {
  const io::File file = reference("s4_diag");
  const auto read = [&](const std::string& json) {
    return said([&] { return io::import_from<io::S4v4>(file, io::Configuration(json)); });
  };
  CHECK(read(R"({"mode": "diag"})") == "accepted");
  CHECK_THAT(read("{}"), ContainsSubstring("layer.kernel.P: expected in the file, is not there"));
  CHECK_THAT(read(R"({"mode": "conv"})"),
             ContainsSubstring("configuration 'mode': expected dplr, nplr, diag, got \"conv\""));
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
  using Modes = io::detail::AllModes<double>;
  const auto restored = io::detail::truncation_of_pairs_undone(Modes::of_pairs(Lambda, P, P), C, dt, 16);
  const RowVector<Complex<double>> back = restored.C;
  CHECK(restored.condition > 0.01);
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
  const Matrix<Complex<double>> none = Matrix<Complex<double>>::Zero(2, 1);
  CHECK_THROWS_AS(io::detail::truncation_of_pairs_undone(Modes::of_pairs(undamped, none, none), C, dt, 16),
                  io::FormatError);
}

TEST_CASE("a file whose numbers mean something else is refused by name", "[import][golden]") {
  const std::map<std::string, std::string> expected{
      {"good", "accepted"},
      {"good_unaligned", "accepted"},
      {"missing_tensor", "kernel.A_imag: expected in the file, is not there"},
      {"extra_tensor", "kernel.P: expected no such array"},
      {"wrong_shape", "kernel.C: expected shape ("},
      {"wrong_rank", "D: expected shape ("},
      {"wrong_last_axis", "kernel.C: expected shape ("},
      {"wrong_dtype", "D: expected floating point numbers, got I64"},
      {"nan_weight", "kernel.C: expected finite numbers, got nan"},
      {"infinite_weight", "kernel.log_dt: expected finite numbers, got inf"},
      {"overflowing_weight", "kernel.log_A_real: expected numbers whose exponential is finite"}};
  Index read = 0;
  for (const auto& path : support::golden_files("checkpoint_bad", "")) {
    CAPTURE(path.filename());
    const auto found = expected.find(path.stem().string());
    const std::string what = said([&] { io::import_from<io::S4Minimal>(path, io::Configuration()); });
    if (what != "accepted") CHECK(what.starts_with(path.string() + ": "));
    if (found == expected.end()) {
      CHECK(what != "accepted");  // what io::read refuses
      continue;
    }
    CHECK_THAT(what, ContainsSubstring(found->second));
    ++read;
  }
  CHECK(read == std::ssize(expected));
}

TEST_CASE("everything that is wrong is said at once, and whose file it looks like", "[import][golden]") {
  io::File file = reference("s4_stack_prenorm");
  const auto told = told_in(file);
  file.tensors.erase("norms.0.bias");
  file.tensors["extra"] = file.tensors.at("norms.1.bias");
  file.tensors.at("norms.1.bias").shape.push_back(1);
  file.tensors.at("norms.1.weight").type = "I32";
  const std::string all = said([&] { io::import_from<io::S4Example>(file, told); });
  for (const char* part : {"norms.0.bias: expected in the file, is not there", "extra: expected no such array",
                           "norms.1.bias: expected shape", "norms.1.weight: expected floating point numbers, got I32"})
    CHECK_THAT(all, ContainsSubstring(part));
  CHECK_THAT(said([&] { io::import_from<io::S4v4>(reference("s5pytorch_block"), io::Configuration()); }),
             ContainsSubstring("(the names of its arrays are those of s5-pytorch)"));
}

TEST_CASE("sizes that no number stands behind are refused before anything is made of them", "[import][golden]") {
  io::File file = reference("s4d_minimal");
  for (const char* name : {"kernel.log_A_real", "kernel.A_imag", "kernel.C", "D", "kernel.log_dt"}) {
    io::Tensor& tensor = file.tensors.at(name);
    tensor.shape = {1 << 20, 0};
    tensor.bytes.clear();
  }
  CHECK_THAT(said([&] { io::import_from<io::S4Minimal>(file, io::Configuration()); }),
             ContainsSubstring("kernel.log_A_real: expected sizes of at least 1, got shape (1048576, 0)"));
}

TEST_CASE("two layers of one block that do not go together are refused", "[import][golden]") {
  io::File file = reference("s4_sequence_two_ways");
  const std::string second = "model.layers.0.reverse_layer.";
  const Index H = file.tensors.at(second + "layer.D").shape.back();
  for (auto& [name, tensor] : file.tensors) {  // a feature less in each of its arrays
    if (!name.starts_with(second)) continue;
    double numbers = 1;
    for (Index& size : tensor.shape) {
      if (size == H || size == 2 * H) size = size / H * (H - 1);
      numbers *= static_cast<double>(size);
    }
    tensor.bytes.resize(static_cast<std::size_t>(numbers) * sizeof(float));
  }
  const auto told = told_in(file);
  const std::string what = said([&] { io::import_from<io::S4Sequence>(file, told); });
  CAPTURE(what);
  CHECK(what != "accepted");
  CHECK_THAT(what, ContainsSubstring("expected"));
}

TEST_CASE("a configuration that contradicts the arrays is refused", "[import][golden]") {
  const io::File file = reference("s4_dplr_nssm2");
  const std::string config = file.metadata.at("config");
  const auto with = [&](const std::string& more) {
    return said(
        [&] { io::import_from<io::S4v4>(file, io::Configuration(config.substr(0, config.rfind('}')) + more)); });
  };
  CHECK(with("}") == "accepted");
  CHECK_THAT(with(R"(, "n_ssm": 77})"), ContainsSubstring("configuration 'n_ssm': expected "));
  CHECK_THAT(with(R"(, "d_state": 78})"), ContainsSubstring("configuration 'd_state': expected "));
  CHECK_THAT(with(R"(, "bidirectional": true})"), ContainsSubstring("kernel.C: expected shape (2, "));
  CHECK_THAT(with(R"(, "channels": 3})"), ContainsSubstring("kernel.C: expected shape (3, "));
  CHECK_THAT(with(R"(, "channels": 1e300})"), ContainsSubstring("configuration 'channels': expected a whole number"));
}

TEST_CASE("a linear map whose weight is normed is the one that it makes", "[import][golden]") {
  io::File file = reference("s4_diag_final_id");
  const io::Tensor weight = file.tensors.at("output_linear.0.weight");
  const Index outputs = weight.shape[0], inputs = weight.shape[1];
  const auto W = numbers_of(file, "output_linear.0.weight");
  std::vector<float> v, g;
  for (Index o = 0; o < outputs; ++o) {
    double square = 0;
    for (Index i = 0; i < inputs; ++i) square += std::pow(static_cast<double>(W[std::size_t(o * inputs + i)]), 2);
    g.push_back(static_cast<float>(std::sqrt(square)));
    for (Index i = 0; i < inputs; ++i) v.push_back(W[std::size_t(o * inputs + i)] * static_cast<float>(o + 2));
  }
  const auto bytes = [](const std::vector<float>& all) {
    return std::string(reinterpret_cast<const char*>(all.data()), all.size() * sizeof(float));
  };
  file.tensors.erase("output_linear.0.weight");
  file.tensors["output_linear.0.weight_v"] = {"F32", weight.shape, bytes(v)};
  auto shape = weight.shape;
  shape[1] = 1;
  file.tensors["output_linear.0.weight_g"] = {"F32", shape, bytes(g)};
  const auto imported = io::import_from<io::S4v4>(file, told_in(file));
  REQUIRE(imported.report.parity);
  CHECK(imported.report.parity->error <= tolerance_of(file));
}

TEST_CASE("layers of a larger model are found by a pattern, and read alone", "[import][golden]") {
  const io::File file = reference("s4_stack_prenorm");
  const auto found = io::prefixes_in(file, "s4_layers.*.layer.");
  REQUIRE(found.size() >= 2);
  CHECK(found[0] == "s4_layers.0.layer.");
  CHECK(found[1] == "s4_layers.1.layer.");
  const auto whole = io::import_from<io::S4Example>(file, told_in(file));
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto alone = io::import_layer_from<io::S4v4>(file, told_in(file), found[i]);
    const auto* const own = alone.model.get<S4<float>>();
    const auto* const inside = whole.model.weights().blocks[i].ssm.get<S4<float>>();
    REQUIRE(own != nullptr);
    REQUIRE(inside != nullptr);
    CHECK(own->C == inside->C);
    CHECK(own->A_re_log == inside->A_re_log);
  }
  io::File many;
  for (const char* name : {"net.10.D", "net.9.D", "net.2.D", "other.D"}) many.tensors[name] = {"F32", {0}, ""};
  CHECK(io::prefixes_in(many, "net.*.") == std::vector<std::string>{"net.2.", "net.9.", "net.10."});
  CHECK(io::prefixes_in(many, "other.") == std::vector<std::string>{"other."});
  CHECK_THAT(said([&] { io::prefixes_in(many, "nowhere.*."); }),
             ContainsSubstring("nowhere.*.: expected arrays whose names begin so, found none"));
}
