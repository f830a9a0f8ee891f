#!/bin/sh
# Runs the unit and property tests on each Python in $PYTHONS that this machine has, each in its own
# environment under .cache/.
set -eu
found=0
for version in ${PYTHONS:-3.10 3.11 3.12 3.13}; do
  python=
  for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python3; do
    if "$candidate" -c 'import venv' >/dev/null 2>&1; then python=$candidate; break; fi
  done
  if [ -z "$python" ]; then echo "Python $version: not on this machine"; continue; fi
  environment=.cache/python-$version
  "$python" -m venv "$environment"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -e '.[test]'
  echo "Python $version:"
  "$environment/bin/python" -m pytest -q --numprocesses auto --dist loadfile tests/unit tests/property
  found=$((found + 1))
done
[ "$found" -gt 0 ] || { echo "none of these Pythons is on this machine: ${PYTHONS:-}" >&2; exit 1; }
