#!/bin/sh
# dist.sh OUT [ARCH...] - makes the release's archives in OUT: static binaries, man pages and completions for
# linux/ARCH (amd64 and arm64 by default), an SPDX document of what is linked, and SHA256SUMS.
#
# Each is built in a bare root of Debian 12, which mmdebstrap makes (as root, or as a user with user
# namespaces), from the last commit. So the same commit and the same packages give the same bytes.
# dist.sh --inside CC ARCH - the part that runs in that root, in the project's folder.
set -eu
export LC_ALL=C
suite=bookworm
triplet() {
	case $1 in
	amd64) echo x86_64-linux-gnu ;;
	arm64) echo aarch64-linux-gnu ;;
	*) echo "dist.sh: unknown architecture '$1': expected amd64 or arm64" >&2 && return 2 ;;
	esac
}

# The Debian package, version and source package of each archive that is linked, and of the C library.
linked() {
	for word in $(cat build/static/libs) -lc; do
		case $word in -l*) ;; *) continue ;; esac
		path=$($1 -print-file-name="lib${word#-l}.a")
		case $path in */*) realpath "$path" ;; esac
	done | sort -u | while read -r path; do
		package=$(dpkg-query -S "$path" 2>/dev/null | sed 's/: .*//' | head -n 1)
		[ -z "$package" ] || dpkg-query -W -f "\${Package}\t\${Version}\t\${source:Package}\t\${Architecture}\n" "$package"
	done | sort -u
}

if [ "${1:-}" = --inside ]; then
	cc=$2 arch=$3
	PKG_CONFIG_LIBDIR=/usr/lib/$(triplet "$arch")/pkgconfig:/usr/share/pkgconfig
	export PKG_CONFIG_LIBDIR NODEPREP_DEPS=none
	stage=out/stage/nodeprep-$(cat VERSION)-linux-$arch
	make CC="$cc" build/nodeprep build/nodeprep-hookd
	make CC="$cc" install DESTDIR="$PWD/$stage" PREFIX= COMPDIR=/share/bash-completion/completions
	cp LICENSE README.md CHANGELOG.md "$stage"
	linked "$cc" >"out/linked-$arch"
	exit
fi

out=$1
shift
[ $# -gt 0 ] || set -- amd64 arm64
here=$(cd "$(dirname "$0")/.." && pwd)
command -v mmdebstrap >/dev/null || "$here/hack/deps.sh" dist
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

version=$(cat "$here/VERSION")
commit=$(git -C "$here" rev-parse HEAD)
epoch=$(git -C "$here" log -1 --format=%ct HEAD)
export SOURCE_DATE_EPOCH="$epoch"
git -C "$here" archive --format=tar --prefix=nodeprep/ HEAD >"$work/source.tar"

# The machine's own apt sources, so that a mirror or proxy that it uses serves here too.
apt-get indextargets --format "\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" 'Created-By: Packages' 2>/dev/null |
	awk -v suite="$suite" '$3 == "main" && ($2 == suite || $2 == suite "-updates" || $2 == suite "-security") {
		print "deb", $1, $2, "main" }' | sort -u >"$work/sources"
apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries)' | grep -v ' "";$' >"$work/apt.conf" || true

for arch in "$@"; do
	name=nodeprep-$version-linux-$arch
	host=$(dpkg --print-architecture)
	packages=$("$here/hack/deps.sh" --names build | tr ' ' '\n' | grep -vxE 'gcc|binutils|make|pkg-config|libc6-dev')
	if [ "$arch" = "$host" ]; then
		cc=gcc tools="gcc libc6-dev" foreign=
	else
		cc=$(triplet "$arch")-gcc tools="gcc-$(triplet "$arch") libc6-dev:$arch" foreign=,$arch
		packages=$(for package in $packages; do echo "$package:$arch"; done)
	fi
	# shellcheck disable=SC2046,SC2086 # words; the hooks' own shell expands $1
	mmdebstrap --quiet --variant=minbase --architectures="$host$foreign" --aptopt="$work/apt.conf" \
		--include="$(echo binutils make pkg-config $tools $packages | tr ' ' ',')" \
		--customize-hook='tar-in '"$work"'/source.tar /' \
		--customize-hook="chroot \"\$1\" sh -c 'cd /nodeprep && sh hack/dist.sh --inside $cc $arch' >&2" \
		--customize-hook='sync-out /nodeprep/out '"$work" \
		"$suite" /dev/null - <"$work/sources"
	tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --format=gnu -C "$work/stage" \
		-cf - "$name" | gzip -n9 >"$out/$name.tar.gz"
	python3 "$here/hack/sbom.py" "$name" "$version" "$commit" "$epoch" <"$work/linked-$arch" >"$out/$name.spdx.json"
done
cd "$out"
sha256sum nodeprep-"$version"-linux-*.tar.gz nodeprep-"$version"-linux-*.spdx.json >SHA256SUMS
cat SHA256SUMS
