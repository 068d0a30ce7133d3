#!/usr/bin/env bash
# Make .venv with the pinned development requirements and the project itself, editable.
set -euo pipefail
cd "$(dirname "$0")/.."

need() { # package reason: install a Debian package when root, else say what to do
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $1 ($2)"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
  else
    echo "tokenfleet: $2: install it, for example with 'sudo apt-get install $1'" >&2
    exit 1
  fi
}

fits() { # python: it is new enough and can make environments
  [ -x "$1" ] && "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# The system's own goes before one that was compiled on this machine and comes first in PATH: those
# who build for a distribution let a profile guide the compiler, and tests take a fifth less time.
system=/usr/bin/python3
if [ -n "${TOKENFLEET_PYTHON:-}" ]; then
  python=$(command -v "$TOKENFLEET_PYTHON") || {
    echo "tokenfleet: TOKENFLEET_PYTHON names $TOKENFLEET_PYTHON, which is no program" >&2
    exit 1
  }
elif fits "$system"; then
  python=$system
else
  python=$(command -v python3 || true)
fi
[ -n "$python" ] || { need python3 "Python 3.11 or newer is needed"; python=$(command -v python3); }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "tokenfleet: $python is $("$python" -V), but 3.11 or newer is needed: name one in TOKENFLEET_PYTHON, or put it first in PATH" >&2
  exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv "Python's venv module is needed"

echo "making .venv of $python: about 70 packages, half a minute with a quick network"
"$python" -m venv --clear .venv
# uv is pinned and hashed in the same file as everything that it installs.
awk '/^uv==/ {found = 1} found {print} found && !/\\$/ {exit}' tests/requirements.txt >.venv/uv.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r .venv/uv.txt
# Certificates of the machine's own store: a company's proxy is in it, as for pip.
uv() { .venv/bin/uv --system-certs --no-progress "$@" --quiet --python .venv/bin/python; }
uv pip install --require-hashes --requirements tests/requirements.txt
uv pip install --no-deps --no-build-isolation --editable .
touch .venv/ready
