#pragma once

#include "ssm/import/imported.hpp"
#include "support/golden.hpp"

/// Files of other projects' weights, and what reading them says.
namespace import_testing {

inline std::vector<float> numbers_of(const ssm::io::File& file, const std::string& name) {
  std::vector<float> all;
  for (const double each : ssm::io::numbers(name, file.tensors.at(name))) all.push_back(static_cast<float>(each));
  return all;
}
inline ssm::io::Configuration told_in(const ssm::io::File& file) {
  return ssm::io::Configuration(file.metadata.at("config"));
}
/// What reading says.
template <class Read>
std::string said(Read read) {
  try {
    read();
  } catch (const ssm::io::FormatError& error) {
    return error.what();
  }
  return "accepted";
}
/// A file of the reference data whose name begins so.
inline ssm::io::File reference(const std::string& name) {
  return ssm::io::read(support::golden_files("checkpoint", name).front());
}
/// Sequence i of a batch (batch, L, features).
inline ssm::ConstSequence<float> sequence(const std::vector<float>& all, const std::vector<ssm::Index>& shape,
                                          ssm::Index i) {
  return {all.data() + i * shape[1] * shape[2], shape[1], shape[2]};
}
inline double tolerance_of(const ssm::io::File& file) { return std::stod(file.metadata.at("tolerance_f32")); }

/// Holds the models of all files whose names begin so to the answers in them; returns how many there are.
template <class Source>
ssm::Index check_parity(const std::string& name) {
  ssm::Index files = 0;
  for (const auto& path : support::golden_files("checkpoint", name)) {
    CAPTURE(path.filename());
    const ssm::io::File file = ssm::io::read(path);
    const auto imported = ssm::io::import_from<Source, double>(file, told_in(file));
    REQUIRE(imported.report.parity);
    CHECK(imported.report.parity->error <= tolerance_of(file));
    CHECK(imported.report.parity->peak > 0);
    CHECK_FALSE(imported.report.told.empty());
    ++files;
  }
  return files;
}

}  // namespace import_testing
