#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# reference.sh OUTDIR - build the controller on controller-runtime, and the bare writer, of the benchmark
#
# Builds both into OUTDIR/<key>/ and prints that folder as the only line on stdout; what is being done goes
# to stderr. Binaries that are there already are right and nothing is done.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/../go.sh
. "$here/../go.sh"
go=

[ $# -eq 1 ] || die "usage: reference.sh OUTDIR"
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)
cd "$here/reference"

build() {
	say "building $2 (minutes, where Go's build cache is empty)"
	CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off "$go" build -mod=readonly -trimpath -buildvcs=false \
		-o "$new/$2" -ldflags "-s -w" "$1" || die "building $2 failed"
}

sums=$(cat go.mod go.sum ./*.go bare/*.go | sha256sum | cut -c 1-8)
dir=$out/controller-$(uname -m)-$sums

# Of two runs at the same time the second waits, and finds the binaries.
exec 9>"$out/lock.controller"
flock 9
if ! [ -x "$dir/controller" ] || ! [ -x "$dir/bare" ]; then
	find_go
	new=$dir.new
	rm -rf "$new" "$dir"
	mkdir "$new"
	build . controller
	build ./bare bare
	mv "$new" "$dir"
	say "built $dir"
fi
echo "$dir"
