#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh OUTDIR - build the vCenter simulator and govc
#
# As ../build.sh: into OUTDIR/<key>/, printed as the only line on stdout.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/../go.sh
. "$here/../go.sh"

[ $# -eq 1 ] || die "usage: build.sh OUTDIR"
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)

version=$(sed -n 's/^\tgithub.com\/vmware\/govmomi \(v[0-9.]*\)$/\1/p' "$here/go.mod")
[ -n "$version" ] || die "go.mod does not name a version of github.com/vmware/govmomi"
sums=$(cat "$here/go.mod" "$here/go.sum" "$here"/simulator/*.go "$here/govc/main.go" | sha256sum | cut -c 1-8)
dir=$out/vcenter-$version-$(uname -m)-$sums

exec 9>"$out/lock.vcenter"
flock 9
if ! [ -x "$dir/simulator" ] || ! [ -x "$dir/govc" ]; then
	find_go
	new=$dir.new
	rm -rf "$new" "$dir"
	mkdir "$new"
	say "building the vCenter simulator and govc $version (a minute, where Go's build cache is empty)"
	# One call, so that what both share is compiled once and at the same time.
	(cd "$here" && CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off "$go" build -mod=readonly \
		-trimpath -buildvcs=false -ldflags "-s -w" -o "$new/" ./simulator ./govc) || die "building failed"
	mv "$new" "$dir"
	say "built $dir"
fi
echo "$dir"
