#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh OUTDIR - build cnitool, the reference plugins and the libcni program of the tests
#
# As ../build.sh: into OUTDIR/<key>/, printed as the only line on stdout.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/../go.sh
. "$here/../go.sh"

[ $# -eq 1 ] || die "usage: build.sh OUTDIR"
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)

build() {
	(cd "$here" && CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off "$go" build -mod=readonly \
		-trimpath -buildvcs=false -ldflags "-s -w" -o "$new/" "$1") || die "building $1 failed"
}

cni=$(sed -n 's/^\tgithub.com\/containernetworking\/cni \(v[0-9.]*\)$/\1/p' "$here/go.mod")
[ -n "$cni" ] || die "go.mod does not name a version of github.com/containernetworking/cni"
sums=$(cat "$here/go.mod" "$here/go.sum" "$here/libcni/main.go" | sha256sum | cut -c 1-8)
dir=$out/cni-$cni-$(uname -m)-$sums

"$here/../../../hack/deps.sh" cni >&2
exec 9>"$out/lock.cni"
flock 9
if ! [ -x "$dir/libcni" ]; then
	find_go
	new=$dir.new
	rm -rf "$new" "$dir"
	mkdir "$new"
	say "building cnitool $cni and the reference plugins"
	build github.com/containernetworking/cni/cnitool
	for plugin in main/loopback main/ptp ipam/host-local meta/portmap meta/tuning; do
		build "github.com/containernetworking/plugins/plugins/$plugin"
	done
	build ./libcni
	mv "$new" "$dir"
	say "built $dir"
fi
echo "$dir"
