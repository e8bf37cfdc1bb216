# make_wrong_files.sh GOOD FOLDER: the files that a reader of WAV must refuse.
set -eu
good=$1 folder=$2
mkdir -p "$folder"
echo "this is not a sound" >"$folder/text.wav"
printf 'RIFF\x04\x00\x00\x00nonsense' >"$folder/nonsense.wav"
: >"$folder/empty.wav"
head -c 2000 "$good" >"$folder/truncated.wav"
float_wav() { # float_wav SAMPLES-AS-ESCAPES COUNT: 32-bit float, mono, 8 kHz
  local bytes=$((4 * $2))
  le32() { printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))\\x00\\x00"; }
  printf 'RIFF'; le32 $((36 + bytes)); printf 'WAVEfmt '; le32 16
  printf '\x03\x00\x01\x00'; le32 8000; le32 32000; printf '\x04\x00\x20\x00data'; le32 $bytes; printf "$1"
}
float_wav '\x00\x00\x00\x00' 1 >"$folder/one.wav"
zero='\x00\x00\x00\x00'
float_wav "$zero$zero$zero\x00\x00\xc0\x7f$zero" 5 >"$folder/nan.wav"
# not wrong: as a program leaves it that writes into a pipe, sizes unknown; in a name of capital letters
nine=$(dirname "$good")/nine.wav
{ printf 'RIFF\xff\xff\xff\xff'; head -c 40 "$nine" | tail -c 32; printf '\xff\xff\xff\xff'; tail -c +45 "$nine"; } >"$folder/piped.WAV"
