#!/bin/sh
# Runs the unit tests on the lowest set that pyproject.toml admits, and on the newest set that resolves, each in an environment of its own
# under .cache/. What only the tests need is the newest that goes with it.
set -eu
python=${PYTHON:-python3}
for set in lowest newest; do
  environment=.cache/bounds-$set
  "$python" -m venv --clear "$environment"
  bin=$environment/bin
  if [ "$set" = lowest ]; then
    "$bin/python" -m pip install --quiet --disable-pip-version-check packaging tomli
    "$bin/python" requirements/bounds.py > "$environment/constraints.txt"
    "$bin/python" -m pip install --quiet --disable-pip-version-check -c "$environment/constraints.txt" -e '.[test]'
  else
    "$bin/python" -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager -e '.[test]'
  fi
  echo "The $set set:"
  "$bin/python" -m pytest -q -p no:cacheprovider --numprocesses auto --dist loadfile tests/unit
done
