#pragma once

#include "ssm/core/array.hpp"

#include <any>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

namespace support {

/// Returns the same parameters in fp64, number by number.
template <template <class> class Parameters>
Parameters<double> widened(const Parameters<float>& from) {
  Parameters<double> to;
  std::map<std::string, std::any> settings;  // floats as doubles, the others as they are
  Parameters<float>::each_setting(from, [&](const std::string& name, const auto& value) {
    if constexpr (std::is_same_v<decltype(value), const float&>)
      settings[name] = static_cast<double>(value);
    else
      settings[name] = value;
  });
  Parameters<double>::each_setting(to, [&](const std::string& name, auto& value) {
    value = std::any_cast<std::remove_reference_t<decltype(value)>>(settings.at(name));
  });
  std::map<std::string, std::vector<ssm::Complex<double>>> arrays;
  std::map<std::string, std::array<ssm::Index, 3>> shapes;
  Parameters<float>::each(from, [&](const std::string& name, const auto& array, auto) {
    shapes[name] = array.shape();
    for (const auto& value : array) arrays[name].push_back(ssm::Complex<double>(value));
  });
  Parameters<double>::each(to, [&](const std::string& name, auto& array, auto) {
    using Number = std::remove_cvref_t<decltype(*array.begin())>;
    const auto& shape = shapes.at(name);
    array = ssm::Array<Number>(shape[0], shape[1], shape[2]);
    auto next = arrays[name].begin();
    for (auto& value : array) {
      if constexpr (std::is_floating_point_v<Number>)
        value = (next++)->real();
      else
        value = *next++;
    }
  });
  return to;
}

}  // namespace support
