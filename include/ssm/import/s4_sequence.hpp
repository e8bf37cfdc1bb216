#pragma once

#include "ssm/import/s4_block.hpp"

namespace ssm::io {

/// state-spaces/s4: a deep model as its train.py makes it, encoder, SequenceModel and decoder, by the names that its
/// Lightning checkpoints have under `state_dict`. Blocks are of version 4, or of version 3, which the names say.
///
/// The configuration is that of the training: `model` (`prenorm`, `transposed`, `n_layers`, `norm`, `residual`,
/// `bidirectional`, `layer`: one or a list, by `_name_` s4 or ffn, with the names that S4v4 or S4v3 have), `encoder`
/// (linear, embedding, null), `decoder` (`mode`: last, first, pool, sum), `l_output` (null: every step; 0: one answer).
/// Where there are no arrays of an encoder or a decoder, there is none. Sequences end at their length: give the model
/// as many steps.
///
/// Gu, Goel, Re 2022, arXiv:2111.00396; github.com/state-spaces/s4.
struct S4Sequence {
  /// Name of the project in messages and programs.
  static constexpr const char* project = "s4-sequence";
  /// Reads a model.
  /// @param file     a state dict
  /// @param told     the configuration
  /// @param prefix   before the names
  /// @throws         FormatError that names the array or the choice, what was expected and what came
  template <Real T>
  static Imported<nn::Stack<AnyLayer<T>>> read(const File& file, const Configuration& told, const std::string& prefix) {
    Reader<T> reader{detail::SourceArrays(file, prefix), told.part("model"), {}, {}};
    reader.report.cuts_padding = true;
    reader.blocks();
    reader.encoder(told);
    reader.decoder(told);
    reader.arrays.complete(told, reader.report);
    return {nn::Stack<AnyLayer<T>>(std::move(reader.weights)), std::move(reader.report)};
  }

 private:
  template <Real T>
  struct Reader {
    detail::SourceArrays arrays;
    Configuration model;
    nn::StackParameters<AnyLayer<T>> weights;
    Report report;

