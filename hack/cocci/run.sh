#!/bin/bash
# run.sh RULE... - rewrites the tracked C files by hack/cocci/RULE.cocci, each until nothing changes; without
# RULE: by every rule. Layout is clang-format's business: `make fmt` afterwards. `make lint` says what is left.
set -eu
cd "$(git rev-parse --show-toplevel)"
here=hack/cocci
ulimit -s unlimited 2>/dev/null || ulimit -s "$(ulimit -H -s)" # spatch goes deep in long files
[ $# -gt 0 ] || set -- null truth compare err json

# What a file holds that a rule may have work in.
declare -A hint=([null]='NULL' [truth]='!!|\(!' [compare]='!(str|mem)|(true|false)' [err]='\(int\)' [json]='uintptr_t|mutable_json')

# All but the bodies of the two helpers that the rules put in.
files() {
	git ls-files -z '*.c' '*.h' ":!$here" |
		xargs -0 grep -L -E '^static inline (int np_err_ret|json_t \*np_json_mut)\(' |
		xargs grep -l -E -e "${hint[$1]}"
}

sum() {
	git ls-files -z '*.c' '*.h' | xargs -0 cat | cksum
}

for rule; do
	for _ in 1 2 3 4 5 6; do
		before=$(sum)
		files "$rule" | xargs -P 2 -n 12 spatch --very-quiet --in-place --iso-file /dev/null \
			--macro-file "$here/macros.h" --sp-file "$here/$rule.cocci" >/dev/null 2>&1
		[ "$before" != "$(sum)" ] || break
	done
done
