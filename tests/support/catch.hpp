#pragma once
// Catch2 version 2 or 3, whichever is installed.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
namespace support {
using Catch::Matchers::ContainsSubstring;
}  // namespace support
#else
#include <catch2/catch.hpp>
namespace support {
inline auto ContainsSubstring(const std::string& part) { return Catch::Matchers::Contains(part); }
}  // namespace support
#endif
