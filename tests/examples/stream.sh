#!/usr/bin/env bash
# stream.sh DATA OUT PROGRAM: trains on DATA, and hears one of its sequences as it comes: from a file and row by row, as
# the whole of it.
set -eu
rm -rf "$2"
"$3" --data "$1" --out "$2" --epochs 40 --features 16 --states 8 --layers 2 --norm batch --mixing "half glu 2" --activation "tanh gelu" \
  --validation 0.2 >"$2.said" 2>&1 || { cat "$2.said"; exit 1; }
grep -q "the best on what was kept aside" "$2.said"
grep -q "is \\\\ taken for" "$2.said"
said=$("$3" --stream "$1/slow/1.csv" --every 20 --out "$2")
[ "$(grep -c "^20  \|^40  \|^60  " <<<"$said")" = 3 ] || { echo "it said: $said"; exit 1; }
apart=$(sed -n 's/the whole sequence at once differs by //p' <<<"$said")
awk -v x="$apart" 'BEGIN { exit !(x <= 1e-5) }' || { echo "differs by $apart"; exit 1; }
rows=$("$3" --stream - --every 20 --out "$2" <"$1/slow/1.csv")
[ "$(tail -n 1 <<<"$said")" = "'slow'" ] && [ "$(tail -n 1 <<<"$rows")" = "'slow'" ] || { echo "heard $said and $rows"; exit 1; }
if broken=$(printf '1,2\n3,x\n' | "$3" --stream - --out "$2" 2>&1); then echo "x was a number"; exit 1; fi
grep -q "standard input, step 2: row 1: expected a finite number, got 'x'" <<<"$broken" || { echo "it said: $broken"; exit 1; }
