#!/bin/sh
# image.sh [--push] - builds the image with docker where its daemon answers, else podman, else buildah; or pushes the
# image that was built, and prints NAME@DIGEST, which a manifest names.
#
#   IMAGE  its name (nodeprep:VERSION)     BASE  the Debian image to build in (the Dockerfile's own)
#   ENGINE docker, podman or buildah       FLAGS more words for it, such as --network host, or --tls-verify=false
set -eu
cd "$(dirname "$0")/.."
version=$(cat VERSION)
image=${IMAGE:-nodeprep:$version}

engine=${ENGINE:-}
for name in docker podman buildah; do
	[ -z "$engine" ] && command -v "$name" >/dev/null || continue
	[ "$name" != docker ] || docker info >/dev/null 2>&1 || continue
	engine=$name
done
[ -n "$engine" ] || { echo "image.sh: docker (running), podman or buildah is needed" >&2 && exit 1; }
case $engine in docker | podman | buildah) ;; *) echo "image.sh: unknown engine '$engine'" >&2 && exit 2 ;; esac

# shellcheck disable=SC2086 # FLAGS are words on purpose
push() {
	case $image in
	*/*) ;;
	*) echo "image.sh: IMAGE='$image' names no registry: expected, for example, harbor.example.org/infra/nodeprep:$version" >&2 && exit 2 ;;
	esac
	if [ "$engine" = docker ]; then
		docker push ${FLAGS:-} "$image" >&2
		docker inspect --format '{{index .RepoDigests 0}}' "$image"
		return
	fi
	digest=$(mktemp)
	"$engine" push --digestfile "$digest" ${FLAGS:-} "$image" >&2
	# The name without its tag: a colon behind the last slash.
	folder=${image%/*} name=${image##*/}
	echo "$folder/${name%%:*}@$(cat "$digest")"
	rm -f "$digest"
}

if [ "${1:-}" = --push ]; then
	push
	exit
fi

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
created=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null || echo 1970-01-01T00:00:00Z)
set -- --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "REVISION_DATE=$(git log -1 --format=%cs 2>/dev/null || true)" \
	--build-arg "CREATED=$created" -t "$image" -f Dockerfile
[ -z "${BASE:-}" ] || set -- "$@" --build-arg "BASE=$BASE"
case $engine in
docker) set -- build --build-arg SOURCE_DATE_EPOCH=0 "$@" ;;
# Without a time of its own in each layer two builds give one image; chroot needs no rights of the kernel.
podman) set -- build --timestamp 0 --isolation chroot "$@" ;;
buildah) set -- bud --timestamp 0 --isolation chroot "$@" ;;
esac
echo "building $image with $engine"
# shellcheck disable=SC2086 # words on purpose
exec "$engine" "$@" ${FLAGS:-} .
