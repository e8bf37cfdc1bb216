#pragma once

#include <ssm/nn/stack.hpp>

#include <cmath>
#include <vector>

namespace example {

/// Attention to everything that came before, step by step with a cache of keys and values: a state space layer is
/// compared with it. Vaswani et al. 2017, arXiv:1706.03762.
///
///     y_k = W_o [ sum_j softmax_j(q_k . k_j / sqrt(d)) v_j ]     for each head of d features
class CachedAttention {
 public:
  CachedAttention(ssm::Index features, ssm::Index heads, ssm::Random& random)
      : d_(features / heads),
        heads_(heads),
        query_(features, features, random),
        key_(features, features, random),
        value_(features, features, random),
        out_(features, features, random) {}

  ssm::Index parameters() const { return 4 * (query_.W.size() + query_.b.size()); }

  /// Keys and values of all steps so far. The cache grows with every step.
  struct Cache {
    std::vector<float> keys, values;  ///< (steps, features)
  };
  /// Computes one step.
  void step(std::span<const float> u, std::span<float> y, Cache& cache) const {
    using Eigen::Dynamic;
    const auto H = static_cast<ssm::Index>(u.size());
    cache.keys.resize(cache.keys.size() + u.size());
    cache.values.resize(cache.values.size() + u.size());
    ssm::nn::linear<float>(key_, u, std::span(cache.keys).last(u.size()));
    ssm::nn::linear<float>(value_, u, std::span(cache.values).last(u.size()));
    std::vector<float> q(u.size()), mixed(u.size());
    ssm::nn::linear<float>(query_, u, q);
    const auto steps = static_cast<ssm::Index>(cache.keys.size()) / H;
    using Rows = Eigen::Map<const Eigen::Matrix<float, Dynamic, Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;
    std::vector<float> weights(static_cast<std::size_t>(steps));
    Eigen::Map<Eigen::VectorXf> w(weights.data(), steps);
    for (ssm::Index head = 0; head < heads_; ++head) {
      const Rows keys(cache.keys.data() + head * d_, steps, d_, Eigen::OuterStride<>(H)),
          values(cache.values.data() + head * d_, steps, d_, Eigen::OuterStride<>(H));
      w.noalias() = keys * Eigen::Map<const Eigen::VectorXf>(q.data() + head * d_, d_);
      w *= 1 / std::sqrt(static_cast<float>(d_));
      w = (w.array() - w.maxCoeff()).exp();
      w /= w.sum();
      Eigen::Map<Eigen::VectorXf>(mixed.data() + head * d_, d_).noalias() = values.transpose() * w;
    }
    ssm::nn::linear<float>(out_, mixed, y);
  }

 private:
  ssm::Index d_, heads_;
  ssm::nn::Linear<float> query_, key_, value_, out_;
};

}  // namespace example
