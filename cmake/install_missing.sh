# Sourced by the set-up scripts: install_missing PACKAGE... installs with apt what is not there, and says so first.

say() { printf '%s\n' "$*"; }
stop() { printf 'ssm: %s\n' "$*" >&2; exit 1; }

install_missing() {
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    stop "expected a Debian with apt-get to install packages, found none. Install yourself what answers to: $*; then use the presets (cmake --workflow --preset test)."
  local package missing=()
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && { say "All packages are installed."; return; }
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null && as_root=(sudo) ||
      { [ -t 0 ] && command -v sudo >/dev/null && as_root=(sudo); } ||
      stop "expected root or sudo to install packages, got user $(id -un). Ask for: apt-get install ${missing[*]}"
  fi
  say "Installing with apt: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq || stop "apt-get update failed; its message is above"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >/dev/null || stop "apt-get could not install ${missing[*]}; its message is above"
}

build_packages="g++ cmake ninja-build libeigen3-dev libxsimd-dev"
example_packages="libsndfile1-dev libcli11-dev gnuplot-nox fonts-dejavu-core pkg-config nlohmann-json3-dev zlib1g-dev"
test_packages="clang git catch2 libfftw3-dev"
bench_packages="python3-venv libbenchmark-dev libfftw3-dev"
docs_packages="doxygen"
clang_packages="clang libclang-rt-dev"
neon_packages="g++-aarch64-linux-gnu qemu-user"
windows_packages="g++-mingw-w64-x86-64-posix"
mpi_packages="openmpi-bin libopenmpi-dev"
mpich_packages="mpich libmpich-dev"
