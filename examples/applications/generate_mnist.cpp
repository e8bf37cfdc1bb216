// Draws digits: a model of the next pixel, out of all the pixels before.
//
// An image is read as 784 symbols of 256; after each the model gives a probability to every value of the next (S4,
// arXiv:2111.00396, section 4.3, does so for photographs). Trained on whole sequences, it then draws step by step: the
// state is all it keeps, so a pixel costs the same wherever it stands. An attention layer in its place has to look at
// everything it has drawn.
//
//     generate_mnist                          draws digits with the model that comes with it, and measures the time
//     generate_mnist --data FOLDER            also completes half images of the test set, and gives bits per pixel
//     generate_mnist --data FOLDER --train    trains a model
#include "support/attention.hpp"
#include "support/block_options.hpp"
#include "support/mnist.hpp"
#include "support/s4d_model.hpp"

#include <ssm/core/thread_pool.hpp>

#include <iomanip>
#include <numeric>

using namespace ssm;
using Layer = S4D<float>;
using Model = nn::Stack<Layer>;

namespace {

constexpr const char* task = "next pixel of handwritten digits";

constexpr Index pixels = example::Mnist::pixels, width = 28, values = 256;
using Image = std::vector<std::uint8_t>;

/// The symbols before each pixel: a black one, then the image but for its last.
std::vector<float> before_each(const std::uint8_t* image) {
  std::vector<float> u(std::size_t(pixels), 0.0F);
  std::copy_n(image, pixels - 1, u.begin() + 1);
  return u;
}
/// Returns the loss of an image in nats and the share of pixels that were the likeliest, and adds the derivative.
train::LossResult image_loss(const std::uint8_t* image, ConstSequence<float> logits, Sequence<float> dlogits,
                             double weight) {
  train::LossResult sum{0, 0};
  for (Index k = 0; k < pixels; ++k) {
    const auto result = example::class_loss(image[k], logits.block(k, 1), dlogits.block(k, 1), weight / pixels, 0);
    sum.loss += result.loss / pixels;
    sum.accuracy += result.accuracy / pixels;
  }
  return sum;
}
double nats(const Model& model, const std::uint8_t* image) {
  Array<float> logits(pixels, values), nobody(pixels, values);
  const auto u = before_each(image);
  const Sequence<float> rows(logits.data(), pixels, values);
  model.forward({std::span<const float>(u), 1}, rows);
  return image_loss(image, rows, {nobody.data(), pixels, values}, 0).loss;
}
/// Returns the mean loss over some images, in bits per pixel.
double bits_per_pixel(const Model& model, const example::Mnist& images, Index count, Executor& threads) {
  std::vector<double> each(static_cast<std::size_t>(count));
  threads.run(count, [&](Index i, Index) {
    each[static_cast<std::size_t>(i)] = nats(model, images.image(static_cast<std::size_t>(i)));
  });
  return std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(count) / std::numbers::ln2;
}

/// Draws an image whose first `given` pixels are another's.
Image draw_image(const Model& model, const std::uint8_t* from, Index given, double temperature, Random& random) {
  Image image(std::size_t(pixels), 0);
  std::copy_n(from, given, image.begin());
  auto stream = model.stream();
  std::vector<float> p(static_cast<std::size_t>(values));
  float symbol = 0;
  for (Index k = 0; k < pixels; ++k) {
    const auto logits = stream.step({&symbol, 1});
    if (k >= given) {
      for (std::size_t c = 0; c < p.size(); ++c) p[c] = logits[c] / static_cast<float>(temperature);
      nn::softmax<float>(p, p);
      double left = random.uniform();
      std::size_t c = 0;
      while (c + 1 < p.size() && (left -= static_cast<double>(p[c])) >= 0) ++c;
      image[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(c);
    }
    symbol = static_cast<float>(image[static_cast<std::size_t>(k)]);
  }
  return image;
}
/// Draws rows of images as one picture.
void draw_grid(const std::filesystem::path& out, const std::string& name, const std::vector<std::vector<Image>>& rows,
               const std::vector<std::string>& titles) {
  std::string text;
  const std::size_t columns = rows.front().size();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t y = 0; y < std::size_t(width); ++y) {
      for (std::size_t c = 0; c < columns; ++c)
        for (std::size_t x = 0; x < std::size_t(width); ++x)
          text += std::to_string(rows[r][c][std::size_t(width) * y + x]) +
                  (c + 1 == columns && x + 1 == std::size_t(width) ? "\n" : "\t");
    }
  }
  example::write_file(out / (name + ".tsv"), text);
  example::draw(
      out, name, "images",
      {{"TITLES", example::words(titles)}, {"ROWS", std::to_string(rows.size())}, {"WIDTH", std::to_string(width)}},
      static_cast<int>(1050 * rows.size() / columns + 60));
}

