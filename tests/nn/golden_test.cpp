// Every block against reference numbers, forwards and backwards; a file a block.
#include "support/golden.hpp"
#include "ssm/nn/activation.hpp"
#include "ssm/nn/dropout.hpp"
#include "ssm/nn/embedding.hpp"
#include "ssm/nn/glu.hpp"
#include "ssm/nn/linear.hpp"
#include "ssm/nn/loss.hpp"
#include "ssm/nn/norm.hpp"
#include "ssm/nn/pooling.hpp"

using namespace ssm;
using support::Safetensors;

namespace {

Safetensors open(const std::string& name) { return Safetensors(support::golden_files("nn", name + ".").front()); }

/// Numbers of a tensor whose first axes are taken together: (rows, last axis).
struct Table {
  std::vector<double> values;
  Index columns;
  explicit Table(const support::Tensor& tensor) : values(tensor.values), columns(tensor.shape.back()) {}
  static Table zeros(const support::Tensor& tensor) {
    Table table(tensor);
    std::fill(table.values.begin(), table.values.end(), 0.0);
    return table;
  }
  Sequence<double> rows() { return {std::span<double>(values), columns}; }
};
Array<double> array(const support::Tensor& tensor) {
  Array<double> result(tensor.shape[0], tensor.shape.size() > 1 ? tensor.shape[1] : 1);
  std::copy(tensor.values.begin(), tensor.values.end(), result.begin());
  return result;
}
void check(const Safetensors& file, const std::string& name, const auto& got) {
  INFO(name);
  CHECK(support::relative_error(got, file[name].values) <= file.tolerance());
}

template <class F>
void check_activation(F f, const std::string& name) {
  INFO(name);
  const auto file = open(name);
  const auto &x = file["x"].values, &dy = file["dy"].values;
  std::vector<double> y(x.size()), dx(x.size());
  nn::activate<F, double>(f, x, y);
  nn::activate_vjp<F, double>(f, x, dy, dx);
  check(file, "y", y);
  check(file, "dx", dx);
}

/// Each sequence of a (batch, L, H) tensor: visit(b, rows).
template <class Visit>
void each_sequence(Table& table, const support::Tensor& tensor, Visit visit) {
  const Index L = tensor.shape[1], H = tensor.shape[2];
  for (Index b = 0; b < tensor.shape[0]; ++b) visit(b, Sequence<double>(table.values.data() + b * L * H, L, H));
}

}  // namespace

TEST_CASE("activations are the reference's", "[nn][golden]") {
  check_activation(nn::Relu{}, "relu");
  check_activation(nn::Sigmoid{}, "sigmoid");
  check_activation(nn::Silu{}, "silu");
  check_activation(nn::Tanh{}, "tanh");
  check_activation(nn::Gelu{}, "gelu_erf");
  check_activation(nn::TanhGelu{}, "gelu_tanh");
}

TEST_CASE("the gated linear unit is the reference's", "[nn][golden]") {
  const auto file = open("glu");
  Table x(file["x"]), y = Table::zeros(file["y"]), dy(file["dy"]), dx = Table::zeros(file["x"]);
  nn::glu<double>(x.rows(), y.rows());
  nn::glu_vjp<double>(x.rows(), dy.rows(), dx.rows());
  check(file, "y", y.values);
  check(file, "dx", dx.values);
}

TEST_CASE("the linear map is the reference's", "[nn][golden]") {
  const auto file = open("linear");
  Table x(file["x"]), y = Table::zeros(file["y"]), dy(file["dy"]), dx = Table::zeros(file["x"]);
  nn::Linear<double> map;
  map.W = array(file["W"]);
  map.b = array(file["b"]);
  nn::Linear<double> gradient(map.inputs(), map.outputs());
  nn::linear<double>(map, x.rows(), y.rows());
  nn::linear_vjp<double>(map, x.rows(), dy.rows(), dx.rows(), gradient);
  check(file, "y", y.values);
  check(file, "dx", dx.values);
  check(file, "dW", gradient.W.values());
  check(file, "db", gradient.b.values());
}

TEST_CASE("the embedding is the reference's", "[nn][golden]") {
  const auto file = open("embedding");
  const auto W = array(file["W"]);
  std::vector<Index> ids;
  for (const double id : file["ids"].values) ids.push_back(static_cast<Index>(id));
  Table y = Table::zeros(file["y"]), dy(file["dy"]);
  Array<double> dW(W.rows(), W.columns());
  nn::embedding<double>(W, ids, y.rows());
  nn::embedding_vjp<double>(ids, dy.rows(), dW);
  check(file, "y", y.values);
  check(file, "dW", dW.values());
  ids.front() = W.rows();
  CHECK_THROWS_AS(nn::embedding<double>(W, ids, y.rows()), DomainError);
}

TEST_CASE("layer norm and RMS norm are the reference's", "[nn][golden]") {
  const auto run = [](const std::string& name, auto forward, auto vjp) {
    INFO(name);
    const auto file = open(name);
    Table x(file["x"]), y = Table::zeros(file["y"]), dy(file["dy"]), dx = Table::zeros(file["x"]);
    nn::Norm<double> norm(x.columns), gradient(x.columns);
    norm.weight = array(file["weight"]);
    gradient.weight = gradient.bias;
    if (name == "layer_norm") norm.bias = array(file["bias"]);
    forward(norm, x.rows(), y.rows());
    vjp(norm, x.rows(), dy.rows(), dx.rows(), gradient);
    check(file, "y", y.values);
    check(file, "dx", dx.values);
    check(file, "dweight", gradient.weight.values());
    if (name == "layer_norm") check(file, "dbias", gradient.bias.values());
  };
  run(
      "layer_norm", [](auto&&... all) { nn::layer_norm<double>(all...); },
      [](auto&&... all) { nn::layer_norm_vjp<double>(all...); });
  run(
      "rms_norm", [](auto&&... all) { nn::rms_norm<double>(all...); },
      [](auto&&... all) { nn::rms_norm_vjp<double>(all...); });
}

