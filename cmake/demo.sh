#!/usr/bin/env bash
# Installs what is missing (Debian, apt), builds the main example for this processor and lets it hear the recording that
# comes with the project. Options are handed to the example.
set -eu
cd "$(dirname "$0")/.."
. cmake/install_missing.sh
install_missing $build_packages $example_packages

cmake --preset native -DSSM_BUILD_BENCH=OFF -DSSM_FFTW=OFF >build-native.log 2>&1 || { cat build-native.log >&2; rm -f build-native.log; stop "cmake could not configure"; }
rm -f build-native.log
say "Building the example ..."
cmake --build --preset native --target spoken_digits
build/native/examples/spoken_digits --out build/demo "$@"
