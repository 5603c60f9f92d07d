#!/bin/sh
# chart.sh OUT - packages the Helm chart as OUT/nodeprep-VERSION.tgz: the same commit gives the same bytes.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 -B hack/chart.py "$work/nodeprep"
mkdir -p "$1"
tar --sort=name --mtime="@${SOURCE_DATE_EPOCH:-0}" --owner=0 --group=0 --numeric-owner --mode=u+rw,go=u-w --format=gnu \
	-C "$work" -cf - nodeprep | gzip -n9 >"$1/nodeprep-$(cat VERSION).tgz"
