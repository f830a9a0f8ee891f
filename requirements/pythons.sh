#!/bin/sh
# Runs the unit and property tests on each Python in $PYTHONS that this machine has, each in its own
# environment under .cache/. Makes all environments at the same time, because that mostly waits for
# the package index.
set -eu
. requirements/find_python.sh

make_environment() { # PYTHON FOLDER
  "$1" -m venv "$2"
  "$2/bin/python" -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -e '.[test]'
}

found=
makers=
for version in ${PYTHONS:-3.10 3.11 3.12 3.13}; do
  python=$(find_python "$version")
  if [ -z "$python" ]; then echo "Python $version: not on this machine"; continue; fi
  make_environment "$python" ".cache/python-$version" &
  makers="$makers $!"
  found="$found $version"
done
[ -n "$found" ] || { echo "none of these Pythons is on this machine: ${PYTHONS:-}" >&2; exit 1; }
for maker in $makers; do wait "$maker"; done
for version in $found; do
  echo "Python $version:"
  ".cache/python-$version/bin/python" -m pytest -q --numprocesses auto --dist loadfile tests/unit tests/property
done
