#!/usr/bin/env bash
# The programs that judge what manifests/ and .github/ hold, built or fetched once into the cache.
#
#   tools.sh NAME...        helm3, helm4, actionlint, promtool: prints where each is
#   tools.sh missing NAME   says in one line why it cannot be had here; nothing where it can
set -euo pipefail
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/azwi-sidecar
HELM3=v3.22.0 HELM4=v4.3.1 ACTIONLINT=v1.7.12
has() { command -v "$1" >/dev/null; }

path_of() {
  case $1 in
    helm3) echo "$CACHE/tools/helm3-$HELM3" ;;
    helm4) echo "$CACHE/tools/helm4-$HELM4" ;;
    actionlint) echo "$CACHE/tools/actionlint-$ACTIONLINT" ;;
    promtool) command -v promtool || echo "$CACHE/tools/promtool-$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" ;;
    *) echo "tools.sh: no such program: $1" >&2; return 2 ;;
  esac
}

missing() {
  [ ! -x "$(path_of "$1")" ] || return 0
  case $1 in
    promtool) { has apt-get && has dpkg; } || echo "needs promtool, or Debian's packages to take it from" ;;
    *) has go || echo "needs Go, to build $1" ;;
  esac
}

go_install() { # go_install MODULE@VERSION [LDFLAGS]
  local part=$CACHE/tools/part
  rm -rf "$part"
  GOBIN=$part GOFLAGS='' CGO_ENABLED=0 nice go install -trimpath -ldflags "-s -w ${2:-}" "$1" >&2
  mv "$part"/* "$file"
  rmdir "$part"
}

# From the package, without the service that comes with it.
extract_promtool() {
  local part=$CACHE/tools/part
  rm -rf "$part"
  mkdir -p "$part"
  (
    cd "$part"
    apt-get -qq download prometheus 2>/dev/null || { apt-get -qq update && apt-get -qq download prometheus; }
    dpkg --extract prometheus_*.deb .
  ) >&2
  mv "$part/usr/bin/promtool" "$file"
  rm -rf "$part"
}

get() {
  file=$(path_of "$1")
  [ ! -x "$file" ] || return 0
  flock 9 # one at a time: two checkouts share the cache
  [ ! -x "$file" ] || return 0
  case $1 in
    # A Helm that is not built by its own Makefile believes in Kubernetes 1.20.
    helm3) go_install "helm.sh/helm/v3/cmd/helm@$HELM3" \
      "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=34" ;;
    helm4) go_install "helm.sh/helm/v4/cmd/helm@$HELM4" ;;
    actionlint) go_install "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT" ;;
    promtool) extract_promtool ;;
  esac
}

if [ "${1:-}" = missing ]; then missing "$2"; exit; fi
mkdir -p "$CACHE/tools"
exec 9>"$CACHE/tools/lock"
for name; do
  get "$name"
  path_of "$name"
done
