#!/usr/bin/env bash
# Regenerates docs/pictures from a system of its own: the screenshots, and the walk at the top of the README (docs/pictures/walk.gif).
# Needs ffmpeg and a Chinese font besides the packages of `./seckill prepare`. `./seckill bench` makes the two peak pictures.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

start_timeout_s=300
film_timeout_s=300
walk_bytes_max=1000000
last_frame_cs=300
pictures=docs/pictures

say() { printf 'pictures: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

command -v ffmpeg >/dev/null || die "ffmpeg not found: apt-get install ffmpeg"
[[ -n "$(fc-list :lang=zh)" ]] || die "no font for Chinese: apt-get install fonts-noto-cjk"
SECKILL_CHROMIUM="${SECKILL_CHROMIUM:-$(command -v chromium-headless-shell chromium chromium-browser google-chrome | head -n 1 || true)}"
[[ -n "$SECKILL_CHROMIUM" ]] || die "no Chromium or Chrome: ./seckill prepare installs one"
export SECKILL_CHROMIUM

folder="$(mktemp -d)"
up=""
clean_up() {
    [[ -z "$up" ]] || { kill -TERM "$up" 2>/dev/null || true; wait "$up" || true; }
    rm -rf "$folder"
}
trap clean_up EXIT

say "starting the system"
./seckill up --Local:StateFolder="$folder/state" >"$folder/up.log" 2>&1 &
up=$!
for ((waited_s = 0; waited_s < start_timeout_s; waited_s++)); do
    [[ ! -e "$folder/state/local.json" ]] || break
    kill -0 "$up" 2>/dev/null || { tail -n 20 "$folder/up.log" >&2; die "the system did not start"; }
    sleep 1
done
[[ -e "$folder/state/local.json" ]] || { tail -n 20 "$folder/up.log" >&2; die "the system did not start in $start_timeout_s s"; }

say "taking pictures"
mkdir "$folder/shots"
dotnet build scripts/pictures.cs -v q --nologo >&2
timeout "$film_timeout_s" dotnet run --no-build scripts/pictures.cs -- "$folder/state/local.json" "$folder/shots"

say "joining the frames"
# One palette for all frames, no dithering: flat colours stay flat, and a frame stores only what has changed in it.
cat "$folder"/shots/?-*.frames >"$folder/shots/walk.frames"
ffmpeg -v error -y -f concat -i "$folder/shots/walk.frames" -vsync vfr -final_delay "$last_frame_cs" \
    -filter_complex 'split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=none:diff_mode=rectangle' \
    "$folder/walk.gif"
size="$(stat --format %s "$folder/walk.gif")"
((size <= walk_bytes_max)) || die "walk.gif has $size bytes, more than $walk_bytes_max"
cp "$folder/walk.gif" "$folder"/shots/{page,console-live,trace}.png "$pictures/"
ls -l "$pictures" >&2
