#!/usr/bin/env bash
# Installs what is missing (Debian 12, apt), builds everything and runs all tests. A second run only does what is new.
set -eu
cd "$(dirname "$0")/.."
. cmake/install_missing.sh
install_missing $build_packages $example_packages $test_packages

clang-format --dry-run --Werror $(find include tests bench examples -name '*.[ch]pp') ||
  stop "clang-format would change the files named above: clang-format -i FILE"
cmake --workflow --preset test
