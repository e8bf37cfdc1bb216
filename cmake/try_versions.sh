#!/usr/bin/env bash
# Tries the headers against other versions of Eigen and xsimd than the distribution has: those that pip packages carry
# (eigency 5.0.1: Eigen 5.0.1, whose folder `unsupported` is the installed Eigen's; pythran 0.19: xsimd 14.1). Configures the build, installs, consumes what was installed, and
# compares what examples/hello prints. Needs pip, a compiler and CMake; leaves nothing outside build/versions.
set -eu
cd "$(dirname "$0")/.."
. cmake/install_missing.sh
place=$PWD/build/versions
rm -rf "$place" && mkdir -p "$place/wheels"
python3 -m pip --version >/dev/null 2>&1 || stop "expected pip for python3, found none (Debian: apt-get install python3-pip)"
for wheel in eigency==5.0.1.1 pythran==0.19.0; do
  python3 -m pip download -q --no-deps --only-binary :all: --python-version 3.11 --dest "$place/wheels" "$wheel" ||
    stop "pip could not fetch $wheel; its message is above"
done
python3 - "$place" <<'PYTHON'
import pathlib, sys, zipfile
place = pathlib.Path(sys.argv[1])
for wheel in (place / "wheels").glob("*.whl"):
    with zipfile.ZipFile(wheel) as files:
        files.extractall(place, [n for n in files.namelist() if n.startswith(("eigency/eigen/", "pythran/xsimd/"))])
PYTHON
cp -r "${EIGEN_UNSUPPORTED:-/usr/include/eigen3/unsupported}" "$place/eigency/eigen/"
# what Eigen 5's own has otherwise: one signature, and an include that its core no longer brings
sed -i '1i #include <cassert>' "$place/eigency/eigen/unsupported/Eigen/MatrixFunctions"
sed -i 's/pow(const std::complex<RealScalar>& p)/pow(const internal::make_complex_t<typename internal::traits<Derived>::Scalar>\& p)/' \
  "$place/eigency/eigen/unsupported/Eigen/src/MatrixFunctions/MatrixPower.h"

# What a package of Eigen 5 brings for CMake: its version refuses to be asked for 3.4 or later.
eigen=$place/eigency/eigen
version=5.0.1
mkdir -p "$place/cmake"
cat >"$place/cmake/Eigen3Config.cmake" <<CMAKE
add_library(Eigen3::Eigen INTERFACE IMPORTED)
set_target_properties(Eigen3::Eigen PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "$eigen")
CMAKE
cat >"$place/cmake/Eigen3ConfigVersion.cmake" <<CMAKE
set(PACKAGE_VERSION $version)
if(NOT PACKAGE_FIND_VERSION OR PACKAGE_FIND_VERSION_MAJOR EQUAL 5)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
CMAKE

with_versions="-DEigen3_DIR=$place/cmake -DXSIMD_INCLUDE_DIR=$place/pythran"
cmake -S . -B "$place/build" $with_versions -DSSM_BUILD_TESTS=OFF -DSSM_BUILD_BENCH=OFF -DCMAKE_INSTALL_PREFIX="$place/prefix"
cmake --build "$place/build" --target hello
grep -q "Eigen3_DIR:.*=$place" "$place/build/CMakeCache.txt" || stop "expected Eigen $version to be found, another one was"
cmake -DREADME=README.md -DSOURCE=examples/basics/hello.cpp -DPROGRAM="$place/build/examples/hello" -P tests/examples/hello.cmake
cmake --install "$place/build" >/dev/null
cmake -S tests/house/consumer -B "$place/consumer" $with_versions -DWAY=find_package -DWITH_FFTW=OFF \
  -DCMAKE_PREFIX_PATH="$place/prefix"
cmake --build "$place/consumer"
"$place/consumer/consumer"
for header in $(cd include && find ssm -name '*.hpp' ! -name fftw.hpp ! -path '*/io/*' ! -path '*/train/*'); do
  "${CXX:-g++}" -std=c++20 -fsyntax-only -I include -isystem "$eigen" -isystem "$place/pythran" -include "$header" -x c++ /dev/null ||
    stop "$header does not compile with Eigen $version and xsimd 14"
done
say "Eigen $version and xsimd 14: all headers compile, hello prints the same digits, an installed ssm is found and used."
