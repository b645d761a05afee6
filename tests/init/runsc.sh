#!/usr/bin/env bash
# Build gVisor's runsc once, into the cache, and print where it is. Needs Go.
set -euo pipefail
VERSION=v0.0.0-20260905035102-160fafc42237 # of the branch "go", which holds the generated code
folder=${XDG_CACHE_HOME:-$HOME/.cache}/azwi-sidecar/tools/runsc-$VERSION
if [ ! -x "$folder/runsc" ]; then
  command -v go >/dev/null || { echo "runsc.sh: needs Go, to build runsc" >&2; exit 1; }
  # With cgo its own seccomp filter kills it: libc opens files that Go's user lookup would not.
  GOBIN=$folder GOFLAGS='' CGO_ENABLED=0 nice go install -trimpath -ldflags '-s -w' "gvisor.dev/gvisor/runsc@$VERSION" >&2
fi
echo "$folder/runsc"