TEST_CASE("batch norm is the reference's, in evaluation", "[nn][golden]") {
  const auto file = open("batch_norm_eval");
  Table x(file["x"]), y = Table::zeros(file["y"]), dy(file["dy"]), dx = Table::zeros(file["x"]);
  nn::Norm<double> norm(x.columns, nn::NormKind::batch), gradient(x.columns, nn::NormKind::batch);
  norm.weight = array(file["weight"]);
  norm.bias = array(file["bias"]);
  norm.running_mean = array(file["running_mean"]);
  norm.running_var = array(file["running_var"]);
  gradient.weight = gradient.bias;
  nn::batch_norm<double>(norm, x.rows(), y.rows());
  nn::batch_norm_vjp<double>(norm, x.rows(), dy.rows(), dx.rows(), gradient);
  check(file, "y", y.values);
  check(file, "dx", dx.values);
  check(file, "dweight", gradient.weight.values());
  check(file, "dbias", gradient.bias.values());
}

TEST_CASE("batch norm is the reference's, in training", "[nn][golden]") {
  const auto file = open("batch_norm_train");
  Table x(file["x"]), y = Table::zeros(file["y"]), dy(file["dy"]), dx = Table::zeros(file["x"]);
  nn::Norm<double> norm(x.columns, nn::NormKind::batch);
  norm.weight = array(file["weight"]);
  norm.bias = array(file["bias"]);
  norm.running_mean = array(file["running_mean"]);
  norm.running_var = array(file["running_var"]);
  nn::BatchSums batch(x.columns), sums(x.columns);
  each_sequence(x, file["x"], [&](Index, auto rows) { batch.add<double>(rows); });
  nn::batch_norm_train<double>(norm, batch, x.rows(), y.rows());
  nn::add_cotangents<double>(sums, batch, x.rows(), dy.rows());
  nn::batch_norm_train_vjp<double>(norm, batch, sums, x.rows(), dy.rows(), dx.rows());
  nn::update_running(norm, batch);
  check(file, "y", y.values);
  check(file, "dx", dx.values);
  check(file, "dweight", sums.second.values());
  check(file, "dbias", sums.first.values());
  check(file, "running_mean_after", norm.running_mean.values());
  check(file, "running_var_after", norm.running_var.values());
}

TEST_CASE("dropout is the reference's", "[nn][golden]") {
  const auto file = open("dropout_time_shared");
  Table y(file["x"]), dx(file["dy"]);
  const Index H = file["x"].shape[2];
  const auto mask = [&](Index b) {
    std::vector<double> numbers;
    for (Index h = 0; h < H; ++h) numbers.push_back(file["mask"].values[std::size_t(b * H + h)] / 0.75);
    return numbers;
  };
  each_sequence(y, file["x"], [&](Index b, auto rows) { nn::dropout<double>(mask(b), rows); });
  each_sequence(dx, file["x"], [&](Index b, auto rows) { nn::dropout<double>(mask(b), rows); });
  check(file, "y", y.values);
  check(file, "dx", dx.values);
}

TEST_CASE("pooling is the reference's", "[nn][golden]") {
  const auto run = [](const std::string& name, auto pool, auto vjp) {
    INFO(name);
    const auto file = open(name);
    Table x(file["x"]), dx = Table::zeros(file["x"]), y = Table::zeros(file["y"]), dy(file["dy"]);
    const auto length = [&](Index b) { return static_cast<Index>(file["lengths"].values[std::size_t(b)]); };
    each_sequence(x, file["x"], [&](Index b, auto rows) { pool(rows.block(0, length(b)), y.rows().row(b)); });
    each_sequence(dx, file["x"], [&](Index b, auto rows) { vjp(dy.rows().row(b), rows.block(0, length(b))); });
    check(file, "y", y.values);
    check(file, "dx", dx.values);
  };
  run(
      "mean_pool", [](auto x, auto y) { nn::mean_pool<double>(x, y); },
      [](auto dy, auto dx) { nn::mean_pool_vjp<double>(dy, dx); });
  run(
      "last_pool", [](auto x, auto y) { nn::last_pool<double>(x, y); },
      [](auto dy, auto dx) { nn::last_pool_vjp<double>(dy, dx); });
}

TEST_CASE("losses are the reference's", "[nn][golden]") {
  for (const std::string name : {"cross_entropy", "cross_entropy_smooth"}) {
    INFO(name);
    const auto file = open(name);
    Table logits(file["logits"]), dlogits = Table::zeros(file["logits"]);
    const Index rows = logits.rows().length();
    double loss = 0;
    for (Index i = 0; i < rows; ++i)
      loss += nn::cross_entropy<double>(logits.rows().row(i), static_cast<Index>(file["label"].values[std::size_t(i)]),
                                        dlogits.rows().row(i), 1 / double(rows), name == "cross_entropy" ? 0 : 0.1) /
              double(rows);
    check(file, "loss", std::vector<double>{loss});
    check(file, "dlogits", dlogits.values);
  }
  const auto file = open("mse");
  std::vector<double> dx(file["x"].values.size());
  const double loss = nn::mean_squared_error<double>(file["x"].values, file["target"].values, dx);
  check(file, "loss", std::vector<double>{loss});
  check(file, "dx", dx);
}
