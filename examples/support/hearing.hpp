#pragma once

#include <ssm/layer/s4d.hpp>
#include <ssm/nn/loss.hpp>
#include <ssm/nn/stack.hpp>

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <vector>

namespace example {

/// Says where in a stream of samples there is sound: its power over 20 ms against that of the background, which is
/// followed down at once and up within seconds.
class Gate {
 public:
  /// @param rate   samples a second
  explicit Gate(double rate)
      : quick_(1 - std::exp(-1 / (0.02 * rate))),
        down_(1 - std::exp(-1 / (0.05 * rate))),
        up_(1 - std::exp(-1 / (2 * rate))) {}

  /// Takes a sample and returns whether the gate is open after it.
  bool operator()(double sample) {
    power_ += quick_ * (sample * sample - power_);
    background_ += (power_ < background_ ? down_ : open_ ? 0 : up_) * (power_ - background_);
    open_ = power_ > (open_ ? std::max(4 * background_, least / 4) : std::max(10 * background_, least));
    return open_;
  }
  /// Regards the present power as that of the background.
  void forget() {
    background_ = power_;
    open_ = false;
  }

 private:
  static constexpr double least = 1e-5;  // of full scale, squared: quieter is silence
  double quick_, down_, up_, power_ = 0, background_ = 1e-7;
  bool open_ = false;
};

/// Hears words in a stream of samples: waits in silence and background noise, and lets a model hear each word from its
/// beginning, so that nothing that was heard before weighs on it.
class Hearing {
 public:
  using Model = ssm::nn::Stack<ssm::S4D<float>>;

  /// A word that has ended.
  struct Word {
    double begin, end;           ///< s
    ssm::Index label;            ///< the most probable class
    std::vector<float> samples;  ///< what the model heard, amplified
    std::vector<float> answer;   ///< probability of each class after them
  };

  /// @param model   must outlive it
  /// @param rate    samples a second
  /// @param gain    factor of the samples that the model reads
  Hearing(const Model& model, double rate, float gain)
      : model_(model),
        rate_(rate),
        gain_(gain),
        gate_(rate),
        stream_(model.stream()),
        now_(static_cast<std::size_t>(model.shape().outputs)) {}

  /// Takes a sample. Returns a word if one has ended with it.
  std::optional<Word> operator()(float sample) {
    ++steps_;
    before_.push_back(gain_ * sample);
    const bool loud = gate_(static_cast<double>(sample));
    if (!in_word_) {
      if (before_.size() > steps_of(0.03)) before_.pop_front();
      if (!loud) return {};
      in_word_ = true;
      stream_ = model_.stream();
      heard_.clear();
      for (const float each : before_) hear(each);
      ended_ = heard_.size();
      answer_ = now_;
      before_.clear();
      return {};
    }
    before_.clear();
    hear(gain_ * sample);
    if (loud) {
      ended_ = heard_.size();
      answer_ = now_;
    }
    if (heard_.size() > steps_of(longest)) {  // no word is so long: the background has become louder
      gate_.forget();
      in_word_ = false;
      return {};
    }
    return heard_.size() - ended_ < steps_of(pause) ? std::nullopt : end();
  }
  /// Ends the stream: returns the word that it ends in.
  std::optional<Word> finish() { return in_word_ ? end() : std::nullopt; }

  /// Returns whether a word is being heard.
  bool in_word() const { return in_word_; }
  /// Returns the probability of each class so far.
  const std::vector<float>& probabilities() const { return now_; }
  /// Samples so far.
  ssm::Index steps() const { return steps_; }

 private:
  static constexpr double shortest = 0.18, longest = 2.5, pause = 0.25;  // s
  std::size_t steps_of(double seconds) const { return static_cast<std::size_t>(seconds * rate_); }
  void hear(float sample) {
    heard_.push_back(sample);
    ssm::nn::softmax<float>(stream_.step({&sample, 1}), now_);
  }
  std::optional<Word> end() {
    in_word_ = false;
    if (ended_ < steps_of(shortest)) return {};  // a click
    const double begin = (static_cast<double>(steps_) - static_cast<double>(heard_.size())) / rate_;
    heard_.resize(ended_);
    return Word{begin, begin + static_cast<double>(ended_) / rate_,
                std::max_element(answer_.begin(), answer_.end()) - answer_.begin(), heard_, answer_};
  }

  const Model& model_;
  double rate_;
  float gain_;
  Gate gate_;
  Model::Stream stream_;
  std::deque<float> before_;
  std::vector<float> heard_, now_, answer_;
  std::size_t ended_ = 0;
  bool in_word_ = false;
  ssm::Index steps_ = 0;
};

}  // namespace example
