#!/bin/sh
# Runs the unit tests with the oldest packages that pyproject.toml allows, and with the newest, each in its own
# environment under .cache/. Packages that only the tests need are the newest that fit.
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
