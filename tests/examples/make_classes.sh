#!/usr/bin/env bash
# make_classes.sh FOLDER: sequences of two classes as tables, slow waves and fast ones; and folders that are wrong.
set -eu
mkdir -p "$1/good/slow" "$1/good/fast" "$1/single/slow" "$1/word/slow" "$1/word/fast"
for i in $(seq 1 20); do
  awk -v seed="$i" 'BEGIN { srand(seed); a = rand(); for (k = 0; k < 60; ++k) printf "%f,%f\n", sin(0.2 * k + 6 * a), rand() }' >"$1/good/slow/$i.csv"
  awk -v seed="$i" 'BEGIN { srand(seed); a = rand(); for (k = 0; k < 60; ++k) printf "%f,%f\n", sin(0.9 * k + 6 * a), rand() }' >"$1/good/fast/$i.csv"
done
cp "$1/good/slow/1.csv" "$1/single/slow/1.csv"
cp "$1/good/slow/1.csv" "$1/word/slow/1.csv"
printf '1,2\n3,four\n' >"$1/word/fast/1.csv"
mkdir -p "$1/named/quiet" "$1/named/loud"
printf 'a,b\n1,2\n3,4\n' >"$1/named/quiet/1.csv"
printf 'a,b\n5,6\n7,8\n' >"$1/named/loud/1.csv"
printf 'feature = 8\n' >"$1/unknown.txt"
