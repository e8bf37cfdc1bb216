#!/usr/bin/env bash
# predict.sh DATA OUT PROGRAM: trains on DATA, measures on it, and predicts one of its sequences, quoted.
set -eu
rm -rf "$2"
"$3" --data "$1" --out "$2" --epochs 12 --features 16 --states 8 --layers 2 >/dev/null 2>&1
said=$("$3" --data "$1" --out "$2" --evaluate)
[[ $said =~ 'accuracy on the 4 that it holds out: '(0.7|1) ]] || { echo "it said: $said"; exit 1; }
said=$("$3" --predict "$1/slow/1.csv" --out "$2" | tail -n 1)
[ "$said" = "'slow'" ] || { echo "expected 'slow', got $said"; exit 1; }
