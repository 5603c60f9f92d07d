#!/bin/sh
# check.sh TEST... - runs each unit test binary; its last line is "N passed, N failed".
set -u
passed=0 failed=0
for test in "$@"; do
	log=$test.log
	module=$(basename "$test")
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
	printf '%-24s %4d passed, %d failed\n' "$module" "$good" "$bad"
	[ "$bad" -eq 0 ] || cat "$log"
	passed=$((passed + good)) failed=$((failed + bad))
done
echo "unit: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
