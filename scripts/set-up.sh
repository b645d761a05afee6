#!/usr/bin/env bash
# Makes .venv/ from images/locks/dev.txt. Debian packages that are missing are installed when this
# runs as root, never removing any; otherwise one sentence says which to install.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/sbin:/sbin"
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null; }

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  say "Python 3.11 or newer is needed; '$python' is not. Install it, or name one: make PYTHON=python3.12 …"
  exit 1
fi

# What building python-iptables, the namespaces of the demo and the tests need, by command.
missing=()
need() { has "$1" || missing+=("${@:2}"); }
if [ "$(uname -s)" = Linux ]; then
  need cc gcc libc6-dev
  need ip iproute2
  need nft nftables
  need iptables iptables
  need curl curl
  need nsenter util-linux
  need capsh libcap2-bin
  need newuidmap uidmap
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || missing+=(python3-dev)
fi
# Some tests need it, and say so when they are skipped.
if [ "$(id -u)" = 0 ] && has apt-get && ! ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1; then
  missing+=(libfaketime)
fi
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! has apt-get; then
    say "These Debian packages (or your system's like) are missing: ${missing[*]}. Install them first, such as: sudo apt-get install ${missing[*]}"
    exit 1
  fi
  say "Installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends --no-remove "${missing[@]}" >/dev/null
fi

say "Making .venv (a minute, once)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517 --require-hashes -r images/locks/dev.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
touch .venv/.made
