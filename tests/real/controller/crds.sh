#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# crds.sh OUTDIR - fetch the CRDs of others that the overlays use
#
# Puts cert-manager's, the Prometheus operator's and Cluster API's into OUTDIR/<key>/, out of their
# Go modules, and prints that folder as the only line on stdout. Files that are there already are
# right and nothing is done.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/../go.sh
. "$here/../go.sh"

[ $# -eq 1 ] || die "usage: crds.sh OUTDIR"
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)

# Module, version, its checksum as go.sum has it, and the files.
modules() {
	cat <<-'END'
	github.com/cert-manager/cert-manager v1.16.2 h1:c9UU2E+8XWGruyvC/mdpc1wuLddtgmNr8foKdP7a8Jg= deploy/crds/crd-certificates.yaml deploy/crds/crd-issuers.yaml
	github.com/prometheus-operator/prometheus-operator v0.79.2 h1:H/HCiMS4dXQyiFHw28PFlWMh15YUraL3MFe8u7k7dGA= example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml
	sigs.k8s.io/cluster-api v1.13.6 h1:imZVIstbRIq2DoKftQv0wPm+vyhWXrE3Zft8E43maqo= config/crd/bases/runtime.cluster.x-k8s.io_extensionconfigs.yaml
	END
}

# field NAME: a text of the JSON that `go mod download -json` prints.
field() { sed -n "s/^[[:space:]]*\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p"; }

fetch() {
	module=$1 version=$2 sum=$3
	shift 3
	# shellcheck disable=SC2154 # find_go sets $go
	found=$(cd "$new" && GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=mod \
		"$go" mod download -json "$module@$version") || die "$module cannot be fetched"
	[ "$(echo "$found" | field Sum)" = "$sum" ] || die "$module $version is not what it was"
	folder=$(echo "$found" | field Dir)
	for file in "$@"; do cp "$folder/$file" "$new/"; done
}

dir=$out/crds-$(modules | sha256sum | cut -c 1-8)

# Of two runs at the same time the second waits, and finds the files.
exec 9>"$out/lock.crds"
flock 9
if ! [ -d "$dir" ]; then
	find_go
	new=$dir.new
	rm -rf "$new"
	mkdir "$new"
	modules | while read -r module version sum files; do
		# shellcheck disable=SC2086 # words on purpose
		fetch "$module" "$version" "$sum" $files
	done
	chmod -R u+w "$new"
	mv "$new" "$dir"
	say "fetched $dir"
fi
echo "$dir"
