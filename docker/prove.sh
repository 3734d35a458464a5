#!/usr/bin/env bash
# Proves the image that scans: that it builds, scans as a plain user, holds no TensorFlow and stays
# under its size. With a Docker daemon the image itself; without one the same commands in a fresh
# virtual environment, to whose size that of the base image is added. PYTHON names its interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

most_mb=600
base_mb=150 # python:3.12-slim, unpacked, rounded up
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

mkdir "$work/data"
"${PYTHON:-python3}" - "$work/data/noise.wav" <<'EOF'
import random, struct, sys, wave
with wave.open(sys.argv[1], "wb") as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(16000)
    values = (random.randrange(-3000, 3000) for _ in range(16000 * 20))
    file.writeframes(b"".join(struct.pack("<h", value) for value in values))
EOF

if docker info >/dev/null 2>&1; then
  how="the image, built and run by Docker"
  docker build --quiet --tag callcount:proof . >/dev/null
  size_mb=$(($(docker image inspect --format '{{.Size}}' callcount:proof) / 1000000))
  user="$(id -u):$(id -g)"
  run() { docker run --rm --user "$user" -v "$work/data:/data" callcount:proof "$@"; }
  folder=/data
else
  how="its commands in a fresh virtual environment; no Docker daemon runs here"
  # Of the context that .dockerignore leaves, which has to be enough for the wheel.
  mkdir -p "$work/src/artifacts"
  cp -r counter training pyproject.toml README.md LICENSE "$work/src"
  cp -r artifacts/capuchinbird "$work/src/artifacts"
  "${PYTHON:-python3}" -m venv "$work/venv"
  pip=("$work/venv/bin/pip" --quiet)
  "${pip[@]}" wheel --no-deps --wheel-dir "$work/wheels" "$work/src"
  "${pip[@]}" install "$work"/wheels/*.whl
  size_mb=$((base_mb + $(du --summarize --block-size=1000000 "$work/venv" | cut -f 1)))
  run() { (cd "$work/data" && env -i HOME=/tmp PATH=/usr/bin:/bin "$work/venv/bin/callcount" "$@"); }
  folder=$work/data
fi

run scan "$folder" -o "$folder/results.csv" --report
test "$(wc -l <"$work/data/results.csv")" -eq 2
test -s "$work/data/results/report.html"
if run train --positive "$folder" --negative "$folder" 2>"$work/refusal"; then
  echo "TensorFlow is in the image" >&2
  exit 1
fi
grep -F "pip install 'callcount[train]'" "$work/refusal"
echo "about $size_mb MB, at most $most_mb"
test "$size_mb" -le "$most_mb"
echo "proven: $how"
