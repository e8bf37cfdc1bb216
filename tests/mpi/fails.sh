#!/usr/bin/env bash
# fails.sh SECONDS TEXT COMMAND...: the command must fail within so many seconds, and say a text of this pattern.
seconds=$1 text=$2
shift 2
begun=$SECONDS
said=$(timeout --kill-after=5 "$seconds" "$@" 2>&1)
code=$?
printf '%s\n' "$said"
[ $((SECONDS - begun)) -lt "$seconds" ] || { echo "expected an end within $seconds s, got none"; exit 1; }
[ $code -ne 0 ] || { echo "expected a code other than 0, got 0"; exit 1; }
grep -Eq "$text" <<<"$said" || { echo "expected a text like '$text', got the above"; exit 1; }
