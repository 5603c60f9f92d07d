#!/bin/sh
# test.sh test|test-real BUILD - runs the suites of a make target, each to its end and into BUILD/SUITE.log, and
# prints one closing line "N passed, N failed" of them all. The suites of `test` run side by side.
set -u
target=$1 build=$2
passed=0 failed=0 running=

# Adds what a suite came to; its log is printed now that it is whole.
count() {
	log=$build/$1.log
	cat "$log"
	line=$(grep -E '^[a-z0-9-]+: [0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
	good=$(echo "$line" | sed -n 's/.*: \([0-9]*\) passed.*/\1/p')
	bad=$(echo "$line" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
	# A suite that stopped before its closing line has failed, however many of its tests passed.
	[ -n "$line" ] || bad=1
	[ "$2" -eq 0 ] || [ "${bad:-0}" -gt 0 ] || bad=1
	passed=$((passed + ${good:-0})) failed=$((failed + ${bad:-0}))
}

run_side_by_side() {
	running=
	for suite in "$@"; do
		${MAKE:-make} --no-print-directory B="$build" "$suite" >"$build/$suite.log" 2>&1 &
		running="$running $!"
	done
	for pid in $running; do
		wait "$pid"
		count "$1" $?
		shift
	done
}

# Ends once the suites have, which end their tests and servers.
stop() {
	trap '' HUP INT TERM
	# shellcheck disable=SC2086 # the ids are words
	kill $running 2>/dev/null
	wait
	exit 130
}

trap stop HUP INT TERM
mkdir -p "$build"
case $target in
test) run_side_by_side check e2e ;; # check computes while e2e waits for servers and deadlines
test-real)
	suites=e2e-real
	for tests in tests/real/*/test_*.py; do
		suite=real-$(basename "$(dirname "$tests")")
		case " $suites " in *" $suite "*) ;; *) [ ! -f "$tests" ] || suites="$suites $suite" ;; esac
	done
	for each in $suites; do
		run_side_by_side "$each"
	done
	;;
*) echo "test.sh: unknown target '$target'" >&2 && exit 2 ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
