#!/bin/sh
# image.sh - builds the image with what is there: docker where its daemon answers, else podman, else buildah.
#
#   IMAGE  its name (nodeprep:VERSION)     BASE  the Debian image to build in (the Dockerfile's own)
#   ENGINE docker, podman or buildah       FLAGS more words for it, such as --network host
set -eu
cd "$(dirname "$0")/.."
version=$(cat VERSION)
image=${IMAGE:-nodeprep:$version}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)

engine=${ENGINE:-}
for name in docker podman buildah; do
	[ -z "$engine" ] && command -v "$name" >/dev/null || continue
	[ "$name" != docker ] || docker info >/dev/null 2>&1 || continue
	engine=$name
done
[ -n "$engine" ] || { echo "image.sh: docker (running), podman or buildah is needed" >&2 && exit 1; }

set -- --build-arg "VERSION=$version" --build-arg "REVISION=$revision" -t "$image" -f Dockerfile
[ -z "${BASE:-}" ] || set -- "$@" --build-arg "BASE=$BASE"
case $engine in
docker) set -- build --build-arg SOURCE_DATE_EPOCH=0 "$@" ;;
# Without a time of its own in each layer two builds give one image; chroot needs no rights of the kernel.
podman) set -- build --timestamp 0 --isolation chroot "$@" ;;
buildah) set -- bud --timestamp 0 --isolation chroot "$@" ;;
*) echo "image.sh: unknown engine '$engine'" >&2 && exit 2 ;;
esac
echo "building $image with $engine"
# shellcheck disable=SC2086 # words on purpose
exec "$engine" "$@" ${FLAGS:-} .
