#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh OUTDIR - build helm
#
# As ../../build.sh: into OUTDIR/<key>/, printed as the only line on stdout.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/../../go.sh
. "$here/../../go.sh"
go=

[ $# -eq 1 ] || die "usage: build.sh OUTDIR"
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)

version=$(sed -n 's/^require helm.sh\/helm\/v3 \(v[0-9.]*\)$/\1/p' "$here/go.mod")
[ -n "$version" ] || die "go.mod does not name a version of helm.sh/helm/v3"
sums=$(cat "$here/go.mod" "$here/go.sum" "$0" | sha256sum | cut -c 1-8)
dir=$out/helm-$version-$(uname -m)-$sums

exec 9>"$out/lock.helm"
flock 9
if ! [ -x "$dir/helm" ]; then
	find_go
	new=$dir.new
	rm -rf "$new" "$dir"
	mkdir "$new"
	say "building helm $version (minutes, where Go's build cache is empty)"
	# As helm's own build: the version of Kubernetes that charts are rendered for without a server.
	minor=$(sed -n 's/^.*k8s.io\/client-go v0\.\([0-9]*\)\..*/\1/p' "$here/go.mod")
	lib=helm.sh/helm/v3/pkg
	stamps="-X helm.sh/helm/v3/internal/version.version=$version"
	for package in chartutil lint/rules; do
		stamps="$stamps -X $lib/$package.k8sVersionMajor=1 -X $lib/$package.k8sVersionMinor=$minor"
	done
	(cd "$here" && CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off "$go" build -mod=readonly -trimpath -buildvcs=false \
		-ldflags "-s -w $stamps" -o "$new/helm" helm.sh/helm/v3/cmd/helm) ||
		die "building failed"
	mv "$new" "$dir"
	say "built $dir"
fi
echo "$dir"
