#pragma once

namespace ssm {

/// Which eigenvalues an S5 layer keeps.
enum class Spectrum {
  half,  ///< one of each conjugate pair, y = 2 Re(C x); a real mode of an odd state size stands first and counts once
  full   ///< every one, y = Re(C x)
};

}  // namespace ssm
