#!/bin/sh
# dist.sh KIND OUT [ARCH...] - makes what a release consists of, from the last commit, in the folder OUT.
#
#   KIND archive  static binaries, man pages and completions for linux/ARCH (amd64 and arm64 by default), an SPDX
#                 document of what is linked; the Helm chart; krew's manifest; SHA256SUMS
#   KIND deb      the Debian packages, checked by lintian
#   KIND all      both, with each program built once
#
# Each ARCH is built in a bare root of Debian 12, which mmdebstrap makes (as root, or as a user with user
# namespaces). So the same commit and the same packages give the same bytes. With DIST_OTHER=1 the root has another
# folder, and its clock is two days ahead: hack/release.sh compares the bytes.
# dist.sh --inside KIND CC ARCH - the part that runs in that root, in the project's folder.
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

if [ "${1:-}" = --inside ]; then
	kind=$2 cc=$3 arch=$4
	PKG_CONFIG_LIBDIR=/usr/lib/$(triplet "$arch")/pkgconfig:/usr/share/pkgconfig
	export PKG_CONFIG_LIBDIR NODEPREP_DEPS=none
	mkdir out
	if [ "$kind" != deb ]; then
		stage=out/stage/nodeprep-$(cat VERSION)-linux-$arch
		make CC="$cc" install DESTDIR="$PWD/$stage" PREFIX= COMPDIR=/share/bash-completion/completions
		# krew unpacks no links, and makes its own.
		rm "$stage/bin/kubectl-nodeprep"
		cp LICENSE README.md CHANGELOG.md "$stage"
		mkdir -p "$stage/share/doc/nodeprep"
		cp -R docs/examples "$stage/share/doc/nodeprep/"
		hack/linked.sh "$cc" "$stage/share/doc/nodeprep/linked" >"out/linked-$arch"
	fi
	if [ "$kind" != archive ]; then
		# hack/deps.sh named the packages. Threads of xz could change the bytes.
		DPKG_DEB_THREADS_MAX=1 dpkg-buildpackage -b -nc -d -us -uc -a"$arch"
		mv ../nodeprep_*.deb out/
	fi
	exit
fi

# The make that called cannot lend its jobs to the makes in the roots.
unset MAKEFLAGS MFLAGS MAKELEVEL
kind=$1 out=$2
shift 2
case $kind in archive | deb | all) ;; *) echo "dist.sh: unknown kind '$kind': expected archive, deb or all" >&2 && exit 2 ;; esac
[ $# -gt 0 ] || set -- amd64 arm64
for arch in "$@"; do triplet "$arch" >/dev/null; done
here=$(cd "$(dirname "$0")/.." && pwd)
groups=dist packaging=
[ "$kind" = archive ] || { groups="dist deb" && packaging=debhelper; }
# shellcheck disable=SC2086 # words
NODEPREP_DEPS=install "$here/hack/deps.sh" $groups
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

version=$(cat "$here/VERSION")
commit=$(git -C "$here" rev-parse HEAD)
epoch=$(git -C "$here" log -1 --format=%ct HEAD)
export SOURCE_DATE_EPOCH="$epoch"
folder=nodeprep ahead=
[ -z "${DIST_OTHER:-}" ] || { folder=other/folder/nodeprep ahead="faketime -f +2d" packaging="$packaging faketime"; }
git -C "$here" archive --format=tar --prefix="$folder/" HEAD >"$work/source.tar"

# The machine's own apt sources, so that a mirror or proxy that it uses serves here too.
apt-get indextargets --format "\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" 'Created-By: Packages' 2>/dev/null |
	sed -E 's/ (bookworm|trixie)(-updates|-security)? / '"$suite"'\2 /' |
	awk -v suite="$suite" '$3 == "main" && ($2 == suite || $2 == suite "-updates" || $2 == suite "-security") {
		print "deb", $1, $2, "main" }' | sort -u >"$work/sources"
apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries)' | grep -v ' "";$' >"$work/apt.conf" || true

# pack NAME TAR [FOLDER]: a folder as an archive without times and owners of its own.
pack() {
	tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=u+rw,go=u-w --format=gnu \
		-C "$work/stage" -cf - "$1" | gzip -n9 >"$out/$2"
}

build() {
	arch=$1
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
		--include="$(echo binutils make pkg-config $tools $packages $packaging | tr ' ' ',')" \
		--customize-hook='tar-in '"$work"'/source.tar /' \
		--customize-hook="chroot \"\$1\" $ahead sh -c 'cd /$folder && sh hack/dist.sh --inside $kind $cc $arch' >&2" \
		--customize-hook='sync-out /'"$folder"'/out '"$work" \
		"$suite" /dev/null - <"$work/sources"
}

sum_of() {
	sed -n "s/^\([0-9a-f]*\)  $1\$/\1/p" SHA256SUMS
}

for arch in "$@"; do
	build "$arch"
	if [ "$kind" != deb ]; then
		name=nodeprep-$version-linux-$arch
		pack "$name" "$name.tar.gz"
		python3 "$here/hack/sbom.py" "$name" "$version" "$commit" "$epoch" <"$work/linked-$arch" >"$out/$name.spdx.json"
	fi
	if [ "$kind" != archive ]; then
		lintian --allow-root --tag-display-limit 0 --fail-on error,warning,info "$work"/nodeprep_*_"$arch".deb
		mv "$work"/nodeprep_*_"$arch".deb "$out"
	fi
done
if [ "$kind" != deb ]; then
	"$here/hack/chart.sh" "$out"
fi
cd "$out"
rm -f SHA256SUMS nodeprep.yaml
sums=$(sha256sum -- *)
echo "$sums" >SHA256SUMS
if [ -n "$(sum_of "nodeprep-$version-linux-amd64.tar.gz")" ] && [ -n "$(sum_of "nodeprep-$version-linux-arm64.tar.gz")" ]; then
	sed -e "s/@VERSION@/$version/g" -e "s/@AMD64@/$(sum_of "nodeprep-$version-linux-amd64.tar.gz")/" \
		-e "s/@ARM64@/$(sum_of "nodeprep-$version-linux-arm64.tar.gz")/" "$here/deploy/krew/nodeprep.yaml" >nodeprep.yaml
	sha256sum nodeprep.yaml >>SHA256SUMS
fi
cat SHA256SUMS
