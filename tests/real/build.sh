#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh OUTDIR - build the servers that the end-to-end tests run against
#
# Builds kube-apiserver, kubectl and etcd, at the versions that go.mod names, into OUTDIR/<key>/, and
# prints that folder as the only line on stdout; what is being done goes to stderr. The key names
# the versions, so that binaries that are there already are right and nothing is done. The first run
# takes minutes of CPU. Debian's etcd 3.4 would do, but then the API server reads each list from etcd,
# and not from its cache as one in production does.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/go.sh
. "$here/go.sh"

[ $# -eq 1 ] || die "usage: build.sh OUTDIR"
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)

# build PACKAGE BINARY: as Kubernetes' own build does it: kubectl and Cluster API refuse a server
# that does not know its version.
build() {
	say "building $2 (minutes, where Go's build cache is empty)"
	stamp=k8s.io/component-base/version
	(cd "$here" && CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off "$go" build -mod=readonly -trimpath \
		-buildvcs=false -o "$new/$2" -ldflags "-s -w -X $stamp.gitVersion=$version \
			-X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor" "$1") ||
		die "building $2 failed"
}

version=$(sed -n 's/^[[:blank:]]*k8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' "$here/go.mod")
[ -n "$version" ] || die "go.mod does not name a version of k8s.io/kubernetes"
major=$(echo "$version" | sed 's/^v\([0-9]*\)\..*/\1/')
minor=$(echo "$version" | sed 's/^v[0-9]*\.\([0-9]*\)\..*/\1/')
sums=$(cat "$here/go.mod" "$here/go.sum" | sha256sum | cut -c 1-8)
dir=$out/kubernetes-$version-$(uname -m)-$sums

# Of two runs at the same time the second waits, and finds the binaries.
exec 9>"$out/lock"
flock 9
if ! [ -x "$dir/kube-apiserver" ] || ! [ -x "$dir/kubectl" ] || ! [ -x "$dir/etcd" ]; then
	find_go
	new=$dir.new
	rm -rf "$new" "$dir"
	mkdir "$new"
	build k8s.io/kubernetes/cmd/kube-apiserver kube-apiserver
	build k8s.io/kubernetes/cmd/kubectl kubectl
	build go.etcd.io/etcd/server/v3 etcd
	mv "$new" "$dir"
	say "built $dir"
fi
echo "$dir"
