# expect.sh CODE PATTERN FOLDER COMMAND...: COMMAND ends with CODE, says PATTERN (in one line where it fails), and leaves
# nothing half-written in FOLDER (nothing at all where it fails).
code=$1 pattern=$2 folder=$3
shift 3
/bin/rm -rf "$folder"
said=$("$@" 2>&1)
got=$?
fail() { echo "$1"; echo "it said: $said"; exit 1; }
[ $got -eq "$code" ] || fail "expected exit code $code, got $got"
[[ $said =~ $pattern ]] || fail "expected it to say: $pattern"
[ "$code" -ne 1 ] || [ "$(wc -l <<<"$said")" -eq 1 ] || fail "expected one sentence"
left=$(find "$folder" -name '*.part' 2>/dev/null)
[ -z "$left" ] || fail "half-written: $left"
[ "$code" -eq 0 ] || [ ! -e "$folder" ] || fail "expected nothing written in $folder"
[ "$code" -ne 0 ] || [ -s "$folder/memory.tsv" ] || fail "expected a table in $folder"
[[ $pattern != *.png ]] || for name in memory half_rate; do
  [ "$(head -c 4 "$folder/$name.png" | tail -c 3)" = PNG ] || fail "expected a picture $name.png"
done
