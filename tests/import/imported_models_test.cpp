// What becomes of imported models: they learn, and they stream.
#include "import/import_testing.hpp"
#include "ssm/import/annotated_s4.hpp"
#include "ssm/import/s4_older.hpp"
#include "ssm/import/s5.hpp"
#include "ssm/train/trainer.hpp"

using namespace ssm;
using namespace import_testing;

namespace {

using Model = nn::Stack<AnyLayer<float>>;

/// visit(path, file, imported), for the models of all projects.
template <class Visit>
void each_model(Visit visit) {
  const auto of = [&]<class Source>(std::type_identity<Source>, std::initializer_list<const char*> names) {
    for (const char* name : names)
      for (const auto& path : support::golden_files("checkpoint", name)) {
        const io::File file = io::read(path);
        if (!file.tensors.contains("seq.D")) visit(path, file, io::import_from<Source>(file, told_in(file)));
      }
  };
  of(std::type_identity<io::S4v4>(), {"s4_diag", "s4_dplr"});
  of(std::type_identity<io::S4v3>(), {"s4_v3"});
  of(std::type_identity<io::S4v2>(), {"s4_v2"});
  of(std::type_identity<io::S4Minimal>(), {"s4d_minimal"});
  of(std::type_identity<io::S4Example>(), {"s4d_stack", "s4_stack"});
  of(std::type_identity<io::S4Sequence>(), {"s4_sequence"});
  of(std::type_identity<io::AnnotatedS4>(), {"annotated_"});
  of(std::type_identity<io::S5Flax>(), {"s5_"});
  of(std::type_identity<io::S5Pytorch>(), {"s5pytorch_"});
}

}  // namespace

TEST_CASE("every imported model learns: ten steps lower its loss", "[import][golden]") {
  Index models = 0;
  ThisThread executor;
  each_model([&](const auto& path, const io::File& file, auto imported) {
    CAPTURE(path.filename());
    Model& model = imported.model;
    const io::Examples<float> examples(file, "", imported.report.axes);
    const Index pairs = model.shape().compare ? 2 : 1, L = std::min<Index>(examples.input(0).length(), 16);
    const auto rows = [&](Index i) {
      const auto u = examples.input(i).block(0, L);
      return std::vector<float>(u.data(), u.data() + L * u.features());
    };
    const auto sample = [&](Index i, Random&) {
      return train::Sample<float>{.u = rows(i), .other = pairs == 2 ? rows(i + 1) : std::vector<float>{}};
    };
    const auto loss = [&](Index, ConstSequence<float> answer, Sequence<float> danswer, double weight) {
      double sum = 0;
      for (Index k = 0; k < answer.length(); ++k)
        for (Index o = 0; o < answer.features(); ++o) {
          const float apart = answer(k, o) - 0.1F * static_cast<float>(o);
          sum += static_cast<double>(apart * apart);
          danswer(k, o) += static_cast<float>(2 * weight) * apart;
        }
      return train::LossResult{sum};
    };
    train::Trainer<AnyLayer<float>> trainer(model, {.epochs = 11, .batch = 8, .learning_rate = 2e-3, .weight_decay = 0},
                                            executor);
    trainer.run(examples.size() / pairs, sample, loss);
    REQUIRE(trainer.curve().size() == 11);
    CHECK(trainer.curve().back().loss < trainer.curve().front().loss);
    ++models;
  });
  CHECK(models >= 79);
}

TEST_CASE("imported causal models stream, and the stream's answers are those of the code they are from",
          "[import][golden]") {
  Index streamed = 0;
  each_model([&](const auto& path, const io::File& file, auto imported) {
    CAPTURE(path.filename());
    const Model& model = imported.model;
    const auto& layers = model.layers();
    if (model.shape().compare || std::ranges::any_of(layers, [](const auto& layer) { return !layer.steps(); })) {
      CHECK_THROWS_AS(model.stream(), DomainError);
      return;
    }
    const io::Examples<float> examples(file, "", imported.report.axes);
    const bool every = model.shape().pool == nn::Pool::none;
    std::vector<float> got;
    for (Index i = 0; i < examples.size(); ++i) {
      auto stream = model.stream();
      const auto u = examples.input(i);
      const std::vector<float> silence(static_cast<std::size_t>(u.features()));
      const auto times = examples.times(i);
      std::span<const float> answer;
      const Index length = imported.report.cuts_padding ? examples.length(i) : u.length();
      for (Index k = 0; k < length; ++k) {
        const std::span<const float> row =
            imported.report.shifted ? (k == 0 ? std::span<const float>(silence) : u.row(k - 1)) : u.row(k);
        answer = times.empty() ? stream.step(row) : stream.step(row, LayerSteps{times[k]});
        if (every || k + 1 == length) got.insert(got.end(), answer.begin(), answer.end());
      }
    }
    const auto parity = io::parity_of<float>(got, examples.answers(), examples.size());
    CHECK(parity.error <= tolerance_of(file));
    ++streamed;
  });
  CHECK(streamed >= 55);
}
