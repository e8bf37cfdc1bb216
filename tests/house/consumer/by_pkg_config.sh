# by_pkg_config.sh PREFIX COMPILER FOLDER: compile and run the consumer with what pkg-config says of an installed ssm.
set -eu
export PKG_CONFIG_PATH=$1/share/pkgconfig
mkdir -p "$3"
"$2" -std=c++20 -O1 $(pkg-config --cflags ssm) "$(dirname "$0")/main.cpp" -o "$3/consumer" $(pkg-config --libs ssm)
"$3/consumer"
