#pragma once

#include "support/catch.hpp"
#include "support/safetensors.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace support {

/// All files `prefix*` of a folder of reference data; fails where there is none.
inline std::vector<std::filesystem::path> files_of(const std::filesystem::path& place, const std::string& prefix) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(place))
    if (entry.path().extension() == ".safetensors" && entry.path().filename().string().starts_with(prefix))
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  INFO("reference data " << place / prefix);
  REQUIRE_FALSE(files.empty());
  return files;
}

/// All files `folder/prefix*` of the reference data, for which SSM_GOLDEN_DIR may name another place.
inline std::vector<std::filesystem::path> golden_files(const std::string& folder, const std::string& prefix) {
  const char* other = std::getenv("SSM_GOLDEN_DIR");
  return files_of(std::filesystem::path(other != nullptr && *other != '\0' ? other : SSM_GOLDEN_DEFAULT) / folder,
                  prefix);
}
/// All files of a folder of reference data that a script in golden/make makes: always those kept here.
inline std::vector<std::filesystem::path> made_files(const std::string& folder) {
  return files_of(std::filesystem::path(SSM_GOLDEN_DEFAULT) / folder, "");
}

/// Largest difference relative to the largest magnitude of what is expected; infinite where sizes differ or a number is
/// NaN.
template <class Got, class Expected>
double relative_error(const Got& got, const Expected& expected) {
  if (static_cast<std::size_t>(got.size()) != static_cast<std::size_t>(expected.size())) return HUGE_VAL;
  double peak = 0, error = 0;
  auto g = std::begin(got);
  for (const auto& e : expected) {
    const double difference = std::abs(*g++ - e);
    peak = std::max(peak, static_cast<double>(std::abs(e)));
    error = std::isnan(difference) ? HUGE_VAL : std::max(error, difference);
  }
  return error == 0 ? 0 : error / peak;
}

}  // namespace support
