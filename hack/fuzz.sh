#!/bin/sh
# fuzz.sh SECONDS FUZZER... - runs each fuzz target that long, its corpus beside its source: testdata/corpus
# of the target that has its module's name, testdata/corpus-NAME of any other.
set -eu
seconds=$1
shift
for fuzzer in "$@"; do
	module=$(basename "$fuzzer" _fuzz)
	folder=pkg/$(basename "$(dirname "$fuzzer")")
	corpus=$folder/testdata/corpus
	[ "$folder" = "pkg/$module" ] || corpus=$corpus-$module
	new=$fuzzer.new
	mkdir -p "$corpus" "$new"
	echo "== $module for $seconds s"
	"$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$fuzzer." \
		-print_final_stats=1 "$new" "$corpus" 2>"$fuzzer.log" || {
		tail -n 40 "$fuzzer.log" >&2
		echo "fuzz.sh: $module: a finding; the input is in $(dirname "$fuzzer")" >&2
		exit 1
	}
	grep -E 'Done|number_of_executed|peak_rss' "$fuzzer.log"
	"$fuzzer" -merge=1 "$corpus" "$new" >/dev/null 2>&1 || true
done
