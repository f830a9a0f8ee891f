#!/bin/sh
# Runs the unit tests with the oldest packages that pyproject.toml allows, on the oldest Python that
# this machine has, and with the newest packages on the newest Python, each in its own environment under .cache/.
# Packages that only the tests need are the newest that fit. Makes both environments at the same time, because that
# mostly waits for the package index.
set -eu
. requirements/find_python.sh
default=${PYTHON:-python3}
pip="-m pip install --quiet --disable-pip-version-check"

first_of() { # VERSION...
  for version in "$@"; do
    python=$(find_python "$version")
    if [ -n "$python" ]; then echo "$python"; return; fi
  done
  echo "$default"
}

oldest=$(first_of 3.10 3.11 3.12 3.13)
newest=$(first_of 3.13 3.12 3.11 3.10)

make_lowest() {
  "$oldest" -m venv --clear .cache/bounds-lowest
  .cache/bounds-lowest/bin/python $pip packaging tomli
  .cache/bounds-lowest/bin/python requirements/bounds.py > .cache/bounds-lowest/constraints.txt
  .cache/bounds-lowest/bin/python $pip -c .cache/bounds-lowest/constraints.txt -e '.[test]'
}

make_newest() {
  "$newest" -m venv --clear .cache/bounds-newest
  .cache/bounds-newest/bin/python $pip --upgrade --upgrade-strategy eager -e '.[test]'
}

make_lowest &
lowest=$!
make_newest &
wait "$!"
wait "$lowest"
for set in lowest newest; do
  echo "The $set set, $(".cache/bounds-$set/bin/python" --version):"
  ".cache/bounds-$set/bin/python" -m pytest -q -p no:cacheprovider --numprocesses auto --dist loadfile tests/unit
done
