#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh OUTDIR - build Cluster API's manager and the reference Runtime Extension
#
# Builds both, at the version that go.mod names, into OUTDIR/<key>/, puts the module's CRDs and
# webhook manifests beside them, and prints that folder as the only line on stdout; what is being
# done goes to stderr. Binaries that are there already are right and nothing is done. The first run
# takes minutes of CPU.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/../go.sh
. "$here/../go.sh"
go=

[ $# -eq 1 ] || die "usage: build.sh OUTDIR"
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)

module=sigs.k8s.io/cluster-api

run_go() { (cd "$here" && CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off "$go" "$@"); }

build() {
	say "building $2 $version (minutes, where Go's build cache is empty)"
	run_go build -mod=readonly -trimpath -buildvcs=false -o "$new/$2" -ldflags "-s -w" "$1" ||
		die "building $2 failed"
}

# The CRDs of the manager's own version; provider CRDs are the tests' own.
copy_manifests() {
	source=$(run_go list -mod=readonly -m -f '{{.Dir}}' "$module")
	[ -n "$source" ] || die "the module's folder cannot be found"
	mkdir "$new/crds"
	for bases in config bootstrap/kubeadm/config controlplane/kubeadm/config; do
		cp "$source/$bases"/crd/bases/*.yaml "$new/crds/"
	done
	cp "$source/config/webhook/manifests.yaml" "$new/webhooks.yaml"
	chmod -R u+w "$new"
}

version=$(sed -n "s|^\t$module \(v[0-9.]*\)\$|\1|p" "$here/go.mod")
[ -n "$version" ] || die "go.mod does not name a version of $module"
sums=$(cat "$here/go.mod" "$here/go.sum" "$here/reference/main.go" | sha256sum | cut -c 1-8)
dir=$out/cluster-api-$version-$(uname -m)-$sums

# Of two runs at the same time the second waits, and finds the binaries.
exec 9>"$out/lock.cluster-api"
flock 9
if ! [ -x "$dir/capi-manager" ] || ! [ -x "$dir/reference" ]; then
	find_go
	new=$dir.new
	rm -rf "$new" "$dir"
	mkdir "$new"
	build "$module" capi-manager
	build ./reference reference
	copy_manifests
	mv "$new" "$dir"
	say "built $dir"
fi
echo "$dir"
