#!/bin/sh
# Creates the environment that the targets run in, or adds an extra of the project to it.
# Usage: environment.sh PYTHON FOLDER EXTRA
set -eu
python=$1 folder=$2 extra=$3
log=$folder/install-$extra.log

fail() {
  echo "$1 The full output is in $log. Run the command again to continue." >&2
  exit 1
}

mkdir -p "$folder"
[ -x "$folder/bin/pip" ] || "$python" -m venv "$folder" >"$log" 2>&1 ||
  fail "$python cannot make a virtual environment in $folder: $(tail -n 1 "$log")."
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -e ".[$extra]" >"$log" 2>&1 ||
  fail "pip could not install otel-asayer[$extra] into $folder: $(sed -n 's/^ *\(ERROR\|error\): //p' "$log" | sort | head -n 1)."
