#!/bin/sh
# pictures.sh BUILD DIR - draws the pictures of the docs with the built program. architecture.svg is drawn by hand.
set -eu
build=$1 out=$2

# draw NAME COMMAND... - a picture is replaced only by a whole one.
draw() {
	name=$1
	shift
	"$@" >"$out/$name.new"
	mv "$out/$name.new" "$out/$name"
}

draw window.svg "$build/nodeprep" explain -f docs/examples/quickstart.yaml gpu-a100x4 -o svg
