#!/bin/sh
# test.sh test|test-real BUILD - runs the suites of a make target, each to its end, and prints one
# closing line "N passed, N failed" of them all. The suites of `test` run side by side.
# test.sh --one BUILD SUITE    - runs one into BUILD/SUITE.log; its exit status goes to BUILD/SUITE.status
set -u

if [ "${1:-}" = --one ]; then
	build=$2 suite=$3
	${MAKE:-make} --no-print-directory B="$build" "$suite" >"$build/$suite.log" 2>&1
	echo $? >"$build/$suite.status"
	exit 0
fi

target=$1 build=$2
case $target in
test) suites="check e2e" jobs=2 ;; # check computes while e2e waits for servers and deadlines
test-real)
	suites=e2e-real jobs=1
	for tests in tests/real/*/test_*.py; do
		suite=real-$(basename "$(dirname "$tests")")
		case " $suites " in *" $suite "*) ;; *) [ ! -f "$tests" ] || suites="$suites $suite" ;; esac
	done
	;;
*) echo "test.sh: unknown target '$target'" >&2 && exit 2 ;;
esac

passed=0 failed=0
mkdir -p "$build"
for suite in $suites; do
	rm -f "$build/$suite.log" "$build/$suite.status"
	echo "$suite"
done | xargs -n 1 -P "$jobs" "$0" --one "$build"

for suite in $suites; do
	log=$build/$suite.log
	cat "$log"
	read -r status 2>/dev/null <"$build/$suite.status" || status=1
	line=$(grep -E '^[a-z0-9-]+: [0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
	good=$(echo "$line" | sed -n 's/.*: \([0-9]*\) passed.*/\1/p')
	bad=$(echo "$line" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
	# A suite that stopped before its closing line has failed, however many of its tests passed.
	[ -n "$line" ] || bad=1
	[ "$status" -eq 0 ] || [ "${bad:-0}" -gt 0 ] || bad=1
	passed=$((passed + ${good:-0})) failed=$((failed + ${bad:-0}))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
