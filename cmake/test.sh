#!/usr/bin/env bash
# test.sh [PRESET]: installs what is missing (Debian, apt), builds everything and runs all tests. A second run only does what is
# new. The preset is `test` where none is given.
set -eu
cd "$(dirname "$0")/.."
. cmake/install_missing.sh
install_missing $build_packages $example_packages $test_packages
cmake --workflow --preset "${1:-test}"
