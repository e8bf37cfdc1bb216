#pragma once

#include "ssm/import/s4.hpp"
#include "ssm/import/s5.hpp"

namespace ssm::io {

namespace detail {

/// A tensor of 32-bit numbers, F32 or the two parts of each C64.
inline Tensor float_tensor(std::vector<Index> shape, const std::vector<double>& values, const char* type) {
  Tensor made{type, std::move(shape), {}};
  for (const double each : values) {
    const auto narrow = static_cast<float>(each);
    made.bytes.append(reinterpret_cast<const char*>(&narrow), sizeof(narrow));
  }
  return made;
}
template <class Array>
std::vector<double> in_double(const Array& array) {
  return {array.begin(), array.end()};
}

}  // namespace detail

/// Writes weights as another project has them, for its own code: what `import_from<Target>` reads.
///
///     io::write("for_python.safetensors", io::export_to<io::S4Minimal>(model));
///     model.load_state_dict(safetensors.torch.load_file("for_python.safetensors"))      # there
///
/// @tparam Target   S4Minimal: a model of one block, S4D by zero-order hold, GELU, GLU, without a norm, a residual, an
///                  encoder and a decoder; B is multiplied into C. S5Pytorch: see the other overload
/// @throws          DomainError that says what such weights cannot hold
template <class Target, Real T>
requires std::same_as<Target, S4Minimal> File export_to(const nn::Stack<AnyLayer<T>>& model) {
  const auto& weights = model.weights();
  const auto refuse = [](const std::string& expected) {
    throw DomainError(ssm::detail::message("minimal S4D: expected ", expected));
  };
  const nn::BlockShape block{.norm = nn::NormKind::none, .residual = nn::Residual::none};
  const auto& shape = weights.shape;
  if (weights.blocks.size() != 1 || shape.encoder != nn::Encoder::none || shape.decoder ||
      shape.norm != nn::NormKind::none || shape.pool != nn::Pool::none)
    refuse("a model of one block whose inputs and outputs are features, got another");
  const auto& own = weights.blocks.front();
  if (!(own.shape == block)) refuse("a block of GELU and GLU without a norm and a residual, got another");
  const auto* const ssm = own.ssm.template get<S4D<T>>();
  if (ssm == nullptr) refuse("an S4D, got " + own.ssm.kind());
  if (ssm->states % 2 != 0) refuse("an even number of states, got " + std::to_string(ssm->states));
  if (!std::holds_alternative<ZeroOrderHold>(ssm->discretization)) refuse("zero-order hold, got another method");
  const Index H = ssm->features(), M = modes_of(ssm->states);
  std::vector<double> log_dt, log_re, im, C;
  for (Index h = 0; h < H; ++h) {
    const DiagonalSystem<double> system = ssm->system(h);
    log_dt.push_back(static_cast<double>(ssm->log_dt(h)) + std::log(model.rate()));
    for (Index n = 0; n < M; ++n) {
      log_re.push_back(std::log(-system.Lambda(n).real()));
      im.push_back(system.Lambda(n).imag());
      const Complex<double> both = system.B(n, 0) * system.C(0, n);
      C.insert(C.end(), {both.real(), both.imag()});
    }
  }
  File file;
  const auto put = [&file](const char* name, std::vector<Index> sizes, const std::vector<double>& values) {
    file.tensors[name] = detail::float_tensor(std::move(sizes), values, "F32");
  };
  put("D", {H}, detail::in_double(ssm->D));
  put("kernel.log_dt", {H}, log_dt);
  put("kernel.log_A_real", {H, M}, log_re);
  put("kernel.A_imag", {H, M}, im);
  put("kernel.C", {H, M, 2}, C);
  put("output_linear.0.weight", {2 * H, H, 1}, detail::in_double(own.mix.W));
  put("output_linear.0.bias", {2 * H}, detail::in_double(own.mix.b));
  return file;
}

/// Writes a single S5 for S5Pytorch, with all of the spectrum: both modes of each conjugate pair.
/// @param parameters   of an S5 by zero-order hold
/// @param rate         ratio of sampling intervals that it runs at
/// @throws             DomainError that says what such weights cannot hold
template <class Target, Real T>
requires std::same_as<Target, S5Pytorch> File export_to(const S5Parameters<T>& parameters, double rate = 1) {
  parameters.check();
  if (!std::holds_alternative<ZeroOrderHold>(parameters.discretization))
    throw DomainError("s5-pytorch: expected zero-order hold, got another method");
  const Index H = parameters.features(), S = parameters.modes();
  struct Mode {
    Index s;
    bool mirrored;
  };
  std::vector<Mode> modes;
  for (Index s = 0; s < S; ++s) modes.push_back({s, false});
  for (Index s = 0; s < S; ++s)  // of a pair, the other one
    if (parameters.count(s) == 2) modes.push_back({s, true});
  const auto P = std::ssize(modes);
  std::vector<double> Lambda, B, C, log_step;
  const auto add = [](std::vector<double>& to, Complex<double> value, bool mirrored) {
    to.insert(to.end(), {value.real(), mirrored ? -value.imag() : value.imag()});
  };
  for (const auto [s, mirrored] : modes) {
    add(Lambda, parameters.Lambda(s), mirrored);
    log_step.push_back(std::log(rate * parameters.dt(s)));
    for (Index h = 0; h < H; ++h) add(B, Complex<double>(parameters.B(s, h)), mirrored);
  }
  for (Index h = 0; h < H; ++h)
    for (const auto [s, mirrored] : modes) add(C, Complex<double>(parameters.C(h, s)), mirrored);
  File file;
  const auto put = [&file](const char* name, std::vector<Index> sizes, const std::vector<double>& values,
                           const char* type = "F32") {
    file.tensors[name] = detail::float_tensor(std::move(sizes), values, type);
  };
  put("seq.Lambda", {P}, Lambda, "C64");
  put("seq.B", {P, H, 2}, B);
  put("seq.C", {H, P}, C, "C64");
  put("seq.D", {H}, detail::in_double(parameters.D));
  put("seq.log_step", {P}, log_step);
  return file;
}

}  // namespace ssm::io
