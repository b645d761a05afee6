#!/usr/bin/env bash
# Builds container images with Debian's buildah, on a base image of debootstrap's.
#
#   images.sh NAME...   each becomes an archive in the cache, whose path is printed; made anew after its
#                       files have changed
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
cd "$(dirname "$(readlink -f "$0")")/../.."
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/azwi-sidecar
SUITE=bookworm
PACKAGES=python3,ca-certificates
declare -A DOCKERFILES=(
  [azwi-proxy]=Dockerfile.proxy
  [azwi-proxy-init]=Dockerfile.init
  [azwi-webhook]=images/Dockerfile.webhook
  [azwi-emulator]=images/Dockerfile.emulator
  [app]=tests/cluster/Dockerfile.app
)
buildah() { command buildah --root "$CACHE/buildah" --runroot "$CACHE/buildah-run" --storage-driver overlay "$@"; }
hash_of() { sha256sum | cut -c-16; }

build_base() ( # a subshell, for its trap
  tree=$(mktemp -d "$CACHE/base.XXXXXX")
  trap 'rm -rf --one-file-system "$tree"' EXIT
  chmod 755 "$tree"
  debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$tree"
  # What no program reads; a package that is installed later finds its list again with apt-get update.
  rm -rf "$tree"/var/{cache/apt,lib/apt/lists}/* "$tree"/usr/share/{doc,man,info,locale}/* "$tree"/var/log/*
  buildah rmi --all --force >/dev/null # all were built on the base before
  container=$(buildah from scratch)
  buildah copy --quiet "$container" "$tree" /
  # Started as it is, it waits: each sandbox of the cluster needs one process that does.
  buildah config --env PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd '["sleep", "infinity"]' "$container"
  buildah commit --rm --quiet "$container" localhost/base
)

# The host's CA bundle is mounted: the base's may not know a CA that the host trusts.
build_image() {
  if [ "$1" = base ]; then build_base; return; fi
  buildah build --quiet --layers --isolation chroot --network host --volume /etc/ssl/certs:/etc/ssl/certs:ro \
    --build-arg BASE_IMAGE=localhost/base --file "${DOCKERFILES[$1]}" --tag "localhost/$1" .
}

BASE_KEY=$({ echo "$SUITE $PACKAGES"; declare -f build_base; } | hash_of)
SOURCES_KEY=$({
  echo "$BASE_KEY"
  find .dockerignore Dockerfile.* images common proxy init webhook emulator tests/cluster/Dockerfile.app \
    -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
} | hash_of)

archive() {
  local key=$SOURCES_KEY
  [ "$1" != base ] || key=$BASE_KEY
  echo "$CACHE/images/$1-$key.tar"
}

make_archive() {
  local file
  file=$(archive "$1")
  [ ! -e "$file" ] || return 0
  flock 9 # one at a time: two checkouts share the cache
  [ ! -e "$file" ] || return 0
  SECONDS=0
  # A process of its own: a function beside || would go on after an error.
  tests/cluster/images.sh __build "$1" >"$CACHE/images/$1.log" 2>&1 || {
    tail -n 30 "$CACHE/images/$1.log" >&2
    return 1
  }
  rm -f "$CACHE/images/$1"-[0-9a-f]*.tar "$file.part"
  buildah push --quiet "localhost/$1" "docker-archive:$file.part:localhost/$1:latest"
  mv "$file.part" "$file"
  printf 'images: %s built in %d s, %d MB\n' "$1" $SECONDS $(($(stat -c %s "$file") / 1000000)) >&2
}

mkdir -p "$CACHE/images"
if [ "${1:-}" = __build ]; then build_image "$2"; exit; fi
exec 9>"$CACHE/images/lock"
for name; do
  make_archive base
  make_archive "$name"
  archive "$name"
done
