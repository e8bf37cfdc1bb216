// Weights of The Annotated S4 as flax saves them: answers are its own, whole and step by step.
#include "ssm/import/annotated_s4.hpp"
#include "import/import_testing.hpp"

using namespace ssm;
using namespace import_testing;
using support::ContainsSubstring;

TEST_CASE("The Annotated S4's models answer as its own code does", "[import][golden]") {
  Index files = 0;
  for (const auto& path : support::golden_files("checkpoint", "annotated_")) {
    CAPTURE(path.filename());
    const io::File file = io::read(path);
    const auto imported = io::import_from<io::AnnotatedS4, double>(file, told_in(file));
    const auto& model = imported.model;
    const auto given = numbers_of(file, "io/u"), expected = numbers_of(file, "io/y");
    const auto& shape = file.tensors.at("io/u").shape;
    const bool every = model.shape().pool == nn::Pool::none;
    const Index L = shape[1], inputs = shape[2], outputs = model.shape().outputs, rows = every ? L : 1;
    std::vector<double> got(expected.size());
    for (Index b = 0; b < shape[0]; ++b) {
      std::vector<double> u(given.begin() + b * L * inputs, given.begin() + (b + 1) * L * inputs);
      if (every) std::rotate(u.begin(), u.end() - inputs, u.end());  // a step late, and
      if (every) std::fill_n(u.begin(), inputs, 0.0);                // a 0 first
      model.forward({u.data(), L, inputs}, {got.data() + b * rows * outputs, rows, outputs});
    }
    CHECK(support::relative_error(got, expected) <= tolerance_of(file));
    ++files;
    if (!file.tensors.contains("io/u_step")) continue;
    const auto steps = numbers_of(file, "io/u_step"), after = numbers_of(file, "io/y_step");
    std::vector<double> stepped;
    for (Index b = 0; b < shape[0]; ++b) {
      auto stream = model.stream();
      for (Index k = 0; k < L; ++k) {
        const auto* const row = steps.data() + (b * L + k) * inputs;
        const auto y = stream.step(std::vector<double>(row, row + inputs));
        stepped.insert(stepped.end(), y.begin(), y.end());
      }
    }
    CHECK(support::relative_error(stepped, after) <= std::stod(file.metadata.at("tolerance_step_f32")));
  }
  CHECK(files >= 5);
}

TEST_CASE("the kind of layer and the kernel's length are asked for", "[import][golden]") {
  const io::File file = reference("annotated_s4_classification");
  const auto read = [&](const std::string& json) {
    return said([&] { return io::import_from<io::AnnotatedS4>(file, io::Configuration(json)); });
  };
  CHECK_THAT(read("{}"), ContainsSubstring("configuration 'layer': expected one of its values, S4Layer, S4DLayer"));
  CHECK_THAT(read(R"({"layer": "S4Layer", "classification": true, "prenorm": true})"),
             ContainsSubstring("configuration 'l_max': expected one of its values, a whole number"));
  CHECK_THAT(read(R"({"layer": "S4DLayer", "classification": true, "prenorm": true})"),
             ContainsSubstring("A_re: expected in the file, is not there"));
}
