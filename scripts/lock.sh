#!/usr/bin/env bash
# Writes images/locks/: exact versions and hashes that hold from Python 3.11 to the newest.
set -euo pipefail
cd "$(dirname "$0")/.."

lock() { # lock NAME EXTRA...
  local name=$1
  shift
  .venv/bin/uv pip compile --quiet --upgrade pyproject.toml "$@" --universal --python-version 3.11 \
    --generate-hashes --no-header --no-annotate --output-file "images/locks/$name.txt"
}

# The build tool of python-iptables, which exists as source only.
.venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --output-file images/locks/init-build.txt - <<<"setuptools>=80"
lock proxy --extra proxy
lock init --extra init
lock webhook --extra webhook
lock emulator --extra emulator
lock dev --extra proxy --extra init --extra webhook --extra cli --extra emulator --group dev
