// Impulse responses and spectra of every layer and initial value.
//
// A state space layer is a convolution y = K * u with K_k = C A_bar^k B_bar (S4, arXiv:2111.00396, equation 5; LSSL,
// arXiv:2110.13985; S4D, arXiv:2206.11893; S5, arXiv:2208.04933). How its A is initialised is what it hears before it
// has learnt anything: HiPPO-LegS from slow to fast, LegT and Fourier a window, LagT a fade, the diagonal ones their
// approximations, random eigenvalues noise. C is drawn anew for each; one feature, time step dt.
#include "support/program.hpp"

#include <ssm/ssm.hpp>

using namespace ssm;

namespace {

struct Response {
  std::string name;
  std::vector<double> kernel, spectrum;  // spectrum in dB below its peak
};

template <class Layer>
Response respond(const std::string& name, const Layer& layer, Index length) {
  Response response{name, {}, {}};
  const auto K = layer.impulse_response(length);
  for (Index k = 1; k < length; ++k) response.kernel.push_back(static_cast<double>(K(k, 0)));  // without D
  const Index points = fft::fast_length(4 * length);
  std::vector<double> padded(static_cast<std::size_t>(points));
  std::copy(response.kernel.begin(), response.kernel.end(), padded.begin());
  std::vector<Complex<double>> bins(static_cast<std::size_t>(points / 2 + 1));
  fft::EigenBackend::Plan<double>(points).forward(padded, bins);
  double peak = 0;
  for (const auto& bin : bins) peak = std::max(peak, std::abs(bin));
  for (std::size_t j = 0; j < response.kernel.size(); ++j)
    response.spectrum.push_back(20 * std::log10(std::max(std::abs(bins[j + 1]) / peak, 1e-9)));
  return response;
}

/// Draws the responses of all systems.
void draw_responses(const std::filesystem::path& out, Index N, Index length, double dt, std::uint64_t seed) {
  example::make_folder(out);
  Random random(seed);
  const S4Shape shape{.features = 1, .states = N, .dt_min = dt, .dt_max = dt};
  const S4DShape modal{.features = 1, .states = N, .dt_min = dt, .dt_max = dt};
  const auto s4 = [&](const std::string& name, auto measure) {
    return respond("S4, " + name, S4<double>(initial<S4<double>>(measure, shape, random)), length);
  };
  const auto s4d = [&](const std::string& name, auto diagonal) {
    return respond("S4D, " + name, S4D<double>(initial<S4D<double>>(diagonal, modal, random)), length);
  };
  const LSSLShape lssl{.features = 1, .states = N, .dt_min = dt, .dt_max = dt};
  const S5Shape s5{.features = 1, .states = N / 2 * 2, .dt_min = dt, .dt_max = dt};
  const std::vector<Response> all{
      s4("LegS", hippo::LegS{}),
      s4("LegT", hippo::LegT{}),
      s4("LagT", hippo::LagT{}),
      s4("Fourier", hippo::Fourier{}),
      s4("random phase", diagonal::RandomLowRank<diagonal::Linear>{}),
      s4d("Lin", diagonal::Linear{}),
      s4d("Inv", diagonal::Inverse{}),
      s4d("LegS", hippo::LegS{}),
      s4d("Fourier", hippo::Fourier{}),
      s4d("random", diagonal::Unstructured{}),
      respond("LSSL, LegS", LSSL<double>(initial<LSSL<double>>(hippo::LegS{}, lssl, random)), length),
      respond("S5, HiPPO-N", S5<double>(initial<S5<double>>(hippo::LegS{}, s5, random)), length)};
  std::vector<std::string> names{"time"};
  std::vector<std::vector<double>> columns(1);
  for (Index k = 1; k < length; ++k) columns[0].push_back(dt * static_cast<double>(k));
  std::vector<std::string> systems;
  for (const Response& response : all) {
    systems.push_back(response.name);
    for (const auto* column : {&response.kernel, &response.spectrum}) {
      names.push_back(response.name);
      columns.push_back(*column);
    }
  }
  example::write_file(out / "kernels.tsv", example::table(names, columns));
  std::cout << all.size() << " responses of " << length << " samples, N = " << N << '\n';
  const double hertz = 1 / (dt * static_cast<double>(fft::fast_length(4 * length)));
  example::draw(out, "kernels", "kernels", {{"SYSTEMS", example::words(systems)}, {"HERTZ", example::number(hertz)}},
                2600);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Impulse responses and spectra of every layer", "kernels");
  std::string out;
  Index N = 64, length = 2000;
  double dt = 5e-3;
  std::uint64_t seed = 3;
  example::add_out(app, out);
  app.add_option("--states", N, "states N")->check(CLI::Range(2, 512))->capture_default_str();
  app.add_option("--length", length, "samples of each response")->check(CLI::Range(10, 1 << 20))->capture_default_str();
  app.add_option("--dt", dt, "time step")->check(CLI::Range(1e-6, 1.0))->capture_default_str();
  app.add_option("--seed", seed, "seed of C")->capture_default_str();
  return example::run(app, count, arguments, [&] { draw_responses(out, N, length, dt, seed); });
}
