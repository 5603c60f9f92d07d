#!/bin/sh
# dialect.sh FILE... - names what is written in another dialect than this tree's (docs/maintainers.md, "C").
# hack/cocci/run.sh and `make fmt` put most of it right. Exit status 1: something was found.
# shellcheck disable=SC2046 # a list of files, whose names hold no blanks
set -u
bad=0

# forbid PATTERN REMEDY FILE... - no line may match.
forbid() {
	pattern=$1
	remedy=$2
	shift 2
	if grep -n -E -e "$pattern" /dev/null "$@"; then
		echo "  write $remedy"
		bad=1
	fi
}

forbid '[!=]= NULL\b|\bNULL [!=]=' '!p, and p in a condition (!!p where a value is wanted)' "$@"
forbid '(^|[^!])!(str|strn|strcase|strncase|mem)cmp\(' 'strcmp(a, b) == 0' "$@"
forbid '(\(|&& |\|\| )(true|false|[0-9]+) [!=]= |[!=]= (true|false)\b' 'the value first, and truth without a comparison' "$@"
forbid '-\(int\)err(->|\.)code' 'np_err_ret(err)' $(grep -L 'static inline int np_err_ret(' "$@")
forbid '\(json_t \*\)\(uintptr_t\)' 'np_json_mut(json)' $(grep -L 'static inline json_t \*np_json_mut(' "$@")
forbid 'NP_AUTO\([a-z_]*\)[[:space:]]+json_t \*[^*]' 'json_auto_t *json' "$@"
forbid '\b(while \((1|true)\)|for \(; true;\))' 'for (;;)' "$@"
forbid '\bunsigned int\b' 'unsigned' "$@"
forbid '\bsizeof [a-z(*]' 'sizeof(x)' "$@"
exit "$bad"