/// Returns microseconds of a step at each position: the median of the steps just before it.
template <class Step>
std::vector<double> step_times(const std::vector<double>& positions, Step step) {
  std::vector<double> result, window;
  Index k = 0;
  for (const double position : positions) {
    window.clear();
    for (; k < static_cast<Index>(position); ++k) {
      const auto begun = std::chrono::steady_clock::now();
      step();
      window.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begun).count());
    }
    const auto last = window.end() - std::min<std::ptrdiff_t>(std::ssize(window), 64);  // those at the position
    std::nth_element(last, last + (window.end() - last) / 2, window.end());
    result.push_back(*(last + (window.end() - last) / 2));
  }
  return result;
}
/// Measures the time per pixel over the position, of the model and of one with attention in the place of its layers.
void compare_times(const Model& model, const std::filesystem::path& out, Index longest, Random& random) {
  const Index H = model.shape().features, heads = H % 4 == 0 ? 4 : 1;
  std::vector<double> positions;
  for (Index k = 64; k <= longest; k *= 2) positions.push_back(static_cast<double>(k));
  auto stream = model.stream();
  float symbol = 0;
  const auto next = [&](std::span<const float> logits) {
    symbol = static_cast<float>(example::largest<float>(logits));
  };
  const auto ours = step_times(positions, [&] { next(stream.step({&symbol, 1})); });

  std::vector<example::CachedAttention> layers;
  for (Index i = 0; i < model.shape().layers; ++i) layers.emplace_back(H, heads, random);
  std::vector<example::CachedAttention::Cache> caches(layers.size());
  std::vector<float> x(static_cast<std::size_t>(H)), y(x.size()), wide(2 * x.size());
  std::vector<float> logits(static_cast<std::size_t>(values));
  symbol = 0;
  const auto theirs = step_times(positions, [&] {
    const Sequence<float> row(x.data(), 1, H), work(y.data(), 1, H);
    nn::encode<float>(model.shape(), model.weights().encoder, {&symbol, 1, 1}, row);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto& block = model.weights().blocks[i];
      nn::normalize<float>(block.norm, block.shape.norm, block.shape.epsilon, row, work);
      layers[i].step(y, y, caches[i]);
      nn::activate<nn::Gelu, float>({}, y, y);
      nn::linear<float>(block.mix, y, wide);
      nn::glu<float>({wide.data(), 1, 2 * H}, work);
      for (std::size_t h = 0; h < x.size(); ++h) x[h] += y[h];
    }
    nn::linear<float>(model.weights().decoder, x, logits);
    next(logits);
  });
  Index stored = 0;
  Layer::Parameters::each(model.weights().blocks.front().ssm, [&](const auto&, const auto& array, Role) {
    stored += array.size() * static_cast<Index>(sizeof(*array.data()) / sizeof(float));
  });
  const auto state = 2 * modes_of(model.shape().states) * H * model.shape().layers * Index{sizeof(float)};
  std::cout << "microseconds per pixel (a layer has " << stored << " numbers, an attention layer "
            << layers.front().parameters() << "):\n"
            << std::setw(10) << "position" << std::setw(12) << "S4D" << std::setw(12) << "attention" << std::setw(14)
            << "state, B" << std::setw(14) << "cache, B" << '\n'
            << std::fixed << std::setprecision(1);
  std::vector<double> state_bytes, cache_bytes;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    state_bytes.push_back(static_cast<double>(state));
    cache_bytes.push_back(2 * positions[i] * static_cast<double>(H * model.shape().layers) * sizeof(float));
    std::cout << std::setw(10) << static_cast<Index>(positions[i]) << std::setw(12) << ours[i] << std::setw(12)
              << theirs[i] << std::setw(14) << state << std::setw(14) << static_cast<Index>(cache_bytes[i]) << '\n';
  }
  example::write_file(out / "time_per_pixel.tsv",
                      example::table({"position", "S4D (us)", "attention (us)", "state (bytes)", "cache (bytes)"},
                                     {positions, ours, theirs, state_bytes, cache_bytes}));
  example::draw(out, "time_per_pixel", "time_per_pixel", {}, 600);
}

void learn(const example::Mnist& learnt, const example::Mnist& tested, Model& model, example::TrainingChoices& choices,
           const std::filesystem::path& out, const std::filesystem::path& path) {
  ThreadPool threads(choices.threads);
  const auto sample = [&](Index i, Random&) -> train::Sample<float> {
    return {before_each(learnt.image(static_cast<std::size_t>(i)))};
  };
  const auto loss = [&](Index i, ConstSequence<float> logits, Sequence<float> dlogits,
                        double weight) -> train::LossResult {
    return image_loss(learnt.image(static_cast<std::size_t>(i)), logits, dlogits, weight);
  };
  const auto test = [&](const Model& trained) { return bits_per_pixel(trained, tested, 1000, threads); };
  if (!example::train<Layer>(model, choices, out, threads, static_cast<Index>(learnt.count()), sample, loss, test,
                             {"bits per pixel", 1, false}))
    return;
  io::save(path, model, {{"task", task}, {"symbols", "grey, 0 to 255, row by row after a black one"}});
  std::cout << "bits per pixel: " << std::fixed << std::setprecision(4)
            << bits_per_pixel(model, tested, static_cast<Index>(tested.count()), threads) << "\nThe model is in "
            << path.string() << '\n';
}

