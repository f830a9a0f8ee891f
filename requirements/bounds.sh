#!/bin/sh
# Runs the unit tests with the oldest packages that pyproject.toml allows, and with the newest, each in its own
# environment under .cache/. Packages that only the tests need are the newest that fit. Makes both environments
# at the same time, because that mostly waits for the package index.
set -eu
python=${PYTHON:-python3}
pip="-m pip install --quiet --disable-pip-version-check"

make_lowest() {
  "$python" -m venv --clear .cache/bounds-lowest
  .cache/bounds-lowest/bin/python $pip packaging tomli
  .cache/bounds-lowest/bin/python requirements/bounds.py > .cache/bounds-lowest/constraints.txt
  .cache/bounds-lowest/bin/python $pip -c .cache/bounds-lowest/constraints.txt -e '.[test]'
}

make_newest() {
  "$python" -m venv --clear .cache/bounds-newest
  .cache/bounds-newest/bin/python $pip --upgrade --upgrade-strategy eager -e '.[test]'
}

make_lowest &
lowest=$!
make_newest &
wait "$!"
wait "$lowest"
for set in lowest newest; do
  echo "The $set set:"
  ".cache/bounds-$set/bin/python" -m pytest -q -p no:cacheprovider --numprocesses auto --dist loadfile tests/unit
done
