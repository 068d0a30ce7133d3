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

python=$(command -v python3 || true)
[ -n "$python" ] || { need python3 "Python 3.11 or newer is needed"; python=$(command -v python3); }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "tokenfleet: $python is $("$python" -V), but 3.11 or newer is needed; put one first in PATH" >&2
  exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv "Python's venv module is needed"

echo "making .venv: about 70 packages, half a minute with a quick network"
"$python" -m venv --clear .venv
# uv is pinned and hashed in the same file as everything that it installs.
awk '/^uv==/ {found = 1} found {print} found && !/\\$/ {exit}' tests/requirements.txt >.venv/uv.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r .venv/uv.txt
# Certificates of the machine's own store: a company's proxy is in it, as for pip.
uv() { .venv/bin/uv --system-certs --no-progress "$@" --quiet --python .venv/bin/python; }
uv pip install --require-hashes --requirements tests/requirements.txt
uv pip install --no-deps --no-build-isolation --editable .
touch .venv/ready
