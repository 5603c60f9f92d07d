#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh OUTDIR - build krew and validate-krew-manifest
#
# As tests/real/build.sh: into OUTDIR/<key>/, printed as the only line on stdout.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/../../real/go.sh
. "$here/../../real/go.sh"
go=

[ $# -eq 1 ] || die "usage: build.sh OUTDIR"
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)

version=$(sed -n 's/^require sigs.k8s.io\/krew \(v[0-9.]*\)$/\1/p' "$here/go.mod")
[ -n "$version" ] || die "go.mod does not name a version of sigs.k8s.io/krew"
sums=$(cat "$here/go.mod" "$here/go.sum" "$0" | sha256sum | cut -c 1-8)
dir=$out/krew-$version-$(uname -m)-$sums

exec 9>"$out/lock.krew"
flock 9
if ! [ -x "$dir/kubectl-krew" ] || ! [ -x "$dir/validate-krew-manifest" ]; then
	find_go
	new=$dir.new
	rm -rf "$new" "$dir"
	mkdir "$new"
	say "building krew $version (a minute, where Go's build cache is empty)"
	(cd "$here" && CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off "$go" build -mod=readonly -trimpath -buildvcs=false \
		-ldflags "-s -w" -o "$new/" sigs.k8s.io/krew/cmd/krew sigs.k8s.io/krew/cmd/validate-krew-manifest) ||
		die "building failed"
	mv "$new/krew" "$new/kubectl-krew"
	mv "$new" "$dir"
	say "built $dir"
fi
echo "$dir"
