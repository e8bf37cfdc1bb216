// Weights that were trained by somebody else's code, as a model of this library.
//
// A file of another project (safetensors; examples/python makes one from a checkpoint of PyTorch, Lightning or flax) is
// read strictly: every array there, of its shape, finite, and none besides. What the arrays do not say, as which
// function keeps a time step positive, is asked for by the project's own names, never guessed. Where an input and the
// answer of the project's own code stand beside the weights, the model's answer is held against it and drawn; a model
// whose answer is another is refused.
#include "support/any_model.hpp"
#include "support/program.hpp"

#include <ssm/import/annotated_s4.hpp>
#include <ssm/import/exported.hpp>
#include <ssm/import/s4_older.hpp>

#include <chrono>
#include <iomanip>
#include <sstream>

using namespace ssm;

namespace {

using Model = example::AnyModel;
/// The kinds of layers that weights of others become.
using Kinds = io::Kinds<float, S4D<float>, S4<float>, S5<float>, ShiftedBidirectional<S4D<float>>,
                        ShiftedBidirectional<S4<float>>, Bidirectional<S5<float>>>;

/// What a project is called here, and what reads its models and its single layers.
struct Project {
  const char* name;
  io::Imported<Model> (*model)(const io::File&, const io::Configuration&, const std::string&);
  io::Imported<AnyParameters<float>> (*layer)(const io::File&, const io::Configuration&, const std::string&);
};
template <class Source>
Project project() {
  Project made{Source::project, io::import_from<Source, float>, nullptr};
  if constexpr (requires(const io::File& file, const io::Configuration& told) {
                  Source::template read_layer<float>(file, told, "");
                })
    made.layer = io::import_layer_from<Source, float>;
  return made;
}
const std::vector<Project>& projects() {
  static const std::vector<Project> all{project<io::S4v4>(),        project<io::S4v3>(),      project<io::S4v2>(),
                                        project<io::S4Minimal>(),   project<io::S4Example>(), project<io::S4Sequence>(),
                                        project<io::AnnotatedS4>(), project<io::S5Flax>(),    project<io::S5Pytorch>()};
  return all;
}

struct Options {
  std::string file = SSM_EXAMPLE_DATA "/s4_sequence.safetensors", source = "s4-sequence", configuration, prefix, save,
              back, out;
  bool layer = false;
};

io::Configuration configuration_of(const io::File& file, const Options& options) {
  if (options.configuration.empty()) {
    const auto found = file.metadata.find("config");
    return found == file.metadata.end() ? io::Configuration() : io::Configuration(found->second);
  }
  std::ifstream stream(options.configuration);
  if (!stream) throw std::runtime_error(options.configuration + ": expected a file that can be read, could not");
  return io::Configuration(std::string(std::istreambuf_iterator<char>(stream), {}));
}

void print(const io::Report& report) {
  const auto lines = [](const char* title, const std::vector<std::string>& all) {
    std::cout << "  " << title << "  " << (all.empty() ? "-" : "") << '\n';
    for (const std::string& each : all) std::cout << "      " << each << '\n';
  };
  std::cout << "  read      " << report.read.size() << " arrays\n";
  lines("folded  ", report.folded);
  lines("left out", report.left_out);
  lines("told    ", report.told);
  if (!report.parity) std::cout << "  parity    no input and answer (io.u, io.y) beside the weights\n";
}

/// Prints how far the answers are from the project's own.
void print(const io::Parity& parity, std::size_t numbers, double seconds) {
  const auto row = [](const auto&... columns) {
    ((std::cout << std::right << std::setw(20) << columns), ...);
    std::cout << '\n';
  };
  std::cout << "  parity, of this library's answers to the sequences beside the weights\n";
  row("sequences", "numbers", "peak", "largest difference", "of the peak", "seconds");
  const std::string rule(18, '-');
  row(rule, rule, rule, rule, rule, rule);
  std::cout << std::setprecision(3);
  row(parity.sequences, numbers, parity.peak, parity.error * parity.peak, parity.error, seconds);
}

/// Refuses a model whose answers are not those of the weights' own code. What is told wrong, as the place of a norm,
/// fits the arrays as well and shows here alone.
void require_parity(const io::Report& report, const Options& options) {
  constexpr double limit = 0.01;  // another rounding is 1e-5, a processor's short floats 1e-3
  if (!report.parity || report.parity->error <= limit) return;
  std::ostringstream text;
  text << options.file << ": expected answers within " << 100 * limit
       << " % of the peak of those beside the weights, got " << std::setprecision(3) << 100 * report.parity->error
       << " %: they are another input's, or what was told is wrong";
  for (std::size_t i = 0; i < report.told.size(); ++i) text << (i == 0 ? " (" : ", ") << report.told[i];
  throw std::runtime_error(text.str() + (report.told.empty() ? "" : ")"));
}

/// Draws both answers, and their difference.
void draw(const std::vector<float>& got, std::span<const float> expected, const std::string& out) {
  std::vector<double> number, theirs, ours, difference;
  for (std::size_t i = 0; i < got.size(); ++i) {
    number.push_back(static_cast<double>(i));
    theirs.push_back(static_cast<double>(expected[i]));
    ours.push_back(static_cast<double>(got[i]));
    difference.push_back(ours.back() - theirs.back());
  }
  example::write_file(std::filesystem::path(out) / "import_model.tsv",
                      example::table({"number", "theirs", "ours", "difference"}, {number, theirs, ours, difference}));
  example::draw(out, "import_model", "import_model");
}

void import(const Options& options) {
  const io::File file = io::read(options.file);
  const io::Configuration told = configuration_of(file, options);
  const auto& source = *std::ranges::find(projects(), options.source, &Project::name);
  const auto examples = [&](const io::Report& report) {
    return io::Examples<float>(file, options.prefix, report.axes);
  };
  const auto show = [&](const auto& model, const io::Report& report) {
    require_parity(report, options);
    std::cout << options.file << ", weights of " << options.source << '\n';
    print(report);
    if (!report.parity) return;
    const io::Examples<float> all = examples(report);
    const auto begun = std::chrono::steady_clock::now();
    const std::vector<float> got = io::answers_of(model, report, all);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    print(*report.parity, got.size(), took.count());
    draw(got, all.answers(), options.out);
  };
  const auto named = [&](auto read) {
    try {
      return read(file, told, options.prefix);
    } catch (const io::FormatError& error) {
      throw std::runtime_error(options.file + ": " + error.what());
    }
  };
  if (options.layer) {
    if (source.layer == nullptr)
      throw std::runtime_error("--layer: expected a source whose layers stand alone, got " + options.source);
    const auto imported = named(source.layer);
    show(AnyLayer<float>(imported.model), imported.report);
    io::save(options.save, imported.model);
    static_cast<void>(AnyLayer<float>(io::load<AnyParameters<float>, Kinds>(options.save)));
  } else {
    const auto imported = named(source.model);
    show(imported.model, imported.report);
    io::save(options.save, imported.model);
    static_cast<void>(io::load<Model, Kinds>(options.save));  // which answers the self-test in the file
  }
  std::cout << "Written, read again" << (options.layer ? "" : " and tested") << ": " << options.save << '\n';
}

/// Writes a model of this library, or an S5, as the other project's code reads it.
void export_back(const Options& options) {
  const io::File made = options.back == "s4d-minimal"
                            ? io::export_to<io::S4Minimal>(io::load<Model, Kinds>(options.file))
                            : io::export_to<io::S5Pytorch>(io::load<S5Parameters<float>>(options.file));
  io::write(options.save, made);
  std::cout << "Written for " << options.back << ", " << made.tensors.size() << " arrays: " << options.save << '\n';
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Weights that were trained elsewhere, as a model of this library, and the way back", "import_model");
  Options options;
  std::vector<std::string> names;
  for (const Project& each : projects()) names.emplace_back(each.name);
  example::add_out(app, options.out);
  app.add_option("file", options.file, "weights, as safetensors: see examples/python")->capture_default_str();
  app.add_option("--source", options.source, "project that they are from")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  app.add_option("--configuration", options.configuration,
                 "JSON file of what the arrays do not say; unless given, the file's own metadata 'config'");
  app.add_option("--prefix", options.prefix, "before the names of the arrays: net.encoder.");
  app.add_flag("--layer", options.layer, "a single layer, without what stands around it");
  app.add_option("--save", options.save, "file to write; unless given, model.safetensors in the folder of --out");
  app.add_option("--back", options.back, "write a model of this library for another project instead")
      ->check(CLI::IsMember({"s4d-minimal", "s5-pytorch"}));
  return example::run(app, count, arguments, [&] {
    if (options.save.empty()) options.save = (std::filesystem::path(options.out) / "model.safetensors").string();
    options.back.empty() ? import(options) : export_back(options);
  });
}