    nn::NormKind norm_kind() const {
      if (!model.has("norm") || model.none("norm")) return nn::NormKind::none;
      if (model.word("norm", {"layer", "batch"}) == 1) return nn::NormKind::batch;
      return model.yes_or("transposed", false) ? nn::NormKind::scalar : nn::NormKind::layer;
    }
    double epsilon() const { return norm_kind() == nn::NormKind::scalar ? 0 : 1e-5; }
    nn::Norm<T> norm(const std::string& name) {
      const nn::NormKind kind = norm_kind();
      const Index H = weights.shape.features;
      if (kind == nn::NormKind::none) return {};
      if (kind == nn::NormKind::scalar) {
        nn::Norm<T> two(H, kind);
        detail::fill_array(two.weight, arrays.reals(name + "s", {1}));
        detail::fill_array(two.bias, arrays.reals(name + "m", {1}));
        return two;
      }
      auto made = detail::imported_norm<T>(kind, arrays.reals(name + "weight", {H}), arrays.reals(name + "bias", {H}));
      if (kind == nn::NormKind::batch) {
        detail::fill_array(made.running_mean, arrays.reals(name + "running_mean", {H}));
        detail::fill_array(made.running_var, arrays.reals(name + "running_var", {H}));
        arrays.leave(name + "num_batches_tracked");
      }
      return made;
    }
    void blocks() {
      auto& shape = weights.shape;
      shape.features = model.count("d_model", 1'000'000);
      const bool before = model.yes("prenorm"), both = model.yes_or("bidirectional", false);
      if (model.has_part("pool") && model.part("pool").number_or("stride", 1) != 1)
        throw FormatError("configuration 'model.pool.stride': expected 1, got another");
      const bool adds = !model.none("residual") && model.word_or("residual", {"R"}, "R") == 0;
      const auto kinds = model.parts("layer");
      const Index repeats = model.count("n_layers", 4096);
      shape.layers = 0;
      for (Index i = 0; i < repeats * std::ssize(kinds); ++i) {
        const std::string name = "model.layers." + std::to_string(i) + ".";
        const Configuration& own = kinds[static_cast<std::size_t>(i) % kinds.size()];
        const bool feeds = own.word_or("_name_", {"s4", "ffn", "ff"}, "s4") != 0;
        if (feeds && both)
          throw FormatError("configuration 'model.bidirectional': expected false of a feed-forward layer, got true");
        auto block = feeds ? feed_forward(name + "layer.", own) : state_space(name, own, both);
        block.shape.norm = norm_kind();
        block.shape.place = before ? nn::NormPlace::before : nn::NormPlace::after;
        block.shape.epsilon = epsilon();
        block.shape.residual = adds ? nn::Residual::input : nn::Residual::none;
        block.norm = norm(name + "norm.norm.");
        if (feeds)
          shape.feed_forward = block.shape;
        else
          shape.block = block.shape;
        shape.layers += feeds ? 0 : 1;
        weights.blocks.push_back(std::move(block));
      }
      if (!before) return;
      shape.norm = norm_kind();
      shape.epsilon = epsilon();
      weights.norm = norm("model.norm.norm.");
    }
    nn::BlockParameters<AnyLayer<T>> state_space(const std::string& name, const Configuration& own, bool both) {
      const auto version =
          arrays.has(name + "layer.kernel.kernel.log_dt") ? detail::s4_version_3() : detail::s4_version_4();
      const auto one = [&](const char* layer) {
        auto block = detail::s4_block<T>(arrays, name + layer, own, version, report);
        arrays.agree(model, "d_model", block.features);
        return block;
      };
      const auto forward = one("layer.");
      if (!both) return detail::as_block(forward);
      const auto other = one("reverse_layer.");  // which runs forwards too
      const Index H = weights.shape.features;
      report.folded.push_back(name + "layer, reverse_layer: one layer of twice the features");
      return detail::two_as_block(forward, other,
                                  detail::torch_linear<T>(arrays, name + "bidirectional_linear", 2 * H, H));
    }
    nn::BlockParameters<AnyLayer<T>> feed_forward(const std::string& name, const Configuration& own) {
      using nn::Activation;
      const Index H = weights.shape.features;
      const auto& wide = arrays.shape(name + "ff.0.0.weight", {2, 3});
      nn::BlockParameters<AnyLayer<T>> made;
      made.shape.layer = false;
      made.shape.activation = Activation::identity;
      made.shape.mixing = nn::Mixing::linear;
      made.shape.width = wide[0];
      made.shape.gate =
          std::array{Activation::gelu, Activation::relu, Activation::silu,
                     Activation::tanh}[own.word_or("activation", {"gelu", "relu", "silu", "tanh"}, "gelu")];
      made.mix = detail::torch_linear<T>(arrays, name + "ff.0.0", H, *made.shape.width);
      made.project = detail::torch_linear<T>(arrays, name + "ff.2", *made.shape.width, H);
      return made;
    }
    void encoder(const Configuration& told) {
      auto& shape = weights.shape;
      const std::string name = arrays.has("encoder.weight") ? "encoder" : "encoder.0";
      if (!arrays.has(name + ".weight")) {
        shape.encoder = nn::Encoder::none;
        shape.inputs = shape.features;
        return;
      }
      const auto& sizes = arrays.shape(name + ".weight", {2});
      if (told.named("encoder", {"linear", "embedding"}) == 0) {
        shape.inputs = sizes[1];
        weights.encoder = detail::torch_linear<T>(arrays, name, shape.inputs, shape.features);
        return;
      }
      shape.encoder = nn::Encoder::embedding;
      shape.inputs = 1;
      shape.symbols = sizes[0];
      weights.encoder.W = detail::table_of<T>(arrays, name + ".weight", shape.symbols, shape.features);
    }
    void decoder(const Configuration& told) {
      auto& shape = weights.shape;
      const std::string name = "decoder.0.output_transform";
      shape.pool = nn::Pool::none;
      if (!arrays.has(name + ".weight")) {
        shape.decoder = false;
        shape.outputs = shape.features;
        return;
      }
      shape.outputs = arrays.shape(name + ".weight", {2})[0];
      weights.decoder = detail::torch_linear<T>(arrays, name, shape.features, shape.outputs);
      const std::size_t mode =
          told.has_part("decoder") ? told.part("decoder").word_or("mode", {"last", "first", "pool", "sum"}, "last") : 0;
      if (!told.none("l_output")) {
        const double answers = told.number("l_output");
        if (answers != 0 && answers != 1)
          throw FormatError(ssm::detail::message("configuration 'l_output': expected null, 0 or 1, got ", answers));
        shape.pool = std::array{nn::Pool::last, nn::Pool::first, nn::Pool::mean, nn::Pool::sum}[mode];
      } else if (mode > 1) {
        throw FormatError(
            "configuration 'decoder.mode': expected last or first where every step has an answer, got a "
            "running mean or sum");
      }
    }
  };
};

}  // namespace ssm::io
