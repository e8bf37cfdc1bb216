# expect.sh CODE PATTERN FOLDER COMMAND...: COMMAND ends with CODE, says PATTERN (in one line where it fails), and leaves
# nothing half-written in FOLDER: at least a table where it succeeds, a picture for each NAME.png in PATTERN, and nothing at
# all where it fails.
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
[ "$code" -ne 0 ] || compgen -G "$folder/*.tsv" >/dev/null || fail "expected a table in $folder"
for name in $(grep -oE '[a-z_]+\.png' <<<"$pattern"); do
  [ "$(head -c 4 "$folder/$name" | tail -c 3)" = PNG ] || fail "expected a picture $name"
done
