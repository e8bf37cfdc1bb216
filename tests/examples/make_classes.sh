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
# the same waves in the .ts format, of two dimensions and of lengths of their own; and files of it that are wrong
ts() {
  printf '# waves\n@problemName Waves\n@timeStamps false\n@univariate false\n@dimensions 2\n@equalLength false\n@classLabel true slow fast\n@data\n'
  awk -v seed="$1" 'BEGIN {
    srand(seed)
    for (i = 0; i < 40; ++i) {
      length_ = 40 + int(20 * rand()); a = rand(); w = i % 2 ? 0.9 : 0.2; wave = ""; noise = ""
      for (k = 0; k < length_; ++k) { wave = wave (k ? "," : "") sin(w * k + 6 * a); noise = noise (k ? "," : "") rand() }
      print wave ":" noise ":" (i % 2 ? "fast" : "slow")
    }
  }'
}
ts 1 >"$1/waves_TRAIN.ts"
ts 2 >"$1/waves_TEST.ts"
sed '9s/^\([^,]*\),[^,]*,/\1,?,/' "$1/waves_TRAIN.ts" >"$1/hole.ts"
sed '10s/:[^:]*:/:/' "$1/waves_TRAIN.ts" >"$1/dimension.ts"
sed '11s/,[^,]*:/:/' "$1/waves_TRAIN.ts" >"$1/short.ts"
sed '12s/slow\|fast/loud/' "$1/waves_TRAIN.ts" >"$1/label.ts"
sed 's/@timeStamps false/@timeStamps true/' "$1/waves_TRAIN.ts" >"$1/times.ts"
sed '/@data/,$d' "$1/waves_TRAIN.ts" >"$1/nothing.ts"