/// Draws images, or completes those of the test set where there is one, and measures the time.
void draw(const std::filesystem::path& out, const std::string& model_path, const std::string& data, Index images,
          Index samples, double temperature, Index longest, std::uint64_t seed, Executor& threads) {
  Random random(seed);
  const auto model = example::load_model<Model>(model_path, task);
  if (model.shape().symbols != values || model.shape().outputs != values)
    throw std::runtime_error(model_path + ": expected a model of " + std::to_string(values) +
                             " grey values, got one of " + std::to_string(model.shape().symbols));
  example::make_folder(out);
  const Image black(std::size_t(pixels), 0);
  std::vector<std::vector<Image>> rows(static_cast<std::size_t>(samples + (data.empty() ? 0 : 2)));
  std::vector<std::string> titles(rows.size());
  for (auto& row : rows) row.resize(static_cast<std::size_t>(images));
  example::Mnist tested;
  std::size_t first = 0;
  if (!data.empty()) {
    tested = example::read_mnist(data, "t10k");
    std::cout << "bits per pixel: " << std::fixed << std::setprecision(4)
              << bits_per_pixel(model, tested, static_cast<Index>(tested.count()), threads) << " over "
              << tested.count() << " images\n";
    for (std::size_t i = 0; i < rows[0].size(); ++i) {
      rows[0][i].assign(tested.image(i), tested.image(i) + pixels);
      rows[1][i] = rows[0][i];
      std::fill(rows[1][i].begin() + pixels / 2, rows[1][i].end(), std::uint8_t{48});
    }
    titles[0] = "written";
    titles[1] = "given";
    first = 2;
  }
  for (std::size_t r = first; r < rows.size(); ++r) titles[r] = data.empty() ? "drawn" : "completed";
  threads.run(images * samples, [&](Index i, Index) {
    const auto which = static_cast<std::size_t>(i / samples), row = first + static_cast<std::size_t>(i % samples);
    Random draw(seed + 1000003 * static_cast<std::uint64_t>(i));
    rows[row][which] = data.empty() ? draw_image(model, black.data(), 0, temperature, draw)
                                    : draw_image(model, tested.image(which), pixels / 2, temperature, draw);
  });
  draw_grid(out, data.empty() ? "drawn" : "completed", rows, titles);
  compare_times(model, out, longest, random);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Draws handwritten digits, pixel by pixel", "generate_mnist");
  std::string out, data, model_path = SSM_EXAMPLE_MODELS "/generate_mnist.safetensors";
  Index images = 12, samples = 4, longest = 16384;
  double temperature = 1;
  bool training = false;
  example::TrainingChoices choices;
  choices.options = {.epochs = 12, .batch = 32, .learning_rate = 5e-3, .weight_decay = 0.02, .ema_decay = 0.999};
  nn::StackShape shape{.symbols = values,
                       .features = 64,
                       .states = 32,
                       .layers = 4,
                       .outputs = values,
                       .pool = nn::Pool::none,
                       .dropout = 0,
                       .dt_min = 1e-3,
                       .dt_max = 1e-1,
                       .encoder = nn::Encoder::embedding};
  example::add_out(app, out);
  auto* const data_option =
      app.add_option("--data", data, "folder of the MNIST set: train-images-idx3-ubyte[.gz] and its like");
  auto* const train_option = app.add_flag("--train", training, "trains a model on --data")->needs(data_option);
  auto* const model_option = app.add_option("--model", model_path, "what to draw with; with --train, where it goes");
  app.add_option("--images", images, "to complete, or to draw")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--samples", samples, "of each")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--temperature", temperature, "below 1: likelier pixels")
      ->check(CLI::Range(0.01, 100.0))
      ->capture_default_str();
  app.add_option("--longest", longest, "pixels up to which the time is measured")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  for (auto* const size : example::add_shape(app, shape)) size->needs(train_option);
  example::add_words(app, "--norm", shape.block.norm, "normalization of every block")->needs(train_option);
  example::add_words(app, "--norm-place", shape.block.place, "where it stands")->needs(train_option);
  example::add_training(app, choices);
  return example::run(app, count, arguments, [&] {
    if (training) {
      Random random(choices.options.seed);
      Model model(diagonal::Linear{}, shape, random);
      const auto path =
          *model_option ? std::filesystem::path(model_path) : std::filesystem::path(out) / "generate_mnist.safetensors";
      return learn(example::read_mnist(data, "train"), example::read_mnist(data, "t10k"), model, choices, out, path);
    }
    ThreadPool threads(choices.threads);
    draw(out, model_path, data, images, samples, temperature, longest, choices.options.seed, threads);
  });
}
