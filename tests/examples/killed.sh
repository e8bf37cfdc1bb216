#!/usr/bin/env bash
# killed.sh DATA FOLDER PROGRAM: a training that is killed again and again, and goes on each time, ends in the same bits as
# one that was left alone, also with another number of threads.
set -u
data=$1 folder=$2 program=$3
/bin/rm -rf "$folder"
options=(--data "$data" --epochs 8 --features 16 --states 8 --layers 2)
"$program" "${options[@]}" --threads 1 --out "$folder/alone" >/dev/null 2>&1 || { echo "the training alone failed"; exit 1; }
killed=0
for wait in 0.03 0.05 0.08 0.04 0.06 0.05; do
  timeout -s KILL "$wait" "$program" "${options[@]}" --threads 2 --out "$folder/killed" >/dev/null 2>&1
  [ $? -eq 137 ] && killed=$((killed + 1))
done
"$program" "${options[@]}" --threads 2 --out "$folder/killed" >/dev/null 2>&1 || { echo "going on failed"; exit 1; }
echo "killed $killed times"
[ "$killed" -ge 1 ] || { echo "expected to kill it at least once"; exit 1; }
cmp "$folder/alone/model.safetensors" "$folder/killed/model.safetensors"
