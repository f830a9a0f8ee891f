# Sourced: find_python VERSION prints that Python of this machine, also one of pyenv; nothing if there is none.
find_python() {
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python3; do
    if "$candidate" -c 'import venv' >/dev/null 2>&1; then echo "$candidate"; return; fi
  done
}
