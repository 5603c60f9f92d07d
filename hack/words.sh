#!/bin/sh
# words.sh FILE... - names phrases that the plain English of this tree does not use (docs/maintainers.md).
# Exit status 1: something was found.
set -u
phrases='is told|for want of|whoever|anew|passed over|all the same|without a word|lies about|goes along|somebody'

[ $# -gt 0 ] || exit 0
if grep -n -i -w -E -e "$phrases" /dev/null "$@"; then
	echo "  write plain English: name the actor, and say what it does (\"is ignored\", \"is reported\", \"again\", \"another writer\")"
	exit 1
fi
