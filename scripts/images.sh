#!/usr/bin/env bash
# Builds the images with docker, podman or buildah, and pushes them where PUSH says.
#
#   BUILDER      docker, podman or buildah: the first that is there
#   BASE_IMAGE   what the Dockerfiles pin
#   TAG          the version in common/azwi_common/__init__.py
#   PUSH         registry/prefix; without it images stay here, for this machine alone, as NAME:TAG
#   PLATFORMS    what is built to be pushed; linux/amd64,linux/arm64 where the builder can do both
set -euo pipefail
cd "$(dirname "$0")/.."
BASE_IMAGE=${BASE_IMAGE:-}
TAG=${TAG:-$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' common/azwi_common/__init__.py)}
PUSH=${PUSH:-}
IMAGES=(
  azwi-proxy=Dockerfile.proxy
  azwi-proxy-init=Dockerfile.init
  azwi-webhook=images/Dockerfile.webhook
  azwi-emulator=images/Dockerfile.emulator
)
say() { printf 'images: %s\n' "$*" >&2; }

builder() {
  local name
  for name in ${BUILDER:-docker podman buildah}; do
    if command -v "$name" >/dev/null; then echo "$name"; return; fi
  done
  say "needs ${BUILDER:-docker, podman or buildah}; none is there"
  return 1
}

# Both, where the other one's programs can run here: Dockerfiles run pip and Python.
platforms() {
  local both=linux/amd64,linux/arm64 known
  if [ "$tool" = docker ]; then
    known=$(docker buildx inspect --bootstrap 2>/dev/null | sed -n 's/^ *Platforms: *//p' | tr -d ' *')
  else
    known=$(cd "${BINFMT:-/proc/sys/fs/binfmt_misc}" 2>/dev/null && echo qemu-*)
  fi
  case $(uname -m)/$known in
    *linux/amd64*linux/arm64* | x86_64/*qemu-aarch64* | aarch64/*qemu-x86_64* | arm64/*qemu-x86_64*) echo "$both" ;;
    x86_64/*) echo linux/amd64 ;;
    *) echo linux/arm64 ;;
  esac
}

build() { # build NAME FILE
  local image=$PUSH/$1:$TAG
  local options=(--file "$2")
  if [ -n "$BASE_IMAGE" ]; then options+=(--build-arg "BASE_IMAGE=$BASE_IMAGE"); fi
  if [ -z "$PUSH" ]; then
    "$tool" build "${options[@]}" --tag "$1:$TAG" --tag "$1:latest" .
  elif [ "$tool" = docker ]; then
    docker buildx build "${options[@]}" --platform "$PLATFORMS" --tag "$image" --push .
  else
    "$tool" manifest rm "$image" 2>/dev/null || true # of an earlier run: it would be added to
    "$tool" build "${options[@]}" --platform "$PLATFORMS" --manifest "$image" .
    "$tool" manifest push --all "$image" "docker://$image"
  fi
}

tool=$(builder)
if [ -n "$PUSH" ]; then
  PUSH=${PUSH%/}
  PLATFORMS=${PLATFORMS:-$(platforms)}
  [[ $PLATFORMS == *,* ]] || say "$PLATFORMS alone: $tool can run no other platform's programs here (with QEMU's binfmt it could)"
fi
for pair in "${IMAGES[@]}"; do
  build "${pair%%=*}" "${pair#*=}"
done
[ -z "$PUSH" ] || say "pushed: $(for pair in "${IMAGES[@]}"; do printf '%s ' "$PUSH/${pair%%=*}:$TAG"; done)"
