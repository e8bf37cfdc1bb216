// Digits in a minute of silence and noise: each is heard where it stands, and nothing else is.
#include "support/hearing.hpp"
#include "ssm/core/random.hpp"
#include "ssm/io/model.hpp"
#include "support/catch.hpp"
#include "support/wav.hpp"

namespace {

constexpr double rate = 8000;
constexpr float gain = 8;

struct Stream {
  std::vector<float> samples;
  void silence(double seconds) { samples.resize(samples.size() + static_cast<std::size_t>(seconds * rate)); }
  /// Returns where it begins, in seconds.
  double say(const std::vector<float>& word) {
    const double begin = static_cast<double>(samples.size()) / rate;
    samples.insert(samples.end(), word.begin(), word.end());
    return begin;
  }
  void noise(float amplitude) {
    ssm::Random random(1);
    for (auto& each : samples) each += amplitude * static_cast<float>(random.normal());
  }
};

std::vector<example::Hearing::Word> heard(const Stream& stream) {
  static const auto model = ssm::io::load<example::Hearing::Model>(SSM_EXAMPLE_MODELS "/spoken_digits.safetensors");
  example::Hearing hearing(model, rate, gain);
  std::vector<example::Hearing::Word> words;
  const auto keep = [&](auto word) {
    if (word) words.push_back(std::move(*word));
  };
  for (const float sample : stream.samples) keep(hearing(sample));
  keep(hearing.finish());
  return words;
}

}  // namespace

TEST_CASE("a digit is heard wherever it stands in a minute of silence and noise") {
  const auto nine = example::read_wav(SSM_EXAMPLE_DATA "/nine.wav").samples;
  for (const float amplitude : {0.0F, 0.0005F, 0.002F}) {
    Stream stream;
    std::vector<double> begins;
    stream.silence(0.5);
    for (const double pause : {1.0, 3.0, 0.5, 20.0, 30.0, 2.0}) {
      begins.push_back(stream.say(nine));
      stream.silence(pause);
    }
    stream.noise(amplitude);
    const auto words = heard(stream);
    CAPTURE(amplitude);
    REQUIRE(words.size() == begins.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
      CAPTURE(i, words[i].begin, words[i].end, begins[i]);
      CHECK(words[i].label == 9);
      CHECK(std::abs(words[i].begin - begins[i]) < 0.15);
    }
  }
}

TEST_CASE("nothing is heard in silence, in noise, in noise that grows, or in a click") {
  for (const float amplitude : {0.0F, 0.002F, 0.02F, 0.2F}) {
    Stream stream;
    stream.silence(20);
    stream.noise(amplitude);
    CAPTURE(amplitude);
    CHECK(heard(stream).empty());
    stream.silence(3);
    stream.samples[stream.samples.size() / 2] += 0.5F;
    CHECK(heard(stream).empty());
  }
}

TEST_CASE("a chunk that does not fit into its WAV file is refused at once", "[examples]") {
  // a fuzzer's: libsndfile alone reads for hours
  std::string bytes("RIFF\0\0\0\0WAVEINFO*\0\xff\xff", 20);
  bytes += std::string(85, '\xff');
  CHECK_THROWS_WITH(example::read_wav(bytes, "file"),
                    support::ContainsSubstring("chunks fit into it, got one of 4294901802 bytes at byte 12"));
}
