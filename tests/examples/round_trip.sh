# A minimal S4D becomes a model of this library, goes back, and is read once more: round_trip.sh PROGRAM WEIGHTS
set -eu
"$1" "$2" --source s4d-minimal --out there --save there/model.safetensors
"$1" there/model.safetensors --back s4d-minimal --out back --save back/weights.safetensors
"$1" back/weights.safetensors --source s4d-minimal --out again | tee said
grep -q "read      7 arrays" said
