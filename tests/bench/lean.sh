#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# lean.sh WORK - builds the least Go server as WORK/lean
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
# shellcheck source=SCRIPTDIR/../real/go.sh
. "$here/../real/go.sh"
go=
find_go
cd "$here/lean"
CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off "$go" build -trimpath -buildvcs=false -ldflags "-s -w" -o "$out/lean" .
