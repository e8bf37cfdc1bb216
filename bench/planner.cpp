// What the planner's choice costs against the better mode, over a grid of shapes: one line of JSON for each. The least
// of three rounds of either mode, states at both ends, kernels kept; a shape whose runs would take more than a few
// seconds is left out. `ssm_planner [--quick]`.

#include "common.hpp"

#include <ssm/fft/fftw.hpp>

#include <array>
#include <iostream>

namespace {

using namespace bench;

template <class Layer, class Backend, class Stored>
void compare(const char* name, const char* backend, const Stored& stored, Index L, Index batch) {
  const Layer layer(stored);
  const Index H = layer.features();
  const ssm::Workload workload{.length = L, .batch = batch};
  const Rows u = noise(batch * L, H);
  Rows y = u;
  std::vector<typename Layer::State> states(static_cast<std::size_t>(batch), layer.initial_state());
  const ssm::ConstBatch<float> in(u.data(), batch, L, H);
  const ssm::Batch<float> out(y.data(), batch, L, H);
  std::array<double, 2> times;
  {
    auto recurrence = ssm::plan(layer, workload, ssm::algorithm::recurrence{});
    times[0] = 1e-6 * nanoseconds(3, 2e6, [&] { recurrence(in, out, states); });
  }
  auto convolution = ssm::plan(layer, workload, ssm::algorithm::convolution<Backend>{});
  times[1] = 1e-6 * nanoseconds(3, 2e6, [&] { convolution(in, out, states); });
  const bool chose = ssm::plan<Backend>(layer, workload).explain().starts_with("convolution");
  std::cout << "{\"layer\": \"" << name << "\", \"backend\": \"" << backend << "\", \"H\": " << H
            << ", \"N\": " << layer.states() << ", \"L\": " << L << ", \"B\": " << batch
            << ", \"recurrence_ms\": " << times[0] << ", \"convolution_ms\": " << times[1] << ", \"chosen\": \""
            << (chose ? "convolution" : "recurrence")
            << "\", \"ratio\": " << times[chose ? 1 : 0] / std::min(times[0], times[1]) << "}" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc == 2 && std::string(argv[1]) == "--quick";
  if (argc > 1 && !quick) {
    std::cerr << "ssm_planner: expected [--quick], got " << argv[1] << '\n';
    return 1;
  }
  const Index most = quick ? Index{1} << 20 : Index{1} << 24;  // feature-steps of a run
  for (const Index H : {16, 256, 1024})
    for (const Index N : {4, 16, 64, 256})
      for (const Index L : {1, 16, 128, 1024, 8192, 65536, 1 << 20})
        for (const Index batch : {1, 16}) {
          if (batch * H * L > most) continue;
          compare<ssm::S4D<float>, ssm::fft::FftwBackend>("S4D", "FFTW", diagonal_parameters(H, N), L, batch);
          if (batch > 1 || H > 256) continue;
          compare<ssm::S4D<float>, ssm::fft::EigenBackend>("S4D", "Eigen", diagonal_parameters(H, N), L, batch);
          if (H * N <= 1 << 14)
            compare<ssm::S4<float>, ssm::fft::FftwBackend>("S4", "FFTW", parameters(H, N), L, batch);
        }
}
