#!/bin/sh
# link.sh OUT STUBS COMMAND... - links OUT with COMMAND, strips it, and lists the stubs in it in OUT.stubs.
# CC names the compiler, for its nm and strip. STRIP: empty, nothing is stripped; another program than strip.
# STUBS holds the names of all stubs. A linker error becomes one line for each symbol: which archive
# needs it. glibc's warnings about name services are dropped: main() switches those off
# (__nss_configure_lookup), and the other functions are never called.
set -eu
export LC_ALL=C
cc=${CC:-gcc}
out=$1 stubs=$2
shift 2

explain() {
	awk -v out="$out" '
	function base(path) { sub(/.*\//, "", path); return path }
	match($0, /[^ ]*(\.a\([^)]*\)|\.o): /) {
		owner = substr($0, RSTART, RLENGTH - 2)
		owner = base(substr(owner, 1, index(owner, "(") ? index(owner, "(") - 1 : length(owner)))
	}
	/undefined (reference to|symbol: )/ {
		symbol = $0
		sub(/.*undefined (reference to|symbol:) /, "", symbol)
		gsub(/[`\047]/, "", symbol)
		if (!seen[owner, symbol]++) print out ": " (owner ? owner : "an object") " needs \047" symbol "\047, which no archive defines"
		said = 1
	}
	/cannot find -l/ {
		lib = $0
		sub(/.*cannot find -l/, "", lib)
		sub(/[^A-Za-z0-9_+-].*/, "", lib)
		if (!seen[lib]++) print out ": lib" lib ".a is missing"
		said = 1
	}
	{ log_text = log_text $0 "\n" }
	END { if (!said) printf "%s", log_text }' "$1" >&2
}

log=$out.ld
if ! "$@" -o "$out.tmp" >"$log" 2>&1; then # ld writes its notes to stdout
	explain "$log"
	rm -f "$log" "$out.tmp"
	exit 1
fi
grep -v -e 'in statically linked applications requires' -e ': in function `' \
	-e 'does not take linker garbage collection into account' "$log" >&2 || true
"$($cc -print-prog-name=nm)" "$out.tmp" | awk 'NF == 3 { print $3 }' | sort -u | comm -12 - "$stubs" >"$out.stubs"
strip=${STRIP-strip}
[ -z "$strip" ] || "$($cc -print-prog-name="$strip")" -R .comment "$out.tmp"
mv "$out.tmp" "$out"
rm -f "$log"
