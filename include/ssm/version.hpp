#pragma once

#include <string_view>

namespace ssm {

/// Version of the library: major, minor, patch. The build reads it from here.
inline constexpr std::string_view version = "0.2.0";

}  // namespace ssm
