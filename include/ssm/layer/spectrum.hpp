#pragma once

#include <array>
#include <string_view>

namespace ssm {

/// Which eigenvalues an S5 layer keeps.
enum class Spectrum {
  half,  ///< one of each conjugate pair, y = 2 Re(C x); a real mode of an odd state size stands first and counts once
  full   ///< every one, y = Re(C x)
};

/// Returns the words for its values, in their order, as files have them.
inline constexpr auto words_of(Spectrum) { return std::to_array<std::string_view>({"half", "full"}); }

}  // namespace ssm
