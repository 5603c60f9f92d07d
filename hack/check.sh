#!/bin/sh
# check.sh TEST...      - runs the unit test binaries, as many at a time as there are processors; prints
#                         them in the order given. Its last line is "unit: N passed, N failed".
# check.sh --one TEST   - runs one into TEST.log, and writes "PASSED FAILED" to TEST.result and how long it took to
#                         TEST.seconds
set -u

if [ "${1:-}" = --one ]; then
	test=$2 log=$2.log began=$(date +%s)
	if UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1 timeout 900 "$test" >"$log" 2>&1; then
		status=0
	else
		status=$?
	fi
	good=$(grep -c '^\[       OK \]' "$log")
	bad=$(grep -c '^\[  FAILED  \].*[^:]$' "$log")
	# A test binary that died or leaked without a failed case counts as one failure.
	[ "$status" -eq 0 ] || bad=$((bad > 0 ? bad : 1))
	[ "$status" -ne 0 ] || [ "$good" -gt 0 ] || bad=1
	echo "$good $bad" >"$test.result"
	echo $(($(date +%s) - began)) >"$test.seconds"
	exit 0
fi

# New tests start first, then the slowest of the last run, so that no slow test runs alone at the end.
for test in "$@"; do
	rm -f "$test.result"
	seconds=900
	[ ! -f "$test.seconds" ] || read -r seconds <"$test.seconds"
	echo "$seconds $test"
done | sort -k 1,1nr -s | cut -d ' ' -f 2 | xargs -n 1 -P "$(nproc 2>/dev/null || echo 1)" "$0" --one

passed=0 failed=0
for test in "$@"; do
	read -r good bad 2>/dev/null <"$test.result" || good=0 bad=1
	printf '%-24s %4d passed, %d failed\n' "$(basename "$test")" "$good" "$bad"
	[ "$bad" -eq 0 ] || cat "$test.log"
	passed=$((passed + good)) failed=$((failed + bad))
done
echo "unit: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
