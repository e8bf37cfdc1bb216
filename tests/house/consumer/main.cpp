#include <ssm/ssm.hpp>
#ifdef CONSUMER_HAS_FFTW
#include <ssm/fft/fftw.hpp>
using Backend = ssm::fft::FftwBackend;
#else
using Backend = ssm::fft::EigenBackend;
#endif
#ifdef CONSUMER_HAS_MPI
#include <ssm/mpi/time_split.hpp>
using Split = ssm::mpi::TimeSplit<ssm::S4<float>>;
static_assert(sizeof(Split) > 0);
#endif

int main() {
  ssm::Random random(1);
  const ssm::S4<float> layer(ssm::initial<ssm::S4<float>>(ssm::hippo::LegS{}, {.features = 2, .states = 8}, random));
  Eigen::Matrix<float, 32, 2, Eigen::RowMajor> u, y, z;
  u.setOnes();
  auto state = layer.initial_state(), other = state;
  layer.forward(u, y, state);
  layer.forward(u, z, other, ssm::algorithm::convolution<Backend>{});
  return (y - z).cwiseAbs().maxCoeff() < 1e-4F * y.cwiseAbs().maxCoeff() ? 0 : 1;
}
