#!/bin/sh
# Makes the environment that the targets run in, or adds to it what an extra of the project brings.
# Usage: environment.sh PYTHON FOLDER EXTRA
set -eu
python=$1 folder=$2 extra=$3
log=$folder/install-$extra.log

fail() {
  echo "$1 All that was said is in $log; run this once more, and it goes on from here." >&2
  exit 1
}

mkdir -p "$folder"
[ -x "$folder/bin/pip" ] || "$python" -m venv "$folder" >"$log" 2>&1 ||
  fail "$python cannot make a virtual environment in $folder: $(tail -n 1 "$log")."
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -e ".[$extra]" >"$log" 2>&1 ||
  fail "pip could not install otel-asayer[$extra] into $folder: $(sed -n 's/^ *\(ERROR\|error\): //p' "$log" | sort | head -n 1)."
